#include "deputy/sleep_mark.h"

#include <linux/futex.h>
#include <sys/syscall.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "base/files.h"
#include "process/socket_timeout.h"
#include "process/stat_fields.h"
#include "supervisor/call_table.h"
#include "supervisor/process_memory.h"
#include "supervisor/timed_calls.h"

namespace ssi {

namespace {

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
std::optional<Nanos> ParseMillis(std::string_view text) {
  auto point = text.find('.');
  if (point == text.npos) {
    return std::nullopt;
  }
  auto whole = ParseNumber<std::int64_t>(text.substr(0, point));
  auto rest = ParseNumber<std::int64_t>(text.substr(point + 1));
  constexpr std::int64_t kMilli = 1'000'000;
  return whole && rest ? std::optional(Nanos(*whole * kMilli + *rest))
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

std::optional<Nanos> LimitNotKept(HostPid process, HostPid thread, int number,
                                  const CallArgs& args) {
  const auto* row = supervisor::FindCall(number);
  bool kept = number == SYS_futex
                  ? !IsFutexWait(args)
                  : row == nullptr || !row->Has(supervisor::kEintrAtFreeze);
  if (kept) {
    return std::nullopt;
  }
  if (supervisor::TimedCallOf(number) != nullptr) {
    ProcessMemory memory(thread);
    return supervisor::TimeLeft(number, args, memory);
  }
  return SocketTimeout(process, static_cast<std::uint64_t>(number),
                       static_cast<int>(args[0]));
}

std::optional<SleepMark> MarkSleep(HostPid process, HostPid thread,
                                   const ThreadCall& call) {
  if (!call.number) {
    return std::nullopt;
  }
  auto limit =
      LimitNotKept(process, thread, static_cast<int>(*call.number), call.args);
  SleepMark mark;
  if (!limit || !ReadSchedule(thread, mark)) {
    return std::nullopt;
  }
  mark.number = *call.number;
  mark.args = call.args;
  mark.limit = *limit;
  return mark;
}

std::optional<WaitLeft> WaitAfter(const SleepMark& mark, HostPid thread) {
  SleepMark now;
  // Its stop is a sleep, too.
  if (!ReadSchedule(thread, now) || now.cpu != mark.cpu ||
      now.sleeps != mark.sleeps + 1) {
    return std::nullopt;
  }
  auto slept = std::max(Nanos(0), now.ran - mark.ran);
  Nanos left = std::max(Nanos(0), mark.limit - slept);
  return WaitLeft{{mark.number, mark.args, left},
                  SystemClock().Monotonic() + left};
}

}  // namespace ssi
