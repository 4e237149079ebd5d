// Masks that last as long as a call waits, in several threads at once: the
// signal that the call lets in is handled once, before the call is over, under
// that mask and the handler's; what it keeps out stays pending; then the old
// mask is back. Arguments: SECONDS, and how many rounds there must be at least.
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>

#include <atomic>
#include <thread>
#include <vector>

#include "guest.h"

namespace {

constexpr int kThreads = 4;
const int kLetIn = SIGRTMIN + 1;
const int kKeptOut = SIGRTMIN + 2;

thread_local int handled = 0;
thread_local int value = 0;
thread_local bool masked = false;

std::uint64_t BitOf(int signal) {
  return std::uint64_t{1} << (signal - 1);
}

std::uint64_t Mask() {
  std::uint64_t mask = 0;
  SSI_OK(syscall(SYS_rt_sigprocmask, SIG_BLOCK, nullptr, &mask, 8));
  return mask;
}

void OnSignal(int signal, siginfo_t* info, void*) {
  handled = handled + 1;
  value = info->si_value.sival_int;
  const std::uint64_t mask = Mask();
  masked = (mask & BitOf(signal)) != 0 && (mask & BitOf(kKeptOut)) != 0 &&
           (mask & BitOf(SIGUSR2)) != 0;  // of sa_mask
}

void Wait(int how, int epoll, const sigset_t& mask) {
  const timespec limit{20, 0};
  pollfd none{-1, POLLIN, 0};
  epoll_event event{};
  switch (how) {
    case 0:
      SSI_FAILS(sigsuspend(&mask), EINTR);
      break;
    case 1:
      SSI_FAILS(ppoll(&none, 1, &limit, &mask), EINTR);
      break;
    case 2:
      SSI_FAILS(pselect(0, nullptr, nullptr, nullptr, &limit, &mask), EINTR);
      break;
    default:
      SSI_FAILS(epoll_pwait(epoll, &event, 1, 20'000, &mask), EINTR);
      break;
  }
}

void Queue(pthread_t thread, int signal, int number) {
  sigval with{};
  with.sival_int = number;
  SSI_EQ(pthread_sigqueue(thread, signal, with), 0);
}

void Round(int number, int epoll, bool by_other) {
  const pthread_t self = pthread_self();
  sigset_t mask;
  sigfillset(&mask);
  sigdelset(&mask, kLetIn);
  const std::uint64_t before = Mask();
  handled = 0;
  Queue(self, kKeptOut, -number);
  std::thread other;
  if (!by_other) {
    Queue(self, kLetIn, number);  // pends already
  } else {
    other = std::thread([self, number] {
      guest::Compute(1);
      Queue(self, kLetIn, number);
    });
  }
  Wait(number % 4, epoll, mask);
  SSI_EQ(handled, 1);
  SSI_EQ(value, number);
  SSI_TRUE(masked);
  SSI_EQ(Mask(), before);
  if (other.joinable()) {
    other.join();
  }
  sigset_t kept;
  sigemptyset(&kept);
  sigaddset(&kept, kKeptOut);
  siginfo_t info{};
  const timespec now{};
  SSI_EQ(sigtimedwait(&kept, &info, &now), kKeptOut);
  SSI_EQ(info.si_value.sival_int, -number);
  SSI_FAILS(sigtimedwait(&kept, &info, &now), EAGAIN);
}

std::atomic<int> rounds = 0;

void Rounds(std::int64_t end, int least) {
  const int epoll = SSI_OK(epoll_create1(0));
  int done = 0;
  while (guest::Nanoseconds() < end || done < least / kThreads) {
    ++done;
    Round(done, epoll, done % 50 == 0);
  }
  rounds += done;
  SSI_OK(close(epoll));
}

}  // namespace

int main(int argc, char** argv) {
  struct sigaction action {};
  action.sa_sigaction = OnSignal;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigaddset(&action.sa_mask, SIGUSR2);
  sigaddset(&action.sa_mask, kKeptOut);
  SSI_OK(sigaction(kLetIn, &action, nullptr));
  SSI_OK(sigaction(kKeptOut, &action, nullptr));
  sigset_t all;
  sigemptyset(&all);
  sigaddset(&all, kLetIn);
  sigaddset(&all, kKeptOut);
  SSI_OK(sigprocmask(SIG_BLOCK, &all, nullptr));
  const std::int64_t end =
      guest::Nanoseconds() +
      static_cast<std::int64_t>(guest::Seconds(argc, argv) * 1e9);
  const int least = argc > 2 ? atoi(argv[2]) : 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back(Rounds, end, least);
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  SSI_TRUE(rounds >= least);
  puts("PASS");
}
