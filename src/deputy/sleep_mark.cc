#include "deputy/sleep_mark.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>

#include "base/files.h"
#include "process/memory.h"
#include "process/stat_fields.h"
#include "supervisor/call_table.h"
#include "supervisor/timed_calls.h"

namespace ssi {

namespace {

using std::chrono::nanoseconds;

// "232 0x3 0x7ffc… … SP PC" of proc(5), /proc/PID/syscall.
std::optional<SleepMark> ParseCall(std::string_view text) {
  SleepMark mark;
  const char* at = text.data();
  const char* end = at + text.size();
  auto number = std::from_chars(at, end, mark.number);
  if (number.ec != std::errc()) {
    return std::nullopt;  // "running", or -1: not in a call
  }
  at = number.ptr;
  for (auto& arg : mark.args) {
    constexpr std::string_view kHex = " 0x";
    if (!std::string_view(at, end).starts_with(kHex)) {
      return std::nullopt;
    }
    constexpr int kBase = 16;
    auto read = std::from_chars(at + kHex.size(), end, arg, kBase);
    at = read.ptr;
  }
  return mark;
}

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

std::optional<nanoseconds> LimitOf(const SleepMark& mark, HostPid thread) {
  const auto* call = supervisor::TimedCallOf(static_cast<int>(mark.number));
  if (call->unit == supervisor::TimeUnit::kMillis) {
    auto millis = static_cast<std::int32_t>(mark.args.at(call->arg));
    return millis < 0
               ? std::nullopt
               : std::optional<nanoseconds>(std::chrono::milliseconds(millis));
  }
  auto at = mark.args.at(call->arg);
  auto limit = ReadObject<timespec>(thread, RemoteAddr{at});
  return at == 0 || !limit
             ? std::nullopt
             : std::optional<nanoseconds>(std::chrono::seconds(limit->tv_sec) +
                                          nanoseconds(limit->tv_nsec));
}

}  // namespace

bool IsFutexWait(const CallArgs& args) {
  return (static_cast<int>(args[1]) & FUTEX_CMD_MASK) == FUTEX_WAIT;
}

std::optional<SleepMark> MarkSleep(HostPid thread) {
  auto text = ReadFile(fmt::format("/proc/{}/syscall", Raw(thread)));
  auto mark = text ? ParseCall(*text) : std::nullopt;
  if (!mark || !OnlyThisTells(*mark) || !ReadSchedule(thread, *mark)) {
    return std::nullopt;
  }
  return mark;
}

std::optional<PendingCall> CallAfter(const SleepMark& mark, HostPid thread) {
  SleepMark now;
  // Its stop is a sleep, too.
  if (!ReadSchedule(thread, now) || now.cpu != mark.cpu ||
      now.sleeps != mark.sleeps + 1) {
    return std::nullopt;
  }
  auto limit = LimitOf(mark, thread);
  if (!limit) {
    return std::nullopt;
  }
  auto slept = std::max(nanoseconds(0), now.ran - mark.ran);
  return PendingCall{mark.number, mark.args,
                     std::max(nanoseconds(0), *limit - slept)};
}

}  // namespace ssi
