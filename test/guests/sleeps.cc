// Sleeping: never too short, late by no more than half a second and 30 %, at
// relative and absolute times. Argument: SECONDS.
#include <poll.h>

#include "guest.h"

namespace {

using Time = std::int64_t;
constexpr Time kSecond = 1'000'000'000;
constexpr Time kMillisecond = 1'000'000;

timespec Spec(Time time) {
  return {time / kSecond, time % kSecond};
}

// Did the time from `start` on amount to `want`?
void CheckSlept(Time start, Time want, clockid_t clock = CLOCK_MONOTONIC) {
  const Time slept = guest::Nanoseconds(clock) - start;
  SSI_TRUE(slept >= want);
  SSI_TRUE(slept < want + want * 3 / 10 + kSecond / 2);
}

void Relative() {
  for (const Time want : {Time{0}, Time{1}, kMillisecond, 30 * kMillisecond,
                          250 * kMillisecond}) {
    const timespec spec = Spec(want);
    timespec rest{77, 77};
    Time start = guest::Nanoseconds();
    SSI_OK(syscall(SYS_nanosleep, &spec, &rest));
    CheckSlept(start, want);
    // Not touched, unless the sleep was stopped and went on (by SIGSTOP as well
    // as by a hop): the kernel then writes what was left.
    SSI_TRUE((rest.tv_sec == 77 && rest.tv_nsec == 77) ||
             (rest.tv_sec == 0 && rest.tv_nsec <= want));
    start = guest::Nanoseconds();
    SSI_OK(syscall(SYS_nanosleep, &spec, nullptr));
    CheckSlept(start, want);
  }
  for (const clockid_t clock :
       {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME, CLOCK_TAI}) {
    const timespec spec = Spec(60 * kMillisecond);
    const Time start = guest::Nanoseconds();
    SSI_OK(syscall(SYS_clock_nanosleep, clock, 0, &spec, nullptr));
    CheckSlept(start, 60 * kMillisecond);
  }
}

void Absolute() {
  for (const clockid_t clock :
       {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME, CLOCK_TAI}) {
    const Time start = guest::Nanoseconds(clock);
    const timespec spec = Spec(start + 80 * kMillisecond);
    SSI_OK(syscall(SYS_clock_nanosleep, clock, TIMER_ABSTIME, &spec, nullptr));
    CheckSlept(start, 80 * kMillisecond, clock);
    const timespec past = Spec(start);
    SSI_OK(syscall(SYS_clock_nanosleep, clock, TIMER_ABSTIME, &past, nullptr));
  }
  const timespec early{1, 0};
  const timespec zero{0, 0};
  SSI_OK(syscall(SYS_clock_nanosleep, CLOCK_PROCESS_CPUTIME_ID, TIMER_ABSTIME,
                 &zero, nullptr));
  SSI_OK(syscall(SYS_clock_nanosleep, CLOCK_REALTIME, TIMER_ABSTIME, &early,
                 nullptr));
}

// Ten sleeps by one plan: what one is late, the next makes up for.
void Ticking() {
  const Time start = guest::Nanoseconds();
  for (int i = 1; i <= 10; ++i) {
    const timespec spec = Spec(start + i * 20 * kMillisecond);
    SSI_OK(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &spec,
                   nullptr));
    SSI_TRUE(guest::Nanoseconds() >= start + i * 20 * kMillisecond);
  }
  CheckSlept(start, 200 * kMillisecond);
}

// Calls that wait for nothing but the time.
void Waiting() {
  Time start = guest::Nanoseconds();
  SSI_EQ(syscall(SYS_poll, nullptr, 0, 150), 0);
  CheckSlept(start, 150 * kMillisecond);
  timeval micro{0, 120'000};
  start = guest::Nanoseconds();
  SSI_EQ(syscall(SYS_select, 0, nullptr, nullptr, nullptr, &micro), 0);
  CheckSlept(start, 120 * kMillisecond);
  SSI_TRUE(micro.tv_sec == 0 && micro.tv_usec == 0);  // what is left
  timespec nano{0, 110'000'000};
  start = guest::Nanoseconds();
  SSI_EQ(syscall(SYS_ppoll, nullptr, 0, &nano, nullptr, 8), 0);
  CheckSlept(start, 110 * kMillisecond);
  SSI_TRUE(nano.tv_sec == 0 && nano.tv_nsec == 0);
  nano = {0, 100'000'000};
  start = guest::Nanoseconds();
  SSI_EQ(syscall(SYS_pselect6, 0, nullptr, nullptr, nullptr, &nano, nullptr),
         0);
  CheckSlept(start, 100 * kMillisecond);
  SSI_TRUE(nano.tv_sec == 0 && nano.tv_nsec == 0);
}

void Errors() {
  for (const timespec& bad :
       {timespec{0, kSecond}, timespec{0, -1}, timespec{-1, 0}}) {
    SSI_FAILS(syscall(SYS_nanosleep, &bad, nullptr), EINVAL);
    SSI_FAILS(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &bad, nullptr),
              EINVAL);
  }
  const timespec good{0, 1};
  SSI_FAILS(syscall(SYS_clock_nanosleep, 99, 0, &good, nullptr), EINVAL);
  SSI_FAILS(
      syscall(SYS_clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &good, nullptr),
      EOPNOTSUPP);
  SSI_FAILS(
      syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC_RAW, 0, &good, nullptr),
      EOPNOTSUPP);
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv), {{"relative", Relative},
                                                 {"absolute", Absolute},
                                                 {"ticking", Ticking},
                                                 {"waiting", Waiting},
                                                 {"errors", Errors}});
}
