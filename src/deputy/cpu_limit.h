#ifndef SSI_DEPUTY_CPU_LIMIT_H_
#define SSI_DEPUTY_CPU_LIMIT_H_

#include <sys/resource.h>

#include <functional>

#include "base/clock.h"
#include "base/ids.h"
#include "base/loop.h"

namespace ssi {

// RLIMIT_CPU of a process that has been away: home's kernel counts only what
// it has used here, so the sum is watched from outside, and what the kernel
// would do is done: SIGXCPU at the soft limit, which then moves on by a
// second, and SIGKILL at the hard one.
//
// What it uses away is known from reports. In between it is assumed to compute
// all the time; when that would reach the limit, a new report is asked for.
//
// Owner:   the deputy, from the first departure until the process ends.
// Threads: the loop's.
class CpuLimit {
 public:
  struct Hooks {
    std::function<Nanos()> used_away;  // as last reported
    // Asks for a report, which ends in OnReport; false where it is at home.
    std::function<bool()> ask;
  };
  CpuLimit(Loop& loop, const Clock& clock, HostPid pid, Hooks hooks);

  void OnReport();

 private:
  void Check();
  // The CPU time used in all places, as far as it is known.
  [[nodiscard]] Nanos Known() const;
  void LookAgainIn(Nanos wait);
  void Reach(const rlimit& limit, Nanos used);

  const Clock& clock_;
  HostPid pid_;
  Hooks hooks_;
  Timer timer_;
  Nanos reported_at_;
  bool asked_ = false;
};

}  // namespace ssi

#endif  // SSI_DEPUTY_CPU_LIMIT_H_
