#include "process/cpu_time.h"

#include <time.h>

#include <cerrno>

#include "process/stat_fields.h"

namespace ssi {

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
  constexpr std::size_t kUser = 14;
  constexpr std::size_t kSystem = 15;
  auto user = stat.Number(kUser).value_or(0);
  auto system = stat.Number(kSystem).value_or(0);
  auto sum = std::chrono::seconds(total.tv_sec) +
             std::chrono::nanoseconds(total.tv_nsec);
  // By the ratio of the two, so that they never exceed the exact sum.
  auto ticks = user + system;
  auto share =
      ticks == 0 ? sum
                 : std::chrono::nanoseconds(static_cast<std::int64_t>(
                       static_cast<double>(sum.count()) *
                       static_cast<double>(user) / static_cast<double>(ticks)));
  return CpuTime{share, sum - share};
}

}  // namespace ssi
