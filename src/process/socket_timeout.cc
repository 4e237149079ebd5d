#include "process/socket_timeout.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/unique_fd.h"

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

// Not to be opened, nor closed, if it is anything else: that can wait.
bool IsSocket(HostPid process, int fd) {
  struct stat info {};
  std::string path = fmt::format("/proc/{}/fd/{}", Raw(process), fd);
  return ::stat(path.c_str(), &info) == 0 && S_ISSOCK(info.st_mode);
}

}  // namespace

std::optional<Nanos> SocketTimeout(HostPid process, std::uint64_t number,
                                   int fd) {
  auto option = OptionOf(number);
  if (!option || !IsSocket(process, fd)) {
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
  Nanos time = std::chrono::seconds(limit.tv_sec) +
               std::chrono::microseconds(limit.tv_usec);
  return time > Nanos(0) ? std::optional(time) : std::nullopt;
}

}  // namespace ssi
