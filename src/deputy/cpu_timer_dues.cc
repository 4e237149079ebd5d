#include "deputy/cpu_timer_dues.h"

#include <algorithm>
#include <limits>

namespace ssi {

CpuTimerDues::CpuTimerDues(std::vector<CpuTimer> timers, const Used& used) {
  for (CpuTimer& timer : timers) {
    Nanos due = used(timer) + timer.left;
    armed_.push_back({std::move(timer), due});
  }
}

void CpuTimerDues::Fire(const Used& used, const Send& send) {
  for (Armed& armed : armed_) {
    Nanos late = used(armed.timer) - armed.due;
    if (late < Nanos(0)) {
      continue;
    }
    Nanos interval = armed.timer.interval;
    if (interval <= Nanos(0)) {
      armed.over = send(armed.timer, 0);
      continue;
    }
    auto more = late / interval;
    constexpr std::int64_t kMost = std::numeric_limits<int>::max();
    auto overrun = static_cast<int>(std::min(kMost, armed.missed + more));
    armed.missed = send(armed.timer, overrun) ? 0 : overrun + 1LL;
    armed.due += interval * (more + 1);
  }
  std::erase_if(armed_, [](const Armed& armed) { return armed.over; });
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
