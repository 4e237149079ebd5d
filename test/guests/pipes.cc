// Pipes: how much goes in, what comes out, the ends' ends, packets.
// Argument: SECONDS.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "guest.h"

namespace {

struct Pipe {
  explicit Pipe(int flags = 0) { SSI_OK(syscall(SYS_pipe2, fds, flags)); }
  ~Pipe() {
    CloseReader();
    CloseWriter();
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  int reader() const { return fds[0]; }
  int writer() const { return fds[1]; }
  int Queued() const {
    int queued = -1;
    SSI_OK(ioctl(fds[0], FIONREAD, &queued));
    return queued;
  }
  void CloseReader() { Close(fds[0]); }
  void CloseWriter() { Close(fds[1]); }
  static void Close(int& fd) {
    if (fd >= 0) {
      SSI_OK(close(fd));
    }
    fd = -1;
  }
  int fds[2] = {-1, -1};
};

constexpr int kCapacity = 65536;
unsigned char bytes[2 * kCapacity];

volatile int sigpipes = 0;
void OnSigpipe(int) {
  sigpipes = sigpipes + 1;
}

void Capacity() {
  const Pipe pipe(O_NONBLOCK | O_CLOEXEC);
  SSI_EQ(fcntl(pipe.reader(), F_GETFD), FD_CLOEXEC);
  SSI_EQ(fcntl(pipe.writer(), F_GETFL), O_WRONLY | O_NONBLOCK);
  SSI_FAILS(read(pipe.reader(), bytes, 1), EAGAIN);
  guest::Fill(bytes, sizeof bytes, 1);
  SSI_EQ(write(pipe.writer(), bytes, sizeof bytes), kCapacity);
  SSI_EQ(pipe.Queued(), kCapacity);
  SSI_FAILS(write(pipe.writer(), bytes, 1), EAGAIN);
  guest::Compute(1);
  memset(bytes, 0, sizeof bytes);
  SSI_EQ(read(pipe.reader(), bytes, 1000), 1000);
  SSI_FAILS(write(pipe.writer(), bytes, 4096), EAGAIN);  // no page is free
  SSI_EQ(read(pipe.reader(), bytes + 1000, 3096), 3096);
  SSI_EQ(read(pipe.reader(), bytes + 4096, sizeof bytes - 4096),
         kCapacity - 4096);
  SSI_TRUE(guest::Holds(bytes, kCapacity, 1));
  SSI_FAILS(read(pipe.reader(), bytes, 1), EAGAIN);
  SSI_EQ(pipe.Queued(), 0);
}

// Up to PIPE_BUF bytes go in whole or not at all.
void Atomic() {
  const Pipe pipe(O_NONBLOCK);
  for (int i = 0; i < 16; ++i) {
    SSI_EQ(write(pipe.writer(), bytes, 3000), 3000);
  }
  SSI_FAILS(write(pipe.writer(), bytes, 4096), EAGAIN);
  SSI_EQ(pipe.Queued(), 48000);
  SSI_EQ(write(pipe.writer(), bytes, 1000), 1000);  // beside the last 3,000
  SSI_EQ(read(pipe.reader(), bytes, 3000), 3000);
  SSI_EQ(write(pipe.writer(), bytes, 4096), 4096);
  SSI_FAILS(write(pipe.writer(), bytes, 4097), EAGAIN);
}

void Order() {
  const Pipe pipe;
  std::uint64_t in = 0;
  std::uint64_t out = 0;
  for (int step = 1; step < 400; ++step) {
    const std::size_t size = static_cast<std::size_t>(step * 37 % 1500 + 1);
    guest::Fill(bytes, size, 2, in);
    SSI_EQ(write(pipe.writer(), bytes, size), size);
    in += size;
    const std::size_t want = static_cast<std::size_t>(step * 53 % 1400 + 1);
    const long got = read(pipe.reader(), bytes, want);
    SSI_EQ(got, want < in - out ? want : in - out);
    SSI_TRUE(guest::Holds(bytes, static_cast<std::size_t>(got), 2, out));
    out += static_cast<std::uint64_t>(got);
    if (in == out) {
      SSI_EQ(pipe.Queued(), 0);
      SSI_EQ(write(pipe.writer(), "", 0), 0);
    }
    if (in - out > 40000) {
      const long rest = read(pipe.reader(), bytes, in - out);
      SSI_EQ(rest, in - out);
      SSI_TRUE(guest::Holds(bytes, static_cast<std::size_t>(rest), 2, out));
      out = in;
    }
  }
}

void Ends() {
  Pipe pipe;
  SSI_EQ(write(pipe.writer(), "last", 4), 4);
  const int copy = SSI_OK(dup(pipe.writer()));
  pipe.CloseWriter();
  SSI_EQ(read(pipe.reader(), bytes, 100), 4);
  SSI_EQ(write(copy, "more", 4), 4);
  SSI_OK(close(copy));
  pollfd poll_reader{pipe.reader(), POLLIN, 0};
  SSI_EQ(poll(&poll_reader, 1, 0), 1);
  SSI_EQ(poll_reader.revents, POLLIN | POLLHUP);
  SSI_EQ(read(pipe.reader(), bytes, 100), 4);
  SSI_EQ(read(pipe.reader(), bytes, 100), 0);
  SSI_EQ(read(pipe.reader(), bytes, 100), 0);
  SSI_EQ(poll(&poll_reader, 1, 0), 1);
  SSI_EQ(poll_reader.revents, POLLHUP);
}

void Broken() {
  struct sigaction action {};
  action.sa_handler = OnSigpipe;
  SSI_OK(sigaction(SIGPIPE, &action, nullptr));
  Pipe pipe;
  pipe.CloseReader();
  const int before = sigpipes;
  SSI_FAILS(write(pipe.writer(), "x", 1), EPIPE);
  SSI_EQ(sigpipes, before + 1);  // handled when the call returns
  iovec two[2] = {{bytes, 3}, {bytes, 5}};
  SSI_FAILS(writev(pipe.writer(), two, 2), EPIPE);
  SSI_EQ(sigpipes, before + 2);
  pollfd poll_writer{pipe.writer(), POLLOUT, 0};
  SSI_EQ(poll(&poll_writer, 1, 0), 1);
  SSI_EQ(poll_writer.revents, POLLOUT | POLLERR);
  SSI_EQ(write(pipe.writer(), "", 0), 0);
  // Blocked: the signal waits, the error does not.
  sigset_t set;
  sigset_t pending;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  SSI_OK(sigprocmask(SIG_BLOCK, &set, nullptr));
  SSI_FAILS(write(pipe.writer(), "x", 1), EPIPE);
  SSI_EQ(sigpipes, before + 2);
  SSI_OK(sigpending(&pending));
  SSI_TRUE(sigismember(&pending, SIGPIPE));
  SSI_OK(sigprocmask(SIG_UNBLOCK, &set, nullptr));
  SSI_EQ(sigpipes, before + 3);
  action.sa_handler = SIG_IGN;
  SSI_OK(sigaction(SIGPIPE, &action, nullptr));
  SSI_FAILS(write(pipe.writer(), "x", 1), EPIPE);
  SSI_EQ(sigpipes, before + 3);
}

// O_DIRECT: each write is a packet, each read takes one.
void Packets() {
  const Pipe pipe(O_DIRECT | O_NONBLOCK);
  SSI_EQ(write(pipe.writer(), "first", 5), 5);
  SSI_EQ(write(pipe.writer(), "second", 6), 6);
  SSI_EQ(read(pipe.reader(), bytes, 100), 5);
  SSI_EQ(read(pipe.reader(), bytes, 2), 2);  // the rest of it is lost
  SSI_FAILS(read(pipe.reader(), bytes, 100), EAGAIN);
}

void Errors() {
  const Pipe pipe;
  SSI_FAILS(read(pipe.writer(), bytes, 1), EBADF);
  SSI_FAILS(write(pipe.reader(), bytes, 1), EBADF);
  int fds[2];
  SSI_FAILS(pipe2(fds, 1), EINVAL);
  struct stat status {};
  SSI_OK(fstat(pipe.reader(), &status));
  SSI_TRUE(S_ISFIFO(status.st_mode));
  iovec three[3] = {{bytes, 2}, {bytes + 10, 0}, {bytes + 20, 3}};
  SSI_EQ(write(pipe.writer(), "abcdefg", 7), 7);
  SSI_EQ(readv(pipe.reader(), three, 3), 5);
  SSI_EQ(memcmp(bytes, "ab", 2), 0);
  SSI_EQ(memcmp(bytes + 20, "cde", 3), 0);
  SSI_EQ(pipe.Queued(), 2);
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv), {{"capacity", Capacity},
                                                 {"atomic", Atomic},
                                                 {"order", Order},
                                                 {"ends", Ends},
                                                 {"broken", Broken},
                                                 {"packets", Packets},
                                                 {"errors", Errors}});
}
