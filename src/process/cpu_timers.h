// Timers that go by CPU time: of setitimer(2), and of timer_create(2) with a
// CPU clock.
#ifndef SSI_PROCESS_CPU_TIMERS_H_
#define SSI_PROCESS_CPU_TIMERS_H_

#include <signal.h>
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "process/call_runner.h"

namespace ssi {

// One POSIX timer in /proc/PID/timers (proc_pid_timers(5)).
struct TimerLine {
  int id = 0;
  int signal = 0;
  std::uint64_t value = 0;  // sigev_value
  bool silent = false;      // SIGEV_NONE
  pid_t to_thread = 0;      // SIGEV_THREAD_ID; 0: for the process
  clockid_t clock = 0;
};
// What is not as expected is left out.
std::vector<TimerLine> ParseTimers(std::string_view text);
// None where the process is gone.
std::vector<TimerLine> ReadTimers(HostPid process);

// Whose CPU time a clock measures, and which part.
struct CpuClock {
  pid_t id = 0;  // of the process or thread; 0: the caller's own
  bool thread = false;
  bool user_only = false;
  bool operator==(const CpuClock&) const = default;
};
// Nothing for a clock that is none of CPU time (MAKE_PROCESS_CPUCLOCK of
// include/linux/posix-timers_types.h).
std::optional<CpuClock> CpuClockOf(clockid_t clock);

// A timer that is armed.
struct CpuTimer {
  enum class Of : std::uint8_t { kVirtual, kProfile, kPosix };
  Of of = Of::kPosix;
  bool user_only = false;
  HostPid thread{};  // of whose time; 0: of the whole process
  std::chrono::nanoseconds left{};
  std::chrono::nanoseconds interval{};  // 0: once
  TimerLine line;                       // of a POSIX timer; else its signal
};

// The signal of a POSIX timer, when it is not the kernel that sends it. It is
// marked where a program does not look (si_sys_private of the kernel's
// siginfo_t): unlike the kernel's own it does not depend on the timer.
siginfo_t TimerSignal(const TimerLine& timer, int overrun);
bool IsMarked(const siginfo_t& info);
void RemoveMark(siginfo_t& info);

// Those of a process, by calls of its own. kUnsupported, with words for a
// person, where it cannot be told of which thread's time one is.
Result<std::vector<CpuTimer>> ReadCpuTimers(CallRunner& runner,
                                            HostPid process);

// Sets them to `left` and `interval`, or stops them. A signal that a POSIX
// timer has queued is lost by that (posixtimer_deliver_signal,
// kernel/signal.c).
Status ArmCpuTimers(CallRunner& runner, std::span<const CpuTimer> timers);
Status StopCpuTimers(CallRunner& runner, std::span<const CpuTimer> timers);

}  // namespace ssi

#endif  // SSI_PROCESS_CPU_TIMERS_H_
