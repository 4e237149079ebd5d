// Timers that send signals: alarm, the three interval timers, timer_create;
// and what they interrupt. Argument: SECONDS.
#include <signal.h>
#include <sys/time.h>

#include "guest.h"

namespace {

volatile int calls = 0;
siginfo_t last;

void OnSignal(int, siginfo_t* info, void*) {
  calls = calls + 1;
  last = *info;
}

void Handle(int number) {
  struct sigaction action {};
  action.sa_sigaction = OnSignal;
  action.sa_flags = SA_SIGINFO;
  SSI_OK(sigaction(number, &action, nullptr));
  calls = 0;
}

void Await(int count) {
  volatile std::uint64_t value = 1;
  while (calls < count) {
    for (int i = 0; i < 1000; ++i) {
      value = guest::Mix(value);
    }
  }
}

void Interval() {
  Handle(SIGALRM);
  const itimerval every{{0, 10'000}, {0, 20'000}};
  const itimerval off{};
  const std::int64_t start = guest::Nanoseconds();
  SSI_OK(setitimer(ITIMER_REAL, &every, nullptr));
  Await(5);
  SSI_TRUE(guest::Nanoseconds() - start >= 60'000'000);
  SSI_EQ(last.si_code, SI_KERNEL);
  itimerval got{};
  SSI_OK(getitimer(ITIMER_REAL, &got));
  SSI_EQ(got.it_interval.tv_usec, 10'000);
  SSI_OK(setitimer(ITIMER_REAL, &off, nullptr));
  const struct {
    __itimer_which which;
    int number;
  } by_cpu[] = {{ITIMER_VIRTUAL, SIGVTALRM}, {ITIMER_PROF, SIGPROF}};
  for (const auto& [which, number] : by_cpu) {
    Handle(number);
    timespec before{};
    timespec after{};
    SSI_OK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before));
    SSI_OK(setitimer(which, &every, nullptr));
    Await(3);
    SSI_OK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after));
    SSI_OK(setitimer(which, &off, nullptr));
    const long used = (after.tv_sec - before.tv_sec) * 1'000'000'000 +
                      after.tv_nsec - before.tv_nsec;
    // Counted in clock ticks: a busy machine charges some to the wrong one.
    SSI_TRUE(used >= 10'000'000);
  }
}

void Alarm() {
  Handle(SIGALRM);
  SSI_EQ(alarm(100), 0);
  const itimerval soon{{0, 0}, {0, 50'000}};
  itimerval old{};
  SSI_OK(setitimer(ITIMER_REAL, &soon, &old));  // alarm's is the same timer
  SSI_TRUE(old.it_value.tv_sec >= 90 && old.it_value.tv_sec <= 100);
  // It cuts a sleep short, which says what is left.
  const timespec hour{3600, 0};
  timespec left{};
  SSI_FAILS(syscall(SYS_nanosleep, &hour, &left), EINTR);
  SSI_EQ(calls, 1);
  SSI_TRUE(left.tv_sec >= 3590 && left.tv_sec <= 3599);
  SSI_EQ(alarm(0), 0);
}

void Posix() {
  Handle(SIGRTMIN + 6);
  sigevent event{};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGRTMIN + 6;
  event.sigev_value.sival_int = 4711;
  for (const clockid_t clock :
       {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_PROCESS_CPUTIME_ID}) {
    timer_t timer{};
    SSI_OK(timer_create(clock, &event, &timer));
    calls = 0;
    const itimerspec every{{0, 10'000'000}, {0, 20'000'000}};
    SSI_OK(timer_settime(timer, 0, &every, nullptr));
    Await(3);
    SSI_EQ(last.si_code, SI_TIMER);
    SSI_EQ(last.si_value.sival_int, 4711);
    itimerspec got{};
    SSI_OK(timer_gettime(timer, &got));
    SSI_EQ(got.it_interval.tv_nsec, 10'000'000);
    SSI_OK(timer_getoverrun(timer));
    SSI_OK(timer_delete(timer));
    const int after = calls;
    guest::Compute(20);
    SSI_EQ(calls, after);
    SSI_FAILS(timer_delete(timer), EINVAL);
  }
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(
      guest::Seconds(argc, argv),
      {{"interval", Interval}, {"alarm", Alarm}, {"POSIX", Posix}});
}
