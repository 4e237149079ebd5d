#include "proto/socket.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

namespace ssi::proto {

namespace {

// A vanished peer of an idle connection is noticed after 15 + 3 * 10 s.
constexpr int kKeepIdleSeconds = 15;
constexpr int kKeepIntervalSeconds = 10;
constexpr int kKeepProbes = 3;

Status SetOption(int fd, int level, int option, int value, const char* name) {
  if (::setsockopt(fd, level, option, &value, sizeof value) != 0) {
    return FailErrno(errno, "setsockopt {}", name);
  }
  return {};
}

}  // namespace

Error ConnectionError(int err, std::string what) {
  Error error = SystemError(err, std::move(what));
  error.code = ErrorCode::kGone;
  return error;
}

Error EndOfStream() {
  return Error{ErrorCode::kGone, "the connection broke: end of file", 0};
}

ssize_t ReceiveNow(int fd, void* into, std::size_t size) {
  ssize_t n = 0;
  do {
    n = ::recv(fd, into, size, MSG_DONTWAIT);
  } while (n < 0 && errno == EINTR);
  return n;
}

ssize_t SendNow(int fd, const void* from, std::size_t size, int flags) {
  ssize_t n = 0;
  do {
    n = ::send(fd, from, size, flags | MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (n < 0 && errno == EINTR);
  return n;
}

Status PrepareSocket(int fd) {
  SSI_TRY(SetNonBlocking(fd, true));
  if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
    return FailErrno(errno, "FD_CLOEXEC");
  }
  int domain = 0;
  socklen_t size = sizeof domain;
  if (::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0) {
    return FailErrno(errno, "SO_DOMAIN");
  }
  if (domain != AF_INET && domain != AF_INET6) {
    return {};
  }
  SSI_TRY(SetOption(fd, IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY"));
  SSI_TRY(SetOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1, "SO_KEEPALIVE"));
  SSI_TRY(SetOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, kKeepIdleSeconds,
                    "TCP_KEEPIDLE"));
  SSI_TRY(SetOption(fd, IPPROTO_TCP, TCP_KEEPINTVL, kKeepIntervalSeconds,
                    "TCP_KEEPINTVL"));
  return SetOption(fd, IPPROTO_TCP, TCP_KEEPCNT, kKeepProbes, "TCP_KEEPCNT");
}

void SendNothingMore(int fd) {
  constexpr linger kNoTime{1, 0};
  (void)::setsockopt(fd, SOL_SOCKET, SO_LINGER, &kNoTime, sizeof kNoTime);
}

}  // namespace ssi::proto
