#include "base/result.h"

#include <cerrno>
#include <cstring>

namespace ssi {

namespace {

ErrorCode CodeOf(int err) {
  switch (err) {
    case ESRCH:
    case ECONNRESET:
    case EPIPE:
      return ErrorCode::kGone;
    case EPERM:
    case EACCES:
      return ErrorCode::kDenied;
    case ENOSYS:
    case EOPNOTSUPP:
      return ErrorCode::kUnsupported;
    case EAGAIN:
      return ErrorCode::kRetry;
    default:
      return ErrorCode::kSystem;
  }
}

}  // namespace

Error Error::WithContext(std::string_view context) const {
  return Error{code, fmt::format("{}: {}", context, message), sys_errno};
}

Error SystemError(int err, std::string what) {
  // strerrordesc_np (glibc 2.32) is thread-safe and takes no locale.
  const char* text = ::strerrordesc_np(err);
  return Error{CodeOf(err),
               fmt::format("{}: {}", what, text ? text : "unknown error"), err};
}

std::string ErrnoName(int err) {
  const char* name = ::strerrorname_np(err);
  return name ? name : fmt::format("errno {}", err);
}

}  // namespace ssi
