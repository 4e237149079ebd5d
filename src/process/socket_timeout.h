#ifndef SSI_PROCESS_SOCKET_TIMEOUT_H_
#define SSI_PROCESS_SOCKET_TIMEOUT_H_

#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "base/ids.h"

namespace ssi {

// How long a system call of another process on its socket `fd` waits at most:
// SO_RCVTIMEO or SO_SNDTIMEO (socket(7)). Nothing where it waits for ever, is
// no such call or no socket, or cannot be looked at.
std::optional<Nanos> SocketTimeout(HostPid process, std::uint64_t number,
                                   int fd);

}  // namespace ssi

#endif  // SSI_PROCESS_SOCKET_TIMEOUT_H_
