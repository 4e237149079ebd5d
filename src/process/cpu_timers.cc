#include "process/cpu_timers.h"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/files.h"
#include "process/threads.h"

namespace ssi {

namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;

std::string_view TakeLine(std::string_view& text) {
  auto line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(text.size(), line.size() + 1));
  return line;
}

// What stands behind `name`; nothing where that is not how it begins.
std::string_view Behind(std::string_view name, std::string_view text) {
  return text.starts_with(name) ? text.substr(name.size()) : "";
}

bool TakeTimer(std::string_view& text, TimerLine& timer) {
  auto id = ParseNumber<int>(Behind("ID: ", TakeLine(text)));
  auto signal = Behind("signal: ", TakeLine(text));  // "34/00007f0012345678"
  auto slash = signal.find('/');
  auto number = ParseNumber<int>(signal.substr(0, slash));
  auto notify = Behind("notify: ", TakeLine(text));  // "signal/tid.4711"
  auto clock = ParseNumber<clockid_t>(Behind("ClockID: ", TakeLine(text)));
  if (!id || !number || slash == std::string_view::npos || !clock ||
      notify.empty()) {
    return false;
  }
  timer.id = *id;
  timer.signal = *number;
  timer.value =
      ParseNumber<std::uint64_t>(signal.substr(slash + 1), 16).value_or(0);
  timer.silent = notify.starts_with("none");
  constexpr std::string_view kThread = "/tid.";
  if (auto at = notify.find(kThread); at != std::string_view::npos) {
    timer.to_thread =
        ParseNumber<pid_t>(notify.substr(at + kThread.size())).value_or(0);
  }
  timer.clock = *clock;
  return true;
}

// Up to the next microsecond: 0 would stop the timer.
timeval InTimeval(nanoseconds value) {
  auto micros = std::chrono::ceil<microseconds>(value).count();
  return {micros / 1'000'000, micros % 1'000'000};
}
timespec InTimespec(nanoseconds value) {
  return {value.count() / 1'000'000'000, value.count() % 1'000'000'000};
}

constexpr std::array kIntervalTimers = {CpuTimer::Of::kVirtual,
                                        CpuTimer::Of::kProfile};

std::uint64_t WhichOf(CpuTimer::Of of) {
  return of == CpuTimer::Of::kVirtual ? ITIMER_VIRTUAL : ITIMER_PROF;
}

Status ReadIntervalTimers(CallRunner& runner, std::vector<CpuTimer>& timers) {
  std::array<AgentCall, kIntervalTimers.size()> calls{};
  for (std::size_t i = 0; i < calls.size(); ++i) {
    calls[i] = {SYS_getitimer,
                {WhichOf(kIntervalTimers[i]),
                 Raw(runner.space()) + i * sizeof(itimerval)},
                0};
  }
  SSI_TRY(runner.Run(calls));
  std::array<itimerval, kIntervalTimers.size()> values{};
  SSI_TRY(runner.Get(0, std::as_writable_bytes(std::span(values))));
  for (std::size_t i = 0; i < calls.size(); ++i) {
    CpuTimer timer;
    timer.of = kIntervalTimers[i];
    timer.user_only = timer.of == CpuTimer::Of::kVirtual;
    timer.line.signal = timer.user_only ? SIGVTALRM : SIGPROF;
    timer.left = InNanos(values[i].it_value);
    timer.interval = InNanos(values[i].it_interval);
    if (timer.left > nanoseconds(0)) {
      timers.push_back(timer);
    }
  }
  return {};
}

// Of whose CPU time: nothing where that is not for us to keep.
Result<std::optional<CpuTimer>> ByClock(const TimerLine& line,
                                        HostPid process) {
  std::optional<CpuTimer> none;
  auto clock = CpuClockOf(line.clock);
  if (!clock) {
    return none;
  }
  CpuTimer timer;
  timer.user_only = clock->user_only;
  timer.line = line;
  if (!clock->thread) {
    bool own = clock->id == 0 || clock->id == Raw(process);
    return own ? std::optional(timer) : none;
  }
  SSI_ASSIGN(auto threads, ThreadsOf(process));
  pid_t of = clock->id != 0 ? clock->id : line.to_thread;
  if (of == 0 && threads.size() == 1) {
    of = Raw(threads[0]);
  }
  if (of == 0) {
    // The kernel shows the thread that made it nowhere.
    return Fail(ErrorCode::kUnsupported,
                "it has a timer on the CPU time of one of its threads, and it "
                "cannot be seen of which");
  }
  timer.thread = HostPid{of};
  bool ours = std::ranges::find(threads, timer.thread) != threads.end();
  return ours ? std::optional(timer) : none;
}

