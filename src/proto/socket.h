// Small things about stream sockets that several files here need.
#ifndef SSI_PROTO_SOCKET_H_
#define SSI_PROTO_SOCKET_H_

#include <cstddef>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace ssi::proto {

// The error of a connection that just failed with `err`: as SystemError, but
// always kGone, because whatever the reason, this connection will not work
// again.
[[nodiscard]] Error ConnectionError(int err, std::string what);
// The stream ended without the peer's goodbye.
[[nodiscard]] Error EndOfStream();

// recv(2) over EINTR, without waiting; -1 with errno.
ssize_t ReceiveNow(int fd, void* into, std::size_t size);
// send(2) over EINTR, without waiting and without SIGPIPE; -1 with errno.
ssize_t SendNow(int fd, const void* from, std::size_t size, int flags = 0);

// Makes a connected socket fit for us: non-blocking, close-on-exec, and where
// it is TCP: no Nagle delay, and keepalive, which ends connections whose peer
// vanished while nothing was being said.
//
// TCP_USER_TIMEOUT stays off: it also ends a connection whose peer lives but
// does not read for that long (zero window; Linux 5.8, tcp_timer.c), such as a
// guest supervisor that was stopped. A dead peer with our data in flight is
// noticed by the channel's silence limit, which interrupts the bulk stream.
Status PrepareSocket(int fd);

// Closing it will drop what the peer has not got yet, and tell it so (TCP
// reset): SO_LINGER of socket(7) with no time.
void SendNothingMore(int fd);

}  // namespace ssi::proto

#endif  // SSI_PROTO_SOCKET_H_
