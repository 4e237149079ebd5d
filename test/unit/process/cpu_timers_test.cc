// What /proc/PID/timers and clock numbers say of timers.
#include "process/cpu_timers.h"

#include <time.h>

#include <catch2/catch.hpp>

namespace ssi {
namespace {

TEST_CASE("the timers of a process, as its kernel shows them", "[timers]") {
  auto timers = ParseTimers(
      "ID: 0\nsignal: 34/000000000000002a\nnotify: signal/pid.17\n"
      "ClockID: 0\n"
      "ID: 3\nsignal: 40/00007f0012345678\nnotify: signal/tid.18\n"
      "ClockID: -6\n"
      "ID: 4\nsignal: 0/0000000000000000\nnotify: none/pid.17\n"
      "ClockID: -2\n");
  REQUIRE(timers.size() == 3);
  CHECK(timers[0].id == 0);
  CHECK(timers[0].signal == 34);
  CHECK(timers[0].value == 42);
  CHECK(timers[0].clock == CLOCK_REALTIME);
  CHECK(timers[0].to_thread == 0);
  CHECK_FALSE(timers[0].silent);
  CHECK(timers[1].id == 3);
  CHECK(timers[1].value == 0x7f0012345678);
  CHECK(timers[1].to_thread == 18);
  CHECK(timers[1].clock == -6);
  CHECK(timers[2].silent);
}

TEST_CASE("what does not look like a timer is left out", "[timers]") {
  CHECK(ParseTimers("").empty());
  CHECK(ParseTimers("ID: x\n").empty());
  CHECK(ParseTimers("\n\n\n\n").empty());
  CHECK(ParseTimers("ID: 1\nsignal: 34\nnotify: signal/pid.1\nClockID: 0\n")
            .empty());
  CHECK(ParseTimers("ID: 1\nsignal: 34/0\nnotify: signal/pid.1\n").empty());
}

TEST_CASE("of whose CPU time a clock is", "[timers]") {
  CHECK_FALSE(CpuClockOf(CLOCK_REALTIME));
  CHECK_FALSE(CpuClockOf(CLOCK_MONOTONIC));
  CHECK_FALSE(CpuClockOf(CLOCK_TAI));
  constexpr clockid_t kDevice = (~5 * 8) | 3;  // FD_TO_CLOCKID
  CHECK_FALSE(CpuClockOf(kDevice));
  CHECK(CpuClockOf(CLOCK_PROCESS_CPUTIME_ID) == CpuClock{});
  CHECK(CpuClockOf(CLOCK_THREAD_CPUTIME_ID) == CpuClock{.thread = true});
  CHECK(CpuClockOf(-6) == CpuClock{});
  CHECK(CpuClockOf(-2) == CpuClock{.thread = true});
  CHECK(CpuClockOf(-7) == CpuClock{.user_only = true});
  constexpr clockid_t kOf17 = ~17 * 8;
  CHECK(CpuClockOf(kOf17 | 2) == CpuClock{.id = 17});
  CHECK(CpuClockOf(kOf17 | 6) == CpuClock{.id = 17, .thread = true});
  CHECK(CpuClockOf(kOf17 | 1) == CpuClock{.id = 17, .user_only = true});
}

}  // namespace
}  // namespace ssi
