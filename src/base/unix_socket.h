// Unix sockets that carry descriptors.
#ifndef SSI_BASE_UNIX_SOCKET_H_
#define SSI_BASE_UNIX_SOCKET_H_

#include <sys/types.h>

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace ssi {

// A connected pair; `type` is SOCK_STREAM or SOCK_SEQPACKET. Close-on-exec.
Result<std::pair<UniqueFd, UniqueFd>> MakeSocketPair(int type);

// Sends `data` as one message with descriptors (at most 64). Blocks unless the
// socket is non-blocking (then kRetry).
Status SendWithFds(int socket, std::span<const std::byte> data,
                   std::span<const int> fds);

struct ReceivedMessage {
  std::vector<std::byte> data;  // empty: the peer closed
  std::vector<UniqueFd> fds;
};
// Receives one message of at most `limit` bytes.
Result<ReceivedMessage> ReceiveWithFds(int socket, std::size_t limit);

// Sockets with a name keep message borders (SOCK_SEQPACKET).
//
// A listening socket at `path`, mode 0600; replaces a stale one that nobody
// listens on, fails with kDenied where somebody does.
Result<UniqueFd> ListenUnix(const std::string& path);
Result<UniqueFd> ConnectUnix(const std::string& path);

struct PeerCredentials {
  pid_t pid;
  uid_t uid;
};
Result<PeerCredentials> CredentialsOf(int socket);

}  // namespace ssi

#endif  // SSI_BASE_UNIX_SOCKET_H_
