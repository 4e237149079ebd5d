// epoll, eventfd, timerfd, signalfd: descriptors that tell of events. With
// GUEST_STOPPED in the environment an epoll_wait may be cut short by SIGCONT,
// as signal(7) says. Argument: SECONDS.
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#include "guest.h"

namespace {

// epoll_wait until it is not SIGCONT that ends it.
int Wait(int epoll, epoll_event* events, int count, int milliseconds) {
  const bool stopped = getenv("GUEST_STOPPED") != nullptr;
  int got = 0;
  do {
    got = epoll_wait(epoll, events, count, milliseconds);
  } while (got == -1 && errno == EINTR && stopped);
  return got;
}

void Epoll() {
  int ends[2];
  SSI_OK(pipe(ends));
  const int epoll = SSI_OK(epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = 0x123456789abcdef;
  SSI_OK(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event));
  SSI_FAILS(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event), EEXIST);
  epoll_event got[4] = {};
  SSI_EQ(Wait(epoll, got, 4, 0), 0);
  const std::int64_t start = guest::Nanoseconds();
  SSI_EQ(Wait(epoll, got, 4, 60), 0);
  SSI_TRUE(guest::Nanoseconds() - start >= 60'000'000);
  SSI_EQ(write(ends[1], "x", 1), 1);
  guest::Compute(2);
  for (int i = 0; i < 2; ++i) {  // level: as long as it is there
    SSI_EQ(Wait(epoll, got, 4, 1000), 1);
    SSI_EQ(got[0].events, EPOLLIN);
    SSI_EQ(got[0].data.u64, 0x123456789abcdef);
  }
  event.events = EPOLLIN | EPOLLET | EPOLLONESHOT;
  SSI_OK(epoll_ctl(epoll, EPOLL_CTL_MOD, ends[0], &event));
  SSI_EQ(Wait(epoll, got, 4, 1000), 1);
  SSI_EQ(Wait(epoll, got, 4, 0), 0);  // once
  SSI_OK(epoll_ctl(epoll, EPOLL_CTL_DEL, ends[0], nullptr));
  SSI_FAILS(epoll_ctl(epoll, EPOLL_CTL_DEL, ends[0], nullptr), ENOENT);
  for (const int fd : {ends[0], ends[1], epoll}) {
    SSI_OK(close(fd));
  }
}

volatile sig_atomic_t seen = 0;
void OnSignal(int) {
  seen = seen + 1;
}

// The mask of epoll_pwait lets a signal in, and is gone afterwards.
void EpollMask() {
  const int epoll = SSI_OK(epoll_create1(0));
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR2);
  sigset_t before;
  SSI_OK(sigprocmask(SIG_BLOCK, &blocked, &before));
  struct sigaction action {};
  action.sa_handler = OnSignal;
  action.sa_flags = SA_RESTART;
  SSI_OK(sigaction(SIGUSR2, &action, nullptr));
  epoll_event got{};
  for (int i = 1; i <= 20; ++i) {
    SSI_OK(kill(getpid(), SIGUSR2));
    guest::Compute(1);
    SSI_EQ(seen, i - 1);
    SSI_FAILS(epoll_pwait(epoll, &got, 1, 5000, &before), EINTR);
    SSI_EQ(seen, i);
    sigset_t now;
    SSI_OK(sigprocmask(SIG_BLOCK, nullptr, &now));
    SSI_TRUE(sigismember(&now, SIGUSR2) == 1);
  }
  seen = 0;
  SSI_FAILS(epoll_wait(epoll, &got, 0, 0), EINVAL);
  SSI_FAILS(syscall(SYS_epoll_wait, epoll, &got, -1, 0), EINVAL);
  SSI_FAILS(epoll_wait(0x7fff, &got, 1, 0), EBADF);
  SSI_FAILS(epoll_ctl(epoll, EPOLL_CTL_ADD, epoll, &got), EINVAL);
  SSI_OK(sigprocmask(SIG_SETMASK, &before, nullptr));
  SSI_OK(close(epoll));
}

void Eventfd() {
  const int fd = SSI_OK(eventfd(5, EFD_NONBLOCK));
  std::uint64_t value = 10;
  SSI_EQ(write(fd, &value, 8), 8);
  guest::Compute(2);
  SSI_EQ(read(fd, &value, 8), 8);
  SSI_EQ(value, 15);
  SSI_FAILS(read(fd, &value, 8), EAGAIN);
  value = ~0UL - 1;
  SSI_EQ(write(fd, &value, 8), 8);
  value = 1;
  SSI_FAILS(write(fd, &value, 8), EAGAIN);
  SSI_FAILS(write(fd, &value, 4), EINVAL);
  SSI_OK(close(fd));
  const int counter = SSI_OK(eventfd(2, EFD_SEMAPHORE));
  for (int i = 0; i < 2; ++i) {
    SSI_EQ(read(counter, &value, 8), 8);
    SSI_EQ(value, 1);
  }
  SSI_OK(close(counter));
}

void Timerfd() {
  const int fd = SSI_OK(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
  const itimerspec every{{0, 20'000'000}, {0, 30'000'000}};
  const std::int64_t start = guest::Nanoseconds();
  SSI_OK(timerfd_settime(fd, 0, &every, nullptr));
  std::uint64_t count = 0;
  std::uint64_t total = 0;
  while (total < 5) {
    SSI_EQ(read(fd, &count, 8), 8);
    total += count;
    guest::Compute(5);
  }
  SSI_TRUE(guest::Nanoseconds() - start >= 110'000'000);
  itimerspec now{};
  SSI_OK(timerfd_gettime(fd, &now));
  SSI_EQ(now.it_interval.tv_nsec, 20'000'000);
  const itimerspec off{};
  SSI_OK(timerfd_settime(fd, 0, &off, &now));
  pollfd wait{fd, POLLIN, 0};
  SSI_EQ(poll(&wait, 1, 30), 0);
  SSI_OK(close(fd));
}

void Signalfd() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGRTMIN + 1);
  SSI_OK(sigprocmask(SIG_BLOCK, &set, nullptr));
  const int fd = SSI_OK(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  signalfd_siginfo info[3] = {};
  SSI_FAILS(read(fd, info, sizeof info), EAGAIN);
  SSI_OK(kill(getpid(), SIGUSR1));
  sigval value{};
  value.sival_int = 7;
  SSI_OK(sigqueue(getpid(), SIGRTMIN + 1, value));
  guest::Compute(2);
  SSI_EQ(read(fd, info, sizeof info), 2 * sizeof info[0]);
  SSI_EQ(info[0].ssi_signo, SIGUSR1);
  SSI_EQ(info[0].ssi_pid, getpid());
  SSI_EQ(info[1].ssi_signo, SIGRTMIN + 1);
  SSI_EQ(info[1].ssi_int, 7);
  SSI_OK(close(fd));
  SSI_OK(sigprocmask(SIG_UNBLOCK, &set, nullptr));
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv), {{"epoll", Epoll},
                                                 {"epoll's mask", EpollMask},
                                                 {"eventfd", Eventfd},
                                                 {"timerfd", Timerfd},
                                                 {"signalfd", Signalfd}});
}
