// poll and ppoll: what is ready, time limits, bad descriptors, many of them,
// a mask for as long as it waits. Argument: SECONDS.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>

#include <vector>

#include "guest.h"

namespace {

constexpr std::int64_t kMillisecond = 1'000'000;

int Poll(pollfd* fds, unsigned long count, int milliseconds) {
  return static_cast<int>(syscall(SYS_poll, fds, count, milliseconds));
}

int Ppoll(pollfd* fds, unsigned long count, timespec* limit,
          const sigset_t* mask) {
  return static_cast<int>(syscall(SYS_ppoll, fds, count, limit, mask, 8));
}

struct Pipe {
  Pipe() { SSI_OK(pipe(fds)); }
  ~Pipe() {
    close(fds[0]);
    close(fds[1]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  int fds[2];
};

void Ready() {
  const Pipe pipe;
  pollfd fds[2] = {{pipe.fds[0], POLLIN, 99}, {pipe.fds[1], POLLOUT, 99}};
  SSI_EQ(Poll(fds, 2, -1), 1);
  SSI_EQ(fds[0].revents, 0);
  SSI_EQ(fds[1].revents, POLLOUT);
  SSI_EQ(write(pipe.fds[1], "x", 1), 1);
  SSI_EQ(Poll(fds, 2, -1), 2);
  SSI_EQ(fds[0].revents, POLLIN);
  fds[0].events = POLLRDNORM | POLLPRI;
  SSI_EQ(Poll(fds, 1, 0), 1);
  SSI_EQ(fds[0].revents, POLLRDNORM);
  const int file = SSI_OK(open("/dev/null", O_RDONLY));
  pollfd always{file, POLLIN | POLLOUT, 0};
  SSI_EQ(Poll(&always, 1, -1), 1);
  SSI_EQ(always.revents, POLLIN | POLLOUT);
  SSI_OK(close(file));
  SSI_EQ(Ppoll(fds, 2, nullptr, nullptr), 2);
}

void TimeLimits() {
  const Pipe pipe;
  pollfd wait{pipe.fds[0], POLLIN, 99};
  std::int64_t start = guest::Nanoseconds();
  SSI_EQ(Poll(&wait, 1, 0), 0);
  SSI_EQ(wait.revents, 0);
  SSI_EQ(Poll(&wait, 1, 100), 0);
  SSI_TRUE(guest::Nanoseconds() - start >= 100 * kMillisecond);
  timespec limit{0, 100 * kMillisecond};
  start = guest::Nanoseconds();
  SSI_EQ(Ppoll(&wait, 1, &limit, nullptr), 0);
  SSI_TRUE(guest::Nanoseconds() - start >= 100 * kMillisecond);
  SSI_TRUE(limit.tv_sec == 0 && limit.tv_nsec == 0);
  limit = {100, 0};
  SSI_EQ(write(pipe.fds[1], "x", 1), 1);
  SSI_EQ(Ppoll(&wait, 1, &limit, nullptr), 1);
  SSI_TRUE(limit.tv_sec >= 90 && limit.tv_sec < 100);  // what is left
  limit = {0, 1'000'000'000};
  SSI_FAILS(Ppoll(&wait, 1, &limit, nullptr), EINVAL);
  limit = {-1, 0};
  SSI_FAILS(Ppoll(&wait, 1, &limit, nullptr), EINVAL);
}

void BadDescriptors() {
  const Pipe pipe;
  pollfd fds[4] = {{-1, POLLIN, 99},
                   {777, POLLIN, 99},
                   {-777, POLLIN, 99},
                   {pipe.fds[0], POLLIN, 99}};
  SSI_EQ(Poll(fds, 4, -1), 1);
  SSI_EQ(fds[0].revents, 0);
  SSI_EQ(fds[1].revents, POLLNVAL);
  SSI_EQ(fds[2].revents, 0);
  SSI_EQ(fds[3].revents, 0);
  rlimit limit{};
  SSI_OK(getrlimit(RLIMIT_NOFILE, &limit));
  std::vector<pollfd> many(limit.rlim_cur + 1, pollfd{-1, POLLIN, 0});
  SSI_FAILS(Poll(many.data(), limit.rlim_cur + 1, 0), EINVAL);
}

void Many() {
  const Pipe pipe;
  SSI_EQ(write(pipe.fds[1], "x", 1), 1);
  std::vector<pollfd> fds;
  for (int i = 0; i < 800; ++i) {  // the same two, over and over
    fds.push_back({pipe.fds[i % 2], POLLIN, 99});
  }
  SSI_EQ(Poll(fds.data(), fds.size(), 10), 400);
  for (std::size_t i = 0; i < fds.size(); ++i) {
    SSI_EQ(fds[i].revents, i % 2 == 0 ? POLLIN : 0);
  }
}

volatile int signals = 0;
sigset_t mask_in_handler;
void OnSignal(int) {
  signals = signals + 1;
  sigprocmask(SIG_BLOCK, nullptr, &mask_in_handler);
}

// A blocked signal, pending already, comes in under the mask of the call;
// afterwards the old mask is back.
void Masks() {
  struct sigaction action {};
  action.sa_handler = OnSignal;
  sigaddset(&action.sa_mask, SIGUSR2);
  SSI_OK(sigaction(SIGUSR1, &action, nullptr));
  sigset_t blocked;
  sigset_t open_mask;
  sigset_t got;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  sigaddset(&blocked, SIGALRM);
  sigemptyset(&open_mask);
  sigaddset(&open_mask, SIGTERM);
  SSI_OK(sigprocmask(SIG_BLOCK, &blocked, nullptr));
  const Pipe pipe;
  pollfd wait{pipe.fds[0], POLLIN, 99};
  for (int i = 0; i < 5; ++i) {
    const int before = signals;
    SSI_OK(kill(getpid(), SIGUSR1));
    SSI_EQ(signals, before);
    timespec limit{100, 0};
    SSI_FAILS(Ppoll(&wait, 1, i % 2 == 0 ? &limit : nullptr, &open_mask),
              EINTR);
    SSI_EQ(signals, before + 1);
    SSI_TRUE(i % 2 != 0 || limit.tv_sec >= 90);
    // In the handler: the call's mask, the action's, the signal itself.
    SSI_TRUE(sigismember(&mask_in_handler, SIGTERM) == 1);
    SSI_TRUE(sigismember(&mask_in_handler, SIGUSR1) == 1);
    SSI_TRUE(sigismember(&mask_in_handler, SIGUSR2) == 1);
    SSI_TRUE(sigismember(&mask_in_handler, SIGALRM) == 0);
    SSI_OK(sigprocmask(SIG_BLOCK, nullptr, &got));
    SSI_TRUE(sigismember(&got, SIGUSR1) == 1 &&
             sigismember(&got, SIGALRM) == 1);
    SSI_TRUE(sigismember(&got, SIGTERM) == 0);
  }
  // Ready wins: the call answers, and the signal stays pending.
  SSI_EQ(write(pipe.fds[1], "x", 1), 1);
  const int before = signals;
  SSI_OK(kill(getpid(), SIGUSR1));
  SSI_EQ(Ppoll(&wait, 1, nullptr, &open_mask), 1);
  SSI_EQ(signals, before);
  SSI_OK(sigprocmask(SIG_UNBLOCK, &blocked, nullptr));
  SSI_EQ(signals, before + 1);
  SSI_FAILS(syscall(SYS_ppoll, &wait, 1, nullptr, &open_mask, 7), EINVAL);
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv),
                    {{"ready", Ready},
                     {"time limits", TimeLimits},
                     {"bad descriptors", BadDescriptors},
                     {"many", Many},
                     {"masks", Masks}});
}
