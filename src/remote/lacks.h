#ifndef SSI_REMOTE_LACKS_H_
#define SSI_REMOTE_LACKS_H_

#include <string_view>

#include "base/result.h"

namespace ssi {

// `error` with a hint at the line of `ssictl check` that says what this node
// lacks and what to do, unless it is of another kind: want of memory or
// processes, or something that died.
Error Lacks(std::string_view check_id, const Error& error);

}  // namespace ssi

#endif  // SSI_REMOTE_LACKS_H_
