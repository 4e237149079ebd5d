// select and pselect: sets of every size, what is ready, time limits, bad
// descriptors, a mask for as long as it waits. Argument: SECONDS.
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/select.h>

#include "guest.h"

namespace {

constexpr std::int64_t kMillisecond = 1'000'000;

int Select(int count, fd_set* in, fd_set* out, fd_set* error, timeval* limit) {
  return static_cast<int>(syscall(SYS_select, count, in, out, error, limit));
}

int Pselect(int count, fd_set* in, timespec* limit, const sigset_t* mask) {
  const struct {
    const sigset_t* mask;
    std::size_t size;
  } sixth{mask, 8};
  return static_cast<int>(
      syscall(SYS_pselect6, count, in, nullptr, nullptr, limit, &sixth));
}

fd_set SetOf(std::initializer_list<int> fds) {
  fd_set set;
  FD_ZERO(&set);
  for (const int fd : fds) {
    FD_SET(fd, &set);
  }
  return set;
}

int CountOf(const fd_set& set) {
  int count = 0;
  for (int fd = 0; fd < FD_SETSIZE; ++fd) {
    count += FD_ISSET(fd, &set) ? 1 : 0;
  }
  return count;
}

struct Pipe {
  // At the numbers `at` and `at` + 1.
  explicit Pipe(int at) : reader(at), writer(at + 1) {
    int fds[2];
    SSI_OK(pipe(fds));
    SSI_EQ(dup2(fds[0], 300), 300);
    SSI_EQ(dup2(fds[1], 301), 301);
    SSI_OK(close(fds[0]));
    SSI_OK(close(fds[1]));
    SSI_EQ(dup2(300, reader), reader);
    SSI_EQ(dup2(301, writer), writer);
    SSI_OK(close(300));
    SSI_OK(close(301));
  }
  ~Pipe() {
    close(reader);
    close(writer);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  int reader;
  int writer;
};

void Ready() {
  for (const int at : {10, 62, 63, 64, 127, 200}) {
    const Pipe pipe(at);
    const int count = pipe.writer + 1;
    fd_set in = SetOf({pipe.reader});
    fd_set out = SetOf({pipe.writer});
    fd_set error = SetOf({pipe.reader, pipe.writer});
    SSI_EQ(Select(count, &in, &out, &error, nullptr), 1);
    SSI_EQ(CountOf(in), 0);
    SSI_EQ(CountOf(error), 0);
    SSI_TRUE(FD_ISSET(pipe.writer, &out) && CountOf(out) == 1);
    SSI_EQ(write(pipe.writer, "x", 1), 1);
    in = SetOf({pipe.reader});
    SSI_EQ(Select(count, &in, &out, nullptr, nullptr), 2);
    SSI_TRUE(FD_ISSET(pipe.reader, &in) && CountOf(in) == 1);
    // Only the numbers below `count` are looked at.
    in = SetOf({pipe.reader});
    timeval now{0, 0};
    SSI_EQ(Select(pipe.reader, &in, nullptr, nullptr, &now), 0);
    if (pipe.reader % 64 == 0) {
      SSI_EQ(CountOf(in), 1);  // its word is not touched
    }
  }
}

void TimeLimits() {
  const Pipe pipe(10);
  fd_set in = SetOf({pipe.reader});
  timeval limit{0, 100'000};
  std::int64_t start = guest::Nanoseconds();
  SSI_EQ(Select(pipe.reader + 1, &in, nullptr, nullptr, &limit), 0);
  SSI_TRUE(guest::Nanoseconds() - start >= 100 * kMillisecond);
  SSI_EQ(CountOf(in), 0);
  SSI_TRUE(limit.tv_sec == 0 && limit.tv_usec == 0);
  timespec nano{0, 100'000'000};
  in = SetOf({pipe.reader});
  start = guest::Nanoseconds();
  SSI_EQ(Pselect(pipe.reader + 1, &in, &nano, nullptr), 0);
  SSI_TRUE(guest::Nanoseconds() - start >= 100 * kMillisecond);
  SSI_EQ(write(pipe.writer, "x", 1), 1);
  in = SetOf({pipe.reader});
  limit = {100, 0};
  SSI_EQ(Select(pipe.reader + 1, &in, nullptr, nullptr, &limit), 1);
  SSI_TRUE(limit.tv_sec >= 90 && limit.tv_sec < 100);  // what is left
  limit = {0, 5'000'000};  // micros of more than a second are good
  SSI_EQ(Select(pipe.reader + 1, &in, nullptr, nullptr, &limit), 1);
  limit = {0, -1};
  SSI_FAILS(Select(0, nullptr, nullptr, nullptr, &limit), EINVAL);
  nano = {0, 1'000'000'000};
  SSI_FAILS(Pselect(0, nullptr, &nano, nullptr), EINVAL);
}

void BadDescriptors() {
  const Pipe pipe(10);
  fd_set in = SetOf({pipe.reader, 99});
  SSI_FAILS(Select(100, &in, nullptr, nullptr, nullptr), EBADF);
  SSI_EQ(CountOf(in), 2);  // not touched
  SSI_FAILS(Select(-1, &in, nullptr, nullptr, nullptr), EINVAL);
  SSI_EQ(write(pipe.writer, "x", 1), 1);
  in = SetOf({pipe.reader});
  SSI_EQ(Select(1024, &in, nullptr, nullptr, nullptr), 1);
}

volatile int signals = 0;
void OnSignal(int) {
  signals = signals + 1;
}

void Masks() {
  struct sigaction action {};
  action.sa_handler = OnSignal;
  action.sa_flags = SA_RESTART;  // select is never restarted
  SSI_OK(sigaction(SIGUSR1, &action, nullptr));
  sigset_t blocked;
  sigset_t none;
  sigset_t got;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  sigemptyset(&none);
  SSI_OK(sigprocmask(SIG_BLOCK, &blocked, nullptr));
  const Pipe pipe(10);
  for (int i = 0; i < 5; ++i) {
    const int before = signals;
    SSI_OK(kill(getpid(), SIGUSR1));
    fd_set in = SetOf({pipe.reader});
    timespec limit{100, 0};
    SSI_FAILS(Pselect(pipe.reader + 1, &in, &limit, &none), EINTR);
    SSI_EQ(signals, before + 1);
    SSI_EQ(CountOf(in), 1);
    SSI_OK(sigprocmask(SIG_BLOCK, nullptr, &got));
    SSI_TRUE(sigismember(&got, SIGUSR1) == 1);
  }
  // With the signal blocked in the call's mask as well, it waits.
  const int before = signals;
  SSI_OK(kill(getpid(), SIGUSR1));
  timespec limit{0, 50'000'000};
  SSI_EQ(Pselect(0, nullptr, &limit, &blocked), 0);
  SSI_EQ(signals, before);
  SSI_OK(sigprocmask(SIG_UNBLOCK, &blocked, nullptr));
  SSI_EQ(signals, before + 1);
}

}  // namespace

int main(int argc, char** argv) {
  // With a small table the kernel looks at no more than its numbers.
  rlimit limit{};
  SSI_OK(getrlimit(RLIMIT_NOFILE, &limit));
  limit.rlim_cur = limit.rlim_max < 1024 ? limit.rlim_max : 1024;
  SSI_OK(setrlimit(RLIMIT_NOFILE, &limit));
  return guest::Run(guest::Seconds(argc, argv),
                    {{"ready", Ready},
                     {"time limits", TimeLimits},
                     {"bad descriptors", BadDescriptors},
                     {"masks", Masks}});
}
