#include "base/unix_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace ssi {

namespace {

constexpr std::size_t kMaxFds = 64;

Result<sockaddr_un> AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return Fail(ErrorCode::kInvalid,
                "socket path {} is longer than {} characters; set "
                "SSI_RUNTIME_DIR to a shorter folder",
                path, sizeof address.sun_path - 1);
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

}  // namespace

Result<std::pair<UniqueFd, UniqueFd>> MakeSocketPair(int type) {
  std::array<int, 2> fds{};
  if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds.data()) != 0) {
    return FailErrno(errno, "socketpair");
  }
  return std::pair(UniqueFd(fds[0]), UniqueFd(fds[1]));
}

Status SendWithFds(int socket, std::span<const std::byte> data,
                   std::span<const int> fds) {
  if (fds.size() > kMaxFds) {
    return Fail(ErrorCode::kInvalid, "{} descriptors in a message", fds.size());
  }
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxFds * sizeof(int))> control;
  iovec vector{const_cast<std::byte*>(data.data()), data.size()};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
  }
  for (;;) {
    ssize_t n = ::sendmsg(socket, &message, MSG_NOSIGNAL);
    if (n >= 0) {
      if (static_cast<std::size_t>(n) == data.size()) {
        return {};
      }
      // A stream socket took a part: the descriptors went with it.
      vector.iov_base = static_cast<char*>(vector.iov_base) + n;
      vector.iov_len -= static_cast<std::size_t>(n);
      data = data.subspan(static_cast<std::size_t>(n));
      message.msg_control = nullptr;
      message.msg_controllen = 0;
      continue;
    }
    if (errno != EINTR) {
      return FailErrno(errno, "sendmsg");
    }
  }
}

Result<ReceivedMessage> ReceiveWithFds(int socket, std::size_t limit) {
  ReceivedMessage received;
  received.data.resize(limit);
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxFds * sizeof(int))> control;
  iovec vector{received.data.data(), limit};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t n = 0;
  // A peer that ends without having read all gives ECONNRESET, once, before
  // what it said last (net/unix/af_unix.c, unix_release_sock).
  bool reset = false;
  do {
    reset = n < 0 && errno == ECONNRESET;
    n = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (n < 0 && (errno == EINTR || (errno == ECONNRESET && !reset)));
  if (n < 0) {
    return FailErrno(errno, "recvmsg");
  }
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) {
      continue;
    }
    std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
      received.fds.emplace_back(fd);
    }
  }
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
    return Fail(ErrorCode::kProtocol, "message over {} bytes", limit);
  }
  received.data.resize(static_cast<std::size_t>(n));
  return received;
}

Result<UniqueFd> ListenUnix(const std::string& path) {
  SSI_ASSIGN(sockaddr_un address, AddressOf(path));
  if (auto running = ConnectUnix(path)) {
    return Fail(ErrorCode::kDenied, "{} is in use by a running ssid", path);
  }
  ::unlink(path.c_str());
  UniqueFd fd(
      ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) {
    return FailErrno(errno, "socket");
  }
  mode_t old = ::umask(0177);
  int failed = ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address),
                      sizeof address);
  int err = errno;
  ::umask(old);
  if (failed != 0) {
    return FailErrno(err, "bind {}", path);
  }
  if (::listen(fd.get(), SOMAXCONN) != 0) {
    return FailErrno(errno, "listen {}", path);
  }
  return fd;
}

Result<UniqueFd> ConnectUnix(const std::string& path) {
  SSI_ASSIGN(sockaddr_un address, AddressOf(path));
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!fd.valid()) {
    return FailErrno(errno, "socket");
  }
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address),
                sizeof address) != 0) {
    return FailErrno(errno, "connect {}", path);
  }
  return fd;
}

Result<PeerCredentials> CredentialsOf(int socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return FailErrno(errno, "SO_PEERCRED");
  }
  return PeerCredentials{credentials.pid, credentials.uid};
}

}  // namespace ssi
