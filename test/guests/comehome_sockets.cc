// Sockets: pairs, named ones, descriptors sent through them, and TCP and UDP
// with itself where the machine has a loopback. Argument: SECONDS.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "guest.h"

namespace {

unsigned char bytes[100'000];
unsigned char back[100'000];

void Transfer(int from, int to, std::uint64_t seed) {
  for (const std::size_t size : {1UL, 1000UL, 60'000UL}) {
    guest::Fill(bytes, size, seed);
    SSI_EQ(send(from, bytes, size, MSG_NOSIGNAL), size);
    guest::Compute(1);
    std::size_t got = 0;
    while (got < size) {
      got +=
          static_cast<std::size_t>(SSI_OK(recv(to, back + got, size - got, 0)));
    }
    SSI_TRUE(guest::Holds(back, size, seed));
  }
}

void Pairs() {
  int ends[2];
  SSI_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
  SSI_EQ(fcntl(ends[0], F_GETFD), FD_CLOEXEC);
  Transfer(ends[0], ends[1], 1);
  Transfer(ends[1], ends[0], 2);
  // The plain calls work on sockets as well.
  SSI_EQ(write(ends[0], "plain", 5), 5);
  int queued = 0;
  SSI_OK(ioctl(ends[1], FIONREAD, &queued));
  SSI_EQ(queued, 5);
  SSI_EQ(recv(ends[1], back, 5, MSG_PEEK), 5);
  SSI_EQ(read(ends[1], back, 100), 5);
  SSI_FAILS(recv(ends[1], back, 1, MSG_DONTWAIT), EAGAIN);
  SSI_OK(shutdown(ends[0], SHUT_WR));
  SSI_EQ(read(ends[1], back, 1), 0);
  ucred peer{};
  socklen_t size = sizeof peer;
  SSI_OK(getsockopt(ends[0], SOL_SOCKET, SO_PEERCRED, &peer, &size));
  SSI_EQ(peer.pid, getpid());
  SSI_EQ(peer.uid, getuid());
  SSI_OK(close(ends[0]));
  SSI_FAILS(send(ends[1], "x", 1, MSG_NOSIGNAL), EPIPE);
  SSI_OK(close(ends[1]));
}

void SentDescriptors() {
  int ends[2];
  int pipe_ends[2];
  SSI_OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends));
  SSI_OK(pipe(pipe_ends));
  char text[] = "fd";
  iovec one{text, 2};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &one;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &pipe_ends[1], sizeof(int));
  SSI_EQ(sendmsg(ends[0], &message, 0), 2);
  SSI_OK(close(pipe_ends[1]));
  memset(control, 0, sizeof control);
  SSI_EQ(recvmsg(ends[1], &message, MSG_CMSG_CLOEXEC), 2);
  int fd = -1;
  memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
  SSI_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
  SSI_EQ(write(fd, "through", 7), 7);
  SSI_EQ(read(pipe_ends[0], back, 10), 7);
  for (const int each : {fd, pipe_ends[0], ends[0], ends[1]}) {
    SSI_OK(close(each));
  }
}

void Named() {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  strcpy(name.sun_path, "socket");
  const auto* address = reinterpret_cast<const sockaddr*>(&name);
  const int listener = SSI_OK(socket(AF_UNIX, SOCK_STREAM, 0));
  SSI_OK(bind(listener, address, sizeof name));
  SSI_OK(listen(listener, 5));
  const int client = SSI_OK(socket(AF_UNIX, SOCK_STREAM, 0));
  SSI_OK(connect(client, address, sizeof name));
  guest::Compute(2);
  const int server = SSI_OK(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
  sockaddr_un got{};
  socklen_t size = sizeof got;
  SSI_OK(getpeername(client, reinterpret_cast<sockaddr*>(&got), &size));
  SSI_EQ(strcmp(got.sun_path, "socket"), 0);
  Transfer(client, server, 3);
  SSI_OK(close(listener));
  SSI_OK(unlink("socket"));
  Transfer(server, client, 4);
  const int late = SSI_OK(socket(AF_UNIX, SOCK_STREAM, 0));
  SSI_FAILS(connect(late, address, sizeof name), ENOENT);
  for (const int each : {late, client, server}) {
    SSI_OK(close(each));
  }
}

void Loopback() {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* address = reinterpret_cast<sockaddr*>(&name);
  socklen_t size = sizeof name;
  const int listener = SSI_OK(socket(AF_INET, SOCK_STREAM, 0));
  SSI_OK(bind(listener, address, size));  // a port that the kernel chooses
  SSI_OK(getsockname(listener, address, &size));
  SSI_OK(listen(listener, 5));
  const int client = SSI_OK(socket(AF_INET, SOCK_STREAM, 0));
  if (connect(client, address, size) != 0) {
    guest::skip_reason = "no loopback";
  } else {
    const int server = SSI_OK(accept(listener, nullptr, nullptr));
    const int on = 1;
    SSI_OK(setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
    Transfer(client, server, 5);
    Transfer(server, client, 6);
    timeval limit{0, 50'000};
    SSI_OK(setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
    const long got = recv(client, back, 1, 0);
    SSI_TRUE(got == -1 &&
             (errno == EAGAIN || (errno == EINTR && getenv("GUEST_STOPPED"))));
    SSI_OK(close(server));
    SSI_EQ(recv(client, back, 1, 0), 0);
    const int datagrams = SSI_OK(socket(AF_INET, SOCK_DGRAM, 0));
    name.sin_port = 0;
    SSI_OK(bind(datagrams, address, size));
    SSI_OK(getsockname(datagrams, address, &size));
    SSI_EQ(sendto(datagrams, "packet", 6, 0, address, size), 6);
    SSI_EQ(sendto(datagrams, "second", 6, 0, address, size), 6);
    SSI_EQ(recvfrom(datagrams, back, 3, MSG_TRUNC, nullptr, nullptr), 6);
    SSI_EQ(recv(datagrams, back, 100, 0), 6);
    SSI_OK(close(datagrams));
  }
  SSI_OK(close(client));
  SSI_OK(close(listener));
}

}  // namespace

int main(int argc, char** argv) {
  return guest::RunInDirectory(guest::Seconds(argc, argv),
                               {{"pairs", Pairs},
                                {"sent descriptors", SentDescriptors},
                                {"named", Named},
                                {"loopback", Loopback}});
}
