#include "deputy/cpu_timer_dues.h"

#include <algorithm>
#include <limits>

namespace ssi {

CpuTimerDues::CpuTimerDues(std::vector<CpuTimer> timers, const Used& used) {
  for (CpuTimer& timer : timers) {
    Nanos due = used(timer) + timer.left;
    armed_.push_back({std::move(timer), due, 0});
  }
}

void CpuTimerDues::Fire(const Used& used, const Send& send) {
  for (Armed& armed : armed_) {
    Nanos late = used(armed.timer) - armed.due;
    if (late < Nanos(0)) {
      continue;
    }
    Nanos interval = armed.timer.interval;
    Nanos more = interval > Nanos(0) ? Nanos(late / interval) : Nanos(0);
    constexpr auto kMost = std::numeric_limits<int>::max();  // DELAYTIMER_MAX
    auto overrun = static_cast<int>(
        std::min<std::int64_t>(kMost - 1, armed.missed + more.count()));
    armed.missed = send(armed.timer, overrun) ? 0 : overrun + 1;
    armed.due += interval * (more.count() + 1);
    armed.timer.left = interval;
  }
  std::erase_if(armed_, [](const Armed& armed) {
    return armed.timer.left == Nanos(0);  // it goes off once
  });
}

std::optional<Nanos> CpuTimerDues::Next(const Used& used,
                                        const Rate& rate) const {
  std::optional<Nanos> next;
  for (const Armed& armed : armed_) {
    auto threads = static_cast<std::int64_t>(rate(armed.timer));
    Nanos wait =
        (armed.due - used(armed.timer)) / std::max<std::int64_t>(1, threads);
    next = next ? std::min(*next, wait) : wait;
  }
  return next;
}

std::vector<CpuTimer> CpuTimerDues::Left(const Used& used) const {
  std::vector<CpuTimer> timers;
  for (const Armed& armed : armed_) {
    timers.push_back(armed.timer);
    timers.back().left = std::max(Nanos(1), armed.due - used(armed.timer));
  }
  return timers;
}

}  // namespace ssi
