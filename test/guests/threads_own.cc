// What each thread has of its own: masks, pending signals, alternate stacks,
// thread-local data, names, robust lists, floating-point modes. Argument:
// SECONDS.
#include <fenv.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#include <array>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "guest.h"
#include "guest_threads.h"

namespace {

constexpr int kThreads = 12;

thread_local int own = -1;
thread_local int handled = 0;
thread_local bool on_stack = false;

void OnSignal(int, siginfo_t* info, void*) {
  handled = info->si_value.sival_int;
  stack_t stack{};
  SSI_OK(sigaltstack(nullptr, &stack));
  on_stack = (stack.ss_flags & SS_ONSTACK) != 0;
}

void MasksAndPending() {
  struct sigaction action {};
  action.sa_sigaction = OnSignal;
  action.sa_flags = SA_SIGINFO;
  SSI_OK(sigaction(SIGRTMIN, &action, nullptr));
  SSI_OK(sigaction(SIGRTMIN + 1, &action, nullptr));
  guest::InThreads<kThreads>([](int id) {
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, id % 2 == 0 ? SIGRTMIN : SIGRTMIN + 1);
    SSI_EQ(pthread_sigmask(SIG_SETMASK, &mask, nullptr), 0);
    handled = 0;
    sigval value{};
    value.sival_int = 1000 + id;
    SSI_EQ(pthread_sigqueue(pthread_self(), SIGRTMIN, value), 0);
    value.sival_int = 2000 + id;
    SSI_EQ(pthread_sigqueue(pthread_self(), SIGRTMIN + 1, value), 0);
    const int first = id % 2 == 0 ? 2000 + id : 1000 + id;
    SSI_EQ(handled, first);
    guest::Compute(20);
    SSI_EQ(handled, first);
    sigset_t pending;
    SSI_OK(sigpending(&pending));
    SSI_EQ(sigismember(&pending, SIGRTMIN), id % 2 == 0);
    SSI_EQ(sigismember(&pending, SIGRTMIN + 1), id % 2 == 1);
    sigset_t now;
    SSI_EQ(pthread_sigmask(SIG_SETMASK, nullptr, &now), 0);
    SSI_EQ(sigismember(&now, SIGRTMIN), id % 2 == 0);
    sigemptyset(&mask);
    SSI_EQ(pthread_sigmask(SIG_SETMASK, &mask, nullptr), 0);
    SSI_EQ(handled, first == 2000 + id ? 1000 + id : 2000 + id);
  });
}

// What a thread queues for itself arrives there, before the call is over.
void ToOneself() {
  struct sigaction action {};
  action.sa_sigaction = OnSignal;
  action.sa_flags = SA_SIGINFO;
  SSI_OK(sigaction(SIGRTMIN + 2, &action, nullptr));
  guest::InThreads<kThreads>([](int id) {
    for (int i = 1; i <= 60; ++i) {
      sigval value{};
      value.sival_int = id * 1000 + i;
      SSI_EQ(pthread_sigqueue(pthread_self(), SIGRTMIN + 2, value), 0);
      SSI_EQ(handled, value.sival_int);
      std::uint64_t state = 1;
      for (int k = 0; k < 20000; ++k) {
        state = guest::Mix(state);
      }
      SSI_TRUE(state != 0);
    }
  });
}

void Stacks() {
  struct sigaction action {};
  action.sa_sigaction = OnSignal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  SSI_OK(sigaction(SIGUSR1, &action, nullptr));
  guest::InThreads<kThreads>([](int id) {
    static std::array<std::array<char, 1 << 16>, kThreads> stacks;
    stack_t stack{};
    stack.ss_sp = stacks[static_cast<std::size_t>(id)].data();
    stack.ss_size = stacks[0].size();
    const bool has = id % 3 != 0;
    if (has) {
      SSI_OK(sigaltstack(&stack, nullptr));
    }
    guest::Compute(10);
    stack_t now{};
    SSI_OK(sigaltstack(nullptr, &now));
    SSI_TRUE(!has || now.ss_sp == stack.ss_sp);
    SSI_EQ(now.ss_flags, has ? 0 : SS_DISABLE);
    on_stack = !has;
    SSI_EQ(pthread_kill(pthread_self(), SIGUSR1), 0);
    SSI_EQ(on_stack, has);
    stack.ss_flags = SS_DISABLE;
    SSI_OK(sigaltstack(&stack, nullptr));
  });
}

