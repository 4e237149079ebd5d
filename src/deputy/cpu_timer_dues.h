#ifndef SSI_DEPUTY_CPU_TIMER_DUES_H_
#define SSI_DEPUTY_CPU_TIMER_DUES_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "process/cpu_timers.h"

namespace ssi {

// When timers on CPU time go off, of a process whose CPU time is a sum that
// only we know: a value without clocks and processes.
class CpuTimerDues {
 public:
  // The CPU time so far on the clock of a timer, never less than before.
  using Used = std::function<Nanos(const CpuTimer&)>;
  // How many threads run on that clock at once, at most.
  using Rate = std::function<std::size_t(const CpuTimer&)>;
  // Sends the signal; false where one of this timer still waits. `overrun`: how
  // often it went off since the last one that was sent, this time apart.
  using Send = std::function<bool(const CpuTimer&, int overrun)>;

  // What is left of them counts from now on.
  CpuTimerDues(std::vector<CpuTimer> timers, const Used& used);

  // Sends the signals of those that have gone off.
  void Fire(const Used& used, const Send& send);
  // The time that must pass before one can go off; nothing where none is left.
  [[nodiscard]] std::optional<Nanos> Next(const Used& used,
                                          const Rate& rate) const;
  // What is left of each, at least 1 ns.
  [[nodiscard]] std::vector<CpuTimer> Left(const Used& used) const;

 private:
  struct Armed {
    CpuTimer timer;
    Nanos due{};  // on its clock
    std::int64_t missed = 0;
    bool over = false;
  };
  std::vector<Armed> armed_;
};

}  // namespace ssi

#endif  // SSI_DEPUTY_CPU_TIMER_DUES_H_
