#include "deputy/sleep_mark.h"

#include <linux/futex.h>
#include <sys/syscall.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "base/files.h"
#include "process/stat_fields.h"
#include "supervisor/call_table.h"
#include "supervisor/process_memory.h"
#include "supervisor/timed_calls.h"

namespace ssi {

namespace {

using std::chrono::nanoseconds;

bool OnlyThisTells(const SleepMark& mark) {
  if (mark.number == SYS_futex) {
    return IsFutexWait(mark.args) && mark.args[3] != 0;
  }
  const auto* row = supervisor::FindCall(static_cast<int>(mark.number));
  return row != nullptr && row->Has(supervisor::kEintrAtFreeze) &&
         supervisor::TimedCallOf(row->nr) != nullptr;
}

// "name    :   value" in a line of its own.
std::string_view FieldOf(std::string_view text, std::string_view name) {
  auto at = text.find(name);
  auto colon = text.find(':', at == text.npos ? text.size() : at);
  if (colon == text.npos) {
    return {};
  }
  auto from = std::min(text.find_first_not_of(' ', colon + 1), text.size());
  return text.substr(from, text.find('\n', from) - from);
}

// Milliseconds with a fraction of six digits.
std::optional<nanoseconds> ParseMillis(std::string_view text) {
  auto point = text.find('.');
  if (point == text.npos) {
    return std::nullopt;
  }
  auto whole = ParseNumber<std::int64_t>(text.substr(0, point));
  auto rest = ParseNumber<std::int64_t>(text.substr(point + 1));
  constexpr std::int64_t kMilli = 1'000'000;
  return whole && rest ? std::optional(nanoseconds(*whole * kMilli + *rest))
                       : std::nullopt;
}

bool ReadSchedule(HostPid thread, SleepMark& mark) {
  auto text = ReadFile(fmt::format("/proc/{}/sched", Raw(thread)));
  auto stat = StatFields::ReadThread(thread);
  if (!text || !stat) {
    return false;
  }
  constexpr std::size_t kProcessor = 39;
  auto cpu = stat->Number(kProcessor);
  auto ran = ParseMillis(FieldOf(*text, "\nse.exec_start"));
  auto sleeps =
      ParseNumber<std::uint64_t>(FieldOf(*text, "\nnr_voluntary_switches"));
  if (!cpu || !ran || !sleeps) {
    return false;
  }
  mark.cpu = *cpu;
  mark.ran = *ran;
  mark.sleeps = *sleeps;
  return true;
}

}  // namespace

bool IsFutexWait(const CallArgs& args) {
  return (static_cast<int>(args[1]) & FUTEX_CMD_MASK) == FUTEX_WAIT;
}

std::optional<SleepMark> MarkSleep(HostPid thread, const ThreadCall& call) {
  if (!call.number) {
    return std::nullopt;
  }
  SleepMark mark;
  mark.number = *call.number;
  mark.args = call.args;
  return OnlyThisTells(mark) && ReadSchedule(thread, mark) ? std::optional(mark)
                                                           : std::nullopt;
}

std::optional<WaitLeft> WaitAfter(const SleepMark& mark, HostPid thread) {
  SleepMark now;
  // Its stop is a sleep, too.
  if (!ReadSchedule(thread, now) || now.cpu != mark.cpu ||
      now.sleeps != mark.sleeps + 1) {
    return std::nullopt;
  }
  ProcessMemory memory(thread);
  auto limit =
      supervisor::TimeLeft(static_cast<int>(mark.number), mark.args, memory);
  if (!limit) {
    return std::nullopt;
  }
  auto slept = std::max(nanoseconds(0), now.ran - mark.ran);
  Nanos left = std::max(nanoseconds(0), *limit - slept);
  return WaitLeft{{mark.number, mark.args, left},
                  SystemClock().Monotonic() + left};
}

}  // namespace ssi