void LocalsAndNames() {
  guest::InThreads<kThreads>([](int id) {
    SSI_EQ(own, -1);
    own = id;
    const std::string name = "thread " + std::to_string(id);
    SSI_EQ(pthread_setname_np(pthread_self(), name.c_str()), 0);
    SSI_OK(fesetround(id % 2 == 0 ? FE_UPWARD : FE_DOWNWARD));
    guest::Compute(20);
    SSI_EQ(own, id);
    char now[16] = "";
    SSI_OK(prctl(PR_GET_NAME, now));
    SSI_TRUE(name == now);
    SSI_EQ(fegetround(), id % 2 == 0 ? FE_UPWARD : FE_DOWNWARD);
  });
  SSI_EQ(own, -1);
}

std::int64_t ThreadClock(clockid_t clock) {
  timespec now{};
  SSI_OK(clock_gettime(clock, &now));
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

// That of one thread, by each of its clocks; another one computes meanwhile.
// Back home the clocks begin where they were (docs/limits.md), so no end is
// compared with a beginning at another place: what a thread says of itself is
// no more than what its process has used.
void CpuTimes() {
  std::atomic<bool> go_on = false;
  std::atomic<bool> ready = false;
  std::thread idle([&] {
    ready = true;
    while (!go_on) {
      guest::Pace(1);
    }
  });
  while (!ready) {
    guest::Pace(1);
  }
  clockid_t clock = 0;
  SSI_EQ(pthread_getcpuclockid(idle.native_handle(), &clock), 0);
  guest::Compute(60);
  const std::int64_t of_idle = ThreadClock(clock);
  SSI_TRUE(of_idle < 40'000'000);
  clockid_t own = 0;
  SSI_EQ(pthread_getcpuclockid(pthread_self(), &own), 0);
  rusage used{};
  SSI_OK(getrusage(RUSAGE_THREAD, &used));
  const std::int64_t first = ThreadClock(CLOCK_THREAD_CPUTIME_ID);
  const std::int64_t second = ThreadClock(own);
  const std::int64_t process = ThreadClock(CLOCK_PROCESS_CPUTIME_ID);
  SSI_TRUE(first >= 0 && second >= 0 && process >= 0);
  go_on = true;
  idle.join();
}

void Robust() {
  std::array<pthread_mutex_t, kThreads> mutexes;
  pthread_mutexattr_t attributes;
  SSI_EQ(pthread_mutexattr_init(&attributes), 0);
  SSI_EQ(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST), 0);
  for (auto& mutex : mutexes) {
    SSI_EQ(pthread_mutex_init(&mutex, &attributes), 0);
  }
  guest::InThreads<kThreads>([&mutexes](int id) {
    SSI_EQ(pthread_mutex_lock(&mutexes[static_cast<std::size_t>(id)]), 0);
    guest::Compute(10);  // and ends with it locked
  });
  for (auto& mutex : mutexes) {
    SSI_EQ(pthread_mutex_lock(&mutex), EOWNERDEAD);
    SSI_EQ(pthread_mutex_consistent(&mutex), 0);
    SSI_EQ(pthread_mutex_unlock(&mutex), 0);
  }
}

void PriorityInheritance() {
  pthread_mutex_t mutex;
  pthread_mutexattr_t attributes;
  SSI_EQ(pthread_mutexattr_init(&attributes), 0);
  SSI_EQ(pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT), 0);
  SSI_EQ(pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK), 0);
  SSI_EQ(pthread_mutex_init(&mutex, &attributes), 0);
  int count = 0;
  guest::InThreads<kThreads>([&](int) {
    for (int i = 0; i < 50; ++i) {
      SSI_EQ(pthread_mutex_lock(&mutex), 0);
      const int before = count;
      std::uint64_t value = 1;
      for (int k = 0; k < 10000; ++k) {
        value = guest::Mix(value);
      }
      count = value == 0 ? -1 : before + 1;
      SSI_EQ(pthread_mutex_unlock(&mutex), 0);
    }
  });
  SSI_EQ(count, kThreads * 50);
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv),
                    {{"masks and pending signals", MasksAndPending},
                     {"signals to oneself", ToOneself},
                     {"alternate stacks", Stacks},
                     {"locals, names, rounding", LocalsAndNames},
                     {"CPU times", CpuTimes},
                     {"robust mutexes", Robust},
                     {"priority inheritance", PriorityInheritance}});
}
