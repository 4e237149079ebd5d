#include "process/cpu_time.h"

#include <time.h>

#include <cerrno>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "base/files.h"
#include "process/stat_fields.h"

namespace ssi {

namespace {

// `stat`: of the same task, for the split.
CpuTime Split(std::chrono::nanoseconds sum, const StatFields& stat) {
  constexpr std::size_t kUser = 14;
  constexpr std::size_t kSystem = 15;
  auto user = stat.Number(kUser).value_or(0);
  auto system = stat.Number(kSystem).value_or(0);
  // By the ratio of the two, so that they never exceed the exact sum.
  auto ticks = user + system;
  auto share =
      ticks == 0 ? sum
                 : std::chrono::nanoseconds(static_cast<std::int64_t>(
                       static_cast<double>(sum.count()) *
                       static_cast<double>(user) / static_cast<double>(ticks)));
  return CpuTime{share, sum - share};
}

}  // namespace

Result<CpuTime> CpuTimeOf(HostPid pid) {
  clockid_t clock = 0;
  if (int err = ::clock_getcpuclockid(Raw(pid), &clock); err != 0) {
    return FailErrno(err, "CPU clock of {}", Raw(pid));
  }
  timespec total{};
  if (::clock_gettime(clock, &total) != 0) {
    return FailErrno(errno, "CPU clock of {}", Raw(pid));
  }
  SSI_ASSIGN(auto stat, StatFields::Read(pid));
  return Split(InNanos(total), stat);
}

// By /proc/TID/schedstat: its clock answers only to its own process
// (kernel/time/posix-cpu-timers.c, pid_for_clock).
std::optional<std::uint64_t> TimeOnCpu(HostPid thread) {
  auto text = ReadFile(fmt::format("/proc/{}/schedstat", Raw(thread)));
  if (!text) {
    return std::nullopt;
  }
  return ParseNumber<std::uint64_t>(
      std::string_view(*text).substr(0, text->find(' ')));
}

Result<CpuTime> CpuTimeOfThread(HostPid thread) {
  auto sum = TimeOnCpu(thread);
  if (!sum) {
    return Fail(ErrorCode::kGone, "thread {} is gone", Raw(thread));
  }
  SSI_ASSIGN(auto stat, StatFields::ReadThread(thread));
  return Split(std::chrono::nanoseconds(*sum), stat);
}

}  // namespace ssi
