#include "remote/lacks.h"

#include <cerrno>

namespace ssi {

Error Lacks(std::string_view check_id, const Error& error) {
  bool other = error.sys_errno == ENOMEM || error.sys_errno == EAGAIN ||
               error.code == ErrorCode::kGone;
  return other
             ? error
             : Error{error.code,
                     fmt::format("{} (see {} in what ssictl check says there)",
                                 error.message, check_id),
                     error.sys_errno};
}

}  // namespace ssi
