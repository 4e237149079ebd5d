#ifndef SSI_DEPUTY_CPU_TIMER_WATCH_H_
#define SSI_DEPUTY_CPU_TIMER_WATCH_H_

#include <functional>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/loop.h"
#include "deputy/cpu_timer_dues.h"

namespace ssi {

// The timers on CPU time of a process that is away. Its stand-in uses none, so
// that the kernel's own stand still; they are stopped, and what they would do
// is done from here: the signal goes to the stand-in, and from there its way as
// any other.
//
// What is used away is known from reports, as in cpu_limit.h; one is asked for
// when a timer can have gone off. Natively that is found at a tick of the
// kernel, so a signal comes up to some milliseconds late there too.
//
// Owner:   the deputy, from a departure with such timers until the return.
// Threads: the loop's.
class CpuTimerWatch {
 public:
  struct Hooks {
    CpuTimerDues::Used used;  // at home and away, as last reported
    CpuTimerDues::Rate rate;
    // Asks for a report, which ends in OnReport, perhaps much later.
    std::function<void()> ask;
  };
  CpuTimerWatch(Loop& loop, const Clock& clock, HostPid process,
                std::vector<CpuTimer> timers, Hooks hooks);

  void OnReport();
  // What is left of each, for the process to have them again.
  [[nodiscard]] std::vector<CpuTimer> Left() const {
    return dues_.Left(hooks_.used);
  }

 private:
  void Check();
  bool Send(const CpuTimer& timer, int overrun) const;

  const Clock& clock_;
  HostPid process_;
  Hooks hooks_;
  CpuTimerDues dues_;
  Timer timer_;
  Nanos reported_at_;
  Nanos known_{};  // used by all clocks at the last report
  Nanos least_wait_;
};

}  // namespace ssi

#endif  // SSI_DEPUTY_CPU_TIMER_WATCH_H_
