#include "process/socket_timeout.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include <algorithm>
#include <array>

#include "base/unique_fd.h"
#include "process/file_kind.h"

namespace ssi {

namespace {

// connect(2) alone cannot be made again.
constexpr std::array<std::uint64_t, 6> kReceive = {
    SYS_read, SYS_readv, SYS_recvfrom, SYS_recvmsg, SYS_accept, SYS_accept4};
constexpr std::array<std::uint64_t, 5> kSend = {
    SYS_write, SYS_writev, SYS_sendto, SYS_sendmsg, SYS_sendmmsg};

std::optional<int> OptionOf(std::uint64_t number) {
  if (std::ranges::find(kReceive, number) != kReceive.end()) {
    return SO_RCVTIMEO;
  }
  bool sends = std::ranges::find(kSend, number) != kSend.end();
  return sends ? std::optional(SO_SNDTIMEO) : std::nullopt;
}

}  // namespace

std::optional<Nanos> SocketTimeout(HostPid process, std::uint64_t number,
                                   int fd) {
  auto option = OptionOf(number);
  // Closing a duplicate of anything else can wait.
  if (!option || !S_ISSOCK(FileKind(process, fd))) {
    return std::nullopt;
  }
  auto pid_fd = PidFdOpen(Raw(process));
  if (!pid_fd) {
    return std::nullopt;
  }
  auto socket = PidFdGetFd(pid_fd->get(), fd);
  timeval limit{};
  socklen_t size = sizeof limit;
  if (!socket ||
      ::getsockopt(socket->get(), SOL_SOCKET, *option, &limit, &size) != 0) {
    return std::nullopt;
  }
  Nanos time = InNanos(limit);
  return time > Nanos(0) ? std::optional(time) : std::nullopt;
}

}  // namespace ssi
