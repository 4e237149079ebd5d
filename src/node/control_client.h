#ifndef SSI_NODE_CONTROL_CLIENT_H_
#define SSI_NODE_CONTROL_CLIENT_H_

#include <chrono>
#include <string>

#include "base/result.h"
#include "proto/control.pb.h"

namespace ssi {

// One request to the daemon at `socket_path` and its response; blocks. An error
// of the daemon's comes back as kDenied.
Result<wire::Response> AskDaemon(
    const std::string& socket_path, const wire::Request& request,
    std::chrono::milliseconds limit = std::chrono::seconds(10));

}  // namespace ssi

#endif  // SSI_NODE_CONTROL_CLIENT_H_
