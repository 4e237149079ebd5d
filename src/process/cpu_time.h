#ifndef SSI_PROCESS_CPU_TIME_H_
#define SSI_PROCESS_CPU_TIME_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "base/ids.h"
#include "base/result.h"
#include "process/image.h"

namespace ssi {

// The CPU time that a process has used on this node: the sum exact (its CPU
// clock), the split between user and system as /proc/PID/stat has it.
Result<CpuTime> CpuTimeOf(HostPid pid);

// A thread's time on a CPU so far, in ns: the first field of
// /proc/TID/schedstat (Documentation/scheduler/sched-stats.rst).
std::optional<std::uint64_t> TimeOnCpu(HostPid thread);

// Like CpuTimeOf, of one thread.
Result<CpuTime> CpuTimeOfThread(HostPid thread);

inline CpuTime operator+(const CpuTime& a, const CpuTime& b) {
  return {a.user + b.user, a.system + b.system};
}

}  // namespace ssi

#endif  // SSI_PROCESS_CPU_TIME_H_
