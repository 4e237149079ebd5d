// Errors as values. Every function of ours that can fail returns Result<T>.
#ifndef SSI_BASE_RESULT_H_
#define SSI_BASE_RESULT_H_

#include <expected>
#include <string>
#include <utility>

#include <fmt/format.h>

namespace ssi {

// What the caller can do about an error; the text is for people.
enum class ErrorCode {
  kGone,         // the process or peer is dead or its connection closed
  kRetry,        // nothing happened; the same call may succeed later
  kDenied,       // not permitted, or refused by the peer
  kUnsupported,  // this kernel, CPU or version cannot do it
  kProtocol,     // a peer or a guest sent something that is not allowed
  kInvalid,      // the user's input is wrong
  kSystem,       // a system call failed in a way that has no code above
};

struct Error {
  ErrorCode code = ErrorCode::kSystem;
  std::string message;
  int sys_errno = 0;  // the errno behind it, or 0

  // "context: message", for a caller that knows more than the callee.
  [[nodiscard]] Error WithContext(std::string_view context) const;
};

template <typename T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

template <typename... Args>
[[nodiscard]] std::unexpected<Error> Fail(ErrorCode code,
                                          fmt::format_string<Args...> format,
                                          Args&&... args) {
  return std::unexpected(
      Error{code, fmt::format(format, std::forward<Args>(args)...), 0});
}

// The error of a system call that just failed with `err`: kGone for ESRCH,
// kDenied for EPERM and EACCES, kUnsupported for ENOSYS, kRetry for EAGAIN,
// else kSystem. The text ends with strerror.
[[nodiscard]] Error SystemError(int err, std::string what);

template <typename... Args>
[[nodiscard]] std::unexpected<Error> FailErrno(
    int err, fmt::format_string<Args...> format, Args&&... args) {
  return std::unexpected(
      SystemError(err, fmt::format(format, std::forward<Args>(args)...)));
}

// The name of an errno ("EINVAL"), or its number.
[[nodiscard]] std::string ErrnoName(int err);

}  // namespace ssi

#define SSI_CONCAT_INNER_(a, b) a##b
#define SSI_CONCAT_(a, b) SSI_CONCAT_INNER_(a, b)

// Returns from the enclosing function with the error, if there is one.
#define SSI_TRY(expression)                                   \
  do {                                                        \
    if (auto ssi_status_ = (expression); !ssi_status_) {      \
      return std::unexpected(std::move(ssi_status_).error()); \
    }                                                         \
  } while (false)

// SSI_ASSIGN(auto x, F()): declares or assigns from a Result, or returns.
#define SSI_ASSIGN(lhs, expression) \
  SSI_ASSIGN_IMPL_(SSI_CONCAT_(ssi_result_, __LINE__), lhs, expression)
// NOLINTBEGIN(bugprone-macro-parentheses): a declaration is one of them
#define SSI_ASSIGN_IMPL_(result, lhs, expression)      \
  auto result = (expression);                          \
  if (!result) {                                       \
    return std::unexpected(std::move(result).error()); \
  }                                                    \
  lhs = *std::move(result)
// NOLINTEND(bugprone-macro-parentheses)

#endif  // SSI_BASE_RESULT_H_
