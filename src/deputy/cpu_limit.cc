#include "deputy/cpu_limit.h"

#include <signal.h>

#include <algorithm>

#include "process/cpu_time.h"

namespace ssi {

namespace {

using namespace std::chrono_literals;

// A process may set its limit at any time, at home unseen.
constexpr Nanos kLookEvery = 500ms;
constexpr Nanos kLeastWait = 4ms;  // about a tick of the kernel
constexpr Nanos kReportLimit = 1s;

Nanos InNanos(rlim_t seconds) {
  constexpr rlim_t kMost = rlim_t{1} << 32;
  return std::chrono::seconds(std::min(seconds, kMost));
}

}  // namespace

CpuLimit::CpuLimit(Loop& loop, const Clock& clock, HostPid pid, Hooks hooks)
    : clock_(clock),
      pid_(pid),
      hooks_(std::move(hooks)),
      timer_(loop),
      reported_at_(clock.Monotonic()) {
  LookAgainIn(0ms);
}

Nanos CpuLimit::Known() const {
  auto here = CpuTimeOf(pid_);
  return hooks_.used_away() + (here ? here->user + here->system : Nanos(0));
}

void CpuLimit::LookAgainIn(Nanos wait) {
  timer_.Start(wait, [this] { Check(); });
}

void CpuLimit::OnReport() {
  reported_at_ = clock_.Monotonic();
  if (std::exchange(asked_, false)) {
    Check();
  }
}

void CpuLimit::Check() {
  rlimit limit{};
  if (::prlimit(Raw(pid_), RLIMIT_CPU, nullptr, &limit) != 0) {
    return;  // it has ended
  }
  if (limit.rlim_cur == RLIM_INFINITY) {
    LookAgainIn(kLookEvery);
    return;
  }
  Nanos used = Known();
  Nanos next = InNanos(std::min(limit.rlim_cur, limit.rlim_max));
  if (used >= next) {
    Reach(limit, used);
    return;
  }
  // What it can have used away since the last report.
  Nanos since = clock_.Monotonic() - reported_at_;
  Nanos left = next - used - since;
  if (left <= 0ms && !asked_ && hooks_.ask()) {
    asked_ = true;
    LookAgainIn(kReportLimit);
    return;
  }
  asked_ = false;
  LookAgainIn(std::clamp(left, kLeastWait, kLookEvery));
}

// As the kernel's check_process_timers does it.
void CpuLimit::Reach(const rlimit& limit, Nanos used) {
  if (limit.rlim_max != RLIM_INFINITY && used >= InNanos(limit.rlim_max)) {
    ::kill(Raw(pid_), SIGKILL);
    return;
  }
  ::kill(Raw(pid_), SIGXCPU);
  rlimit later{limit.rlim_cur + 1, limit.rlim_max};
  (void)::prlimit(Raw(pid_), RLIMIT_CPU, &later, nullptr);
  LookAgainIn(kLeastWait);
}

}  // namespace ssi
