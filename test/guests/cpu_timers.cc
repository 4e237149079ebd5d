// Timers that go by CPU time, wherever it is used: ITIMER_VIRTUAL and
// ITIMER_PROF, timer_create with the clock of the process and of a thread; with
// their signals let in or blocked. Argument: SECONDS.
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

#include <algorithm>
#include <iterator>

#include "guest.h"

namespace {

constexpr std::int64_t kMillisecond = 1'000'000;
constexpr int kSignal = 40;

volatile int calls = 0;
volatile int overruns = 0;
siginfo_t last;

void OnSignal(int, siginfo_t* info, void*) {
  calls = calls + 1;
  last = *info;
  if (info->si_code == SI_TIMER) {
    overruns = overruns + info->si_overrun;
  }
}

void Handle(int number) {
  struct sigaction action {};
  action.sa_sigaction = OnSignal;
  action.sa_flags = SA_SIGINFO;
  SSI_OK(sigaction(number, &action, nullptr));
  calls = 0;
  overruns = 0;
}

void Work() {
  volatile std::uint64_t value = 1;
  for (int i = 0; i < 20'000; ++i) {
    value = guest::Mix(value);
  }
}

// CPU time of Work, in ns: the median of pieces, few of which a move can be in.
std::int64_t Price() {
  static std::int64_t price = 0;
  if (price == 0) {
    std::int64_t pieces[31];
    for (auto& piece : pieces) {
      const std::int64_t start = guest::Nanoseconds(CLOCK_THREAD_CPUTIME_ID);
      Work();
      Work();
      piece = guest::Nanoseconds(CLOCK_THREAD_CPUTIME_ID) - start;
    }
    std::sort(std::begin(pieces), std::end(pieces));
    price = std::max<std::int64_t>(pieces[15] / 2, 1);
  }
  return price;
}

void WorkFor(std::int64_t milliseconds) {
  const std::int64_t pieces = milliseconds * kMillisecond / Price();
  for (std::int64_t i = 0; i < pieces; ++i) {
    Work();
  }
}

// Works until a timer of `milliseconds` has gone off `count` more times: it
// must pay for them, and not much more.
void Await(int count, std::int64_t milliseconds) {
  const std::int64_t limit = guest::Nanoseconds() + 60'000 * kMillisecond;
  // A busy machine lets who sends the signals wait.
  constexpr std::int64_t kLatest = 2000;
  const int before = calls + overruns;
  std::int64_t pieces = 0;
  while (calls + overruns - before < count) {
    Work();
    ++pieces;
    SSI_TRUE(guest::Nanoseconds() < limit);
  }
  const std::int64_t paid = pieces * Price() / kMillisecond;
  const std::int64_t due = count * milliseconds;
  SSI_TRUE(paid >= due / 2 - 10);
  SSI_TRUE(paid <= due * 3 + kLatest);
}

void Interval() {
  const itimerval every{{0, 10'000}, {0, 20'000}};
  const itimerval off{};
  const struct {
    __itimer_which which;
    int number;
  } kinds[] = {{ITIMER_VIRTUAL, SIGVTALRM}, {ITIMER_PROF, SIGPROF}};
  for (const auto& [which, number] : kinds) {
    Handle(number);
    SSI_OK(setitimer(which, &every, nullptr));
    Await(30, 10);
    SSI_EQ(last.si_signo, number);
    SSI_EQ(last.si_code, SI_KERNEL);
    itimerval got{};
    SSI_OK(getitimer(which, &got));
    SSI_EQ(got.it_interval.tv_usec, 10'000);
    SSI_TRUE(got.it_value.tv_usec > 0 || got.it_value.tv_sec > 0);
    SSI_TRUE(got.it_value.tv_sec == 0 && got.it_value.tv_usec <= 20'000);
    SSI_OK(setitimer(which, &off, nullptr));
    const int after = calls;
    WorkFor(50);
    SSI_EQ(calls, after);
  }
}

timer_t Make(clockid_t clock, int to_thread) {
  sigevent event{};
  event.sigev_notify = to_thread != 0 ? SIGEV_THREAD_ID : SIGEV_SIGNAL;
  event.sigev_signo = kSignal;
  event.sigev_value.sival_int = 4711;
  event._sigev_un._tid = to_thread;
  timer_t timer{};
  SSI_OK(timer_create(clock, &event, &timer));
  return timer;
}

void Arm(timer_t timer, long first, long every) {
  const itimerspec value{{0, every * kMillisecond}, {0, first * kMillisecond}};
  SSI_OK(timer_settime(timer, 0, &value, nullptr));
}

void IsOf(timer_t timer) {
  SSI_EQ(last.si_code, SI_TIMER);
  SSI_EQ(last.si_timerid, reinterpret_cast<std::uintptr_t>(timer));
  SSI_EQ(last.si_value.sival_int, 4711);
}

void Posix() {
  Handle(kSignal);
  timer_t timer = Make(CLOCK_PROCESS_CPUTIME_ID, 0);
  Arm(timer, 10, 10);
  Await(40, 10);
  IsOf(timer);
  const itimerspec off{};
  SSI_OK(timer_settime(timer, 0, &off, nullptr));
  const int before = calls;
  Arm(timer, 40, 0);
  Await(1, 40);
  WorkFor(100);
  SSI_EQ(calls, before + 1);
  itimerspec got{};
  SSI_OK(timer_gettime(timer, &got));
  SSI_EQ(got.it_value.tv_nsec, 0);
  SSI_OK(timer_delete(timer));
}

void OfThread() {
  Handle(kSignal);
  static pid_t self;
  pthread_t thread{};
  auto body = [](void*) -> void* {
    self = static_cast<pid_t>(syscall(SYS_gettid));
    timer_t timer = Make(CLOCK_THREAD_CPUTIME_ID, self);
    Arm(timer, 10, 10);
    Await(40, 10);
    IsOf(timer);
    SSI_OK(timer_delete(timer));
    return nullptr;
  };
  SSI_EQ(pthread_create(&thread, nullptr, body, nullptr), 0);
  SSI_EQ(pthread_join(thread, nullptr), 0);
}

void Blocked() {
  Handle(kSignal);
  sigset_t set{};
  sigemptyset(&set);
  sigaddset(&set, kSignal);
  SSI_OK(sigprocmask(SIG_BLOCK, &set, nullptr));
  timer_t timer = Make(CLOCK_PROCESS_CPUTIME_ID, 0);
  Arm(timer, 10, 10);
  WorkFor(300);
  SSI_EQ(calls, 0);
  SSI_OK(sigprocmask(SIG_UNBLOCK, &set, nullptr));
  SSI_TRUE(calls >= 1);
  IsOf(timer);
  // What it has missed meanwhile comes with this one or the next, or is
  // forgotten in a move.
  while (calls < 2) {
    Work();
  }
  SSI_TRUE(calls + overruns <= 120);
  Await(20, 10);
  SSI_OK(timer_delete(timer));
}

}  // namespace

int main(int argc, char** argv) {
  Price();
  return guest::Run(guest::Seconds(argc, argv), {{"interval", Interval},
                                                 {"POSIX", Posix},
                                                 {"thread", OfThread},
                                                 {"blocked", Blocked}});
}
