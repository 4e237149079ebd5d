// Signals of a process with several threads: one that all may take is taken by
// one that does not block it, though who that is changes all the time; one that
// all block goes to who waits for it, in order, each once. Argument: SECONDS.
#include <signal.h>

#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include "guest.h"

namespace {

constexpr int kThreads = 4;
const int kHandled = SIGRTMIN;
const int kWaitedFor = SIGRTMIN + 1;

std::atomic<int> handled = 0;
std::atomic<int> waited_for = 0;
std::atomic<std::int64_t> sum = 0;
std::atomic<bool> over = false;
thread_local bool allowed = false;

void OnSignal(int, siginfo_t* info, void*) {
  SSI_TRUE(allowed);
  sum += info->si_value.sival_int;
  ++handled;
}

sigset_t SetOf(int signal) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  return set;
}

void Work() {
  volatile std::uint64_t state = 1;
  for (int i = 0; i < 100'000; ++i) {
    state = guest::Mix(state);
  }
}

std::mutex turn;

void TakeTurns() {
  const sigset_t set = SetOf(kHandled);
  while (!over) {
    {
      const std::lock_guard lock(turn);
      allowed = true;
      SSI_EQ(pthread_sigmask(SIG_UNBLOCK, &set, nullptr), 0);
      Work();
      SSI_EQ(pthread_sigmask(SIG_BLOCK, &set, nullptr), 0);
      allowed = false;
    }
    const timespec pause{0, 100'000};
    nanosleep(&pause, nullptr);
  }
}

void WaitForAll() {
  const sigset_t set = SetOf(kWaitedFor);
  for (int expected = 1;; ++expected) {
    siginfo_t info{};
    SSI_EQ(sigwaitinfo(&set, &info), kWaitedFor);
    if (info.si_value.sival_int == 0) {
      return;
    }
    SSI_EQ(info.si_value.sival_int, expected);
    ++waited_for;
  }
}

void Queue(int signal, int number) {
  sigval value{};
  value.sival_int = number;
  SSI_OK(sigqueue(getpid(), signal, value));
}

}  // namespace

int main(int argc, char** argv) {
  struct sigaction action {};
  action.sa_sigaction = OnSignal;
  action.sa_flags = SA_SIGINFO;
  SSI_OK(sigaction(kHandled, &action, nullptr));
  for (const int signal : {kHandled, kWaitedFor}) {
    const sigset_t set = SetOf(signal);
    SSI_OK(sigprocmask(SIG_BLOCK, &set, nullptr));
  }
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back(TakeTurns);
  }
  std::thread waiter(WaitForAll);
  const std::int64_t end =
      guest::Nanoseconds() +
      static_cast<std::int64_t>(guest::Seconds(argc, argv) * 1e9);
  std::int64_t expected = 0;
  int sent = 0;
  while (guest::Nanoseconds() < end) {
    ++sent;
    expected += sent;
    Queue(kHandled, sent);
    Queue(kWaitedFor, sent);
    Work();
    while (sent - handled > 50) {
      guest::Pace(1);
    }
  }
  while (handled < sent || waited_for < sent) {
    guest::Pace(1);
  }
  over = true;
  for (std::thread& thread : threads) {
    thread.join();
  }
  Queue(kWaitedFor, 0);
  waiter.join();
  SSI_EQ(sum, expected);
  puts("PASS");
}
