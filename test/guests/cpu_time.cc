// CPU time: never goes back, is no more than the time that has passed, and
// buys the same work wherever it is spent. Argument: SECONDS.
#include <sys/resource.h>
#include <sys/times.h>

#include "guest.h"

namespace {

using Time = std::int64_t;
constexpr Time kSecond = 1'000'000'000;
constexpr Time kMillisecond = 1'000'000;

Time Clock(clockid_t clock) {
  timespec now{};
  SSI_OK(syscall(SYS_clock_gettime, clock, &now));
  return now.tv_sec * kSecond + now.tv_nsec;
}

Time Of(const timeval& time) {
  return time.tv_sec * kSecond + time.tv_usec * 1000;
}

Time Usage(int who) {
  rusage usage{};
  SSI_OK(syscall(SYS_getrusage, who, &usage));
  return Of(usage.ru_utime) + Of(usage.ru_stime);
}

Time Ticks() {
  tms times{};
  SSI_TRUE(syscall(SYS_times, &times) != -1);
  SSI_EQ(times.tms_cutime, 0);
  return (times.tms_utime + times.tms_stime) * (kSecond / sysconf(_SC_CLK_TCK));
}

// CLOCK_PROCESS_CPUTIME_ID of this process under its other name.
clockid_t OwnClock() {
  clockid_t clock = 0;
  SSI_EQ(clock_getcpuclockid(0, &clock), 0);
  return clock;
}

void NeverBack() {
  static Time process = 0;
  static Time thread = 0;
  static Time usage = 0;
  static Time ticks = 0;
  const Time end = guest::Nanoseconds() + 20 * kMillisecond;
  while (guest::Nanoseconds() < end) {
    const Time new_process = Clock(CLOCK_PROCESS_CPUTIME_ID);
    const Time new_own = Clock(OwnClock());
    const Time new_thread = Clock(CLOCK_THREAD_CPUTIME_ID);
    const Time new_usage = Usage(RUSAGE_SELF);
    const Time new_ticks = Ticks();
    SSI_TRUE(new_process >= process);
    SSI_TRUE(new_own >= new_process);
    SSI_TRUE(new_thread >= thread);
    SSI_TRUE(new_usage >= usage);
    SSI_TRUE(new_ticks >= ticks);
    process = new_process;
    thread = new_thread;
    usage = new_usage;
    ticks = new_ticks;
  }
}

bool Near(Time a, Time b) {
  const Time slack = a / 10 + 100 * kMillisecond;
  return a - b < slack && b - a < slack;
}

void Together() {
  const Time process = Clock(CLOCK_PROCESS_CPUTIME_ID);
  SSI_TRUE(Near(process, Clock(CLOCK_THREAD_CPUTIME_ID)));
  SSI_TRUE(Near(process, Usage(RUSAGE_SELF)));
  SSI_TRUE(Near(process, Usage(RUSAGE_THREAD)));
  SSI_TRUE(Near(process, Ticks()));
  SSI_EQ(Usage(RUSAGE_CHILDREN), 0);
}

// Work until `amount` of CPU time is used; how much work that was.
Time WorkFor(Time amount) {
  const Time start = Clock(CLOCK_PROCESS_CPUTIME_ID);
  const Time limit = guest::Nanoseconds() + 60 * kSecond;
  volatile std::uint64_t value = 1;
  Time work = 0;
  while (Clock(CLOCK_PROCESS_CPUTIME_ID) - start < amount) {
    for (int i = 0; i < 100000; ++i) {
      value = guest::Mix(value);
    }
    ++work;
    SSI_TRUE(guest::Nanoseconds() < limit);  // the clock stands still
  }
  return work;
}

// A clock that misses what was used at one place would pay for more work; one
// that counts something twice, for less.
void Worth() {
  static const Time first_wall = guest::Nanoseconds();
  static const Time first_cpu = Clock(CLOCK_PROCESS_CPUTIME_ID);
  static Time price = 0;
  const Time work = WorkFor(100 * kMillisecond);
  price = guest::first_round ? work : price;
  SSI_TRUE(work < price * 4 + 10);
  SSI_TRUE(work > price / 4 - 10);
  const Time wall = guest::Nanoseconds() - first_wall;
  const Time cpu = Clock(CLOCK_PROCESS_CPUTIME_ID) - first_cpu;
  SSI_TRUE(cpu <= wall + wall / 20 + 50 * kMillisecond);
}

void Errors() {
  rusage usage{};
  tms times{};
  SSI_FAILS(syscall(SYS_getrusage, 77, &usage), EINVAL);
  SSI_TRUE(syscall(SYS_times, nullptr) != -1);
  SSI_TRUE(syscall(SYS_times, &times) != -1);
  timespec time{};
  SSI_OK(clock_getres(CLOCK_PROCESS_CPUTIME_ID, &time));
  SSI_EQ(time.tv_nsec, 1);
  const auto nobody = static_cast<clockid_t>(~0x0ffffffeU << 3 | 2);
  SSI_FAILS(syscall(SYS_clock_gettime, nobody, &time), EINVAL);
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv), {{"never back", NeverBack},
                                                 {"together", Together},
                                                 {"worth", Worth},
                                                 {"errors", Errors}});
}