Status ReadLeft(CallRunner& runner, std::vector<CpuTimer>& timers) {
  for (CpuTimer& timer : timers) {
    std::array call = {AgentCall{
        SYS_timer_gettime,
        {static_cast<std::uint64_t>(timer.line.id), Raw(runner.space())},
        0}};
    SSI_TRY(runner.Run(call));
    itimerspec value{};
    SSI_TRY(runner.Get(0, std::as_writable_bytes(std::span(&value, 1))));
    if (call[0].result == 0) {
      timer.left = InNanos(value.it_value);
      timer.interval = InNanos(value.it_interval);
    }
  }
  std::erase_if(timers, [](const CpuTimer& timer) {
    return timer.left <= nanoseconds(0);
  });
  return {};
}

}  // namespace

std::vector<TimerLine> ParseTimers(std::string_view text) {
  std::vector<TimerLine> timers;
  while (!text.empty()) {
    TimerLine timer;
    if (TakeTimer(text, timer)) {
      timers.push_back(timer);
    }
  }
  return timers;
}

std::vector<TimerLine> ReadTimers(HostPid process) {
  auto text = ReadFile(fmt::format("/proc/{}/timers", Raw(process)));
  return text ? ParseTimers(*text) : std::vector<TimerLine>();
}

std::optional<CpuClock> CpuClockOf(clockid_t clock) {
  if (clock == CLOCK_PROCESS_CPUTIME_ID) {
    return CpuClock{};
  }
  if (clock == CLOCK_THREAD_CPUTIME_ID) {
    return CpuClock{.thread = true};
  }
  constexpr clockid_t kKind = 3;
  constexpr clockid_t kVirtual = 1;
  constexpr clockid_t kDevice = 3;  // CLOCKFD
  constexpr clockid_t kOfThread = 4;
  if (clock >= 0 || (clock & kKind) == kDevice) {
    return std::nullopt;
  }
  return CpuClock{.id = ~(clock >> 3),
                  .thread = (clock & kOfThread) != 0,
                  .user_only = (clock & kKind) == kVirtual};
}

namespace {

// include/uapi/asm-generic/siginfo.h, __sifields._timer._sys_private.
constexpr std::size_t kMarkAt = 32;
constexpr std::uint32_t kMark = 0x55495f54;

std::uint32_t MarkOf(const siginfo_t& info) {
  std::uint32_t mark = 0;
  std::memcpy(&mark, reinterpret_cast<const std::byte*>(&info) + kMarkAt,
              sizeof mark);
  return mark;
}
void SetMark(siginfo_t& info, std::uint32_t mark) {
  std::memcpy(reinterpret_cast<std::byte*>(&info) + kMarkAt, &mark,
              sizeof mark);
}

}  // namespace

siginfo_t TimerSignal(const TimerLine& timer, int overrun) {
  siginfo_t info{};
  info.si_signo = timer.signal;
  info.si_code = SI_TIMER;
  info.si_timerid = timer.id;
  info.si_overrun = overrun;
  info.si_value.sival_ptr = reinterpret_cast<void*>(timer.value);
  SetMark(info, kMark);
  return info;
}

bool IsMarked(const siginfo_t& info) {
  return info.si_code == SI_TIMER && MarkOf(info) == kMark;
}

void RemoveMark(siginfo_t& info) {
  if (IsMarked(info)) {
    SetMark(info, 0);
  }
}

Result<std::vector<CpuTimer>> ReadCpuTimers(CallRunner& runner,
                                            HostPid process) {
  std::vector<CpuTimer> timers;
  for (const TimerLine& line : ReadTimers(process)) {
    SSI_ASSIGN(auto timer, ByClock(line, process));
    if (timer) {
      timers.push_back(*timer);
    }
  }
  SSI_TRY(ReadLeft(runner, timers));
  SSI_TRY(ReadIntervalTimers(runner, timers));
  return timers;
}

Status ArmCpuTimers(CallRunner& runner, std::span<const CpuTimer> timers) {
  CallBatch batch(runner);
  for (const CpuTimer& timer : timers) {
    if (timer.of == CpuTimer::Of::kPosix) {
      itimerspec value{InTimespec(timer.interval), InTimespec(timer.left)};
      SSI_ASSIGN(RemoteAddr at, batch.PlaceObject(value));
      batch.Add("timer_settime", SYS_timer_settime,
                {static_cast<std::uint64_t>(timer.line.id), 0, Raw(at), 0});
    } else {
      itimerval value{InTimeval(timer.interval), InTimeval(timer.left)};
      SSI_ASSIGN(RemoteAddr at, batch.PlaceObject(value));
      batch.Add("setitimer", SYS_setitimer, {WhichOf(timer.of), Raw(at), 0});
    }
  }
  return batch.Flush();
}

Status StopCpuTimers(CallRunner& runner, std::span<const CpuTimer> timers) {
  std::vector<CpuTimer> stopped(timers.begin(), timers.end());
  for (CpuTimer& timer : stopped) {
    timer.left = timer.interval = nanoseconds(0);
  }
  return ArmCpuTimers(runner, stopped);
}

}  // namespace ssi
