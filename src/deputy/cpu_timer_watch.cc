#include "deputy/cpu_timer_watch.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "process/signal_queues.h"
#include "process/threads.h"

namespace ssi {

namespace {

using namespace std::chrono_literals;

// Half a tick of a kernel with 250 of them in a second.
constexpr Nanos kLeastReport = 2ms;
// While it sleeps nothing is used: then the questions become rarer.
constexpr Nanos kMostReport = 64ms;
// Without a report, which a lost connection may keep from coming.
constexpr Nanos kAskAgain = 1s;

}  // namespace

CpuTimerWatch::CpuTimerWatch(Loop& loop, const Clock& clock, HostPid process,
                             std::vector<CpuTimer> timers, Hooks hooks)
    : clock_(clock),
      process_(process),
      hooks_(std::move(hooks)),
      dues_(std::move(timers), hooks_.used),
      timer_(loop),
      reported_at_(clock.Monotonic()),
      least_wait_(kLeastReport) {
  Check();
}

void CpuTimerWatch::OnReport() {
  reported_at_ = clock_.Monotonic();
  Nanos known{};
  for (const CpuTimer& timer : dues_.Left(hooks_.used)) {
    known += hooks_.used(timer);
  }
  bool idle = std::exchange(known_, known) == known;
  least_wait_ = idle ? std::min(2 * least_wait_, kMostReport) : kLeastReport;
  Check();
}

void CpuTimerWatch::Check() {
  dues_.Fire(hooks_.used, [this](const CpuTimer& timer, int overrun) {
    return Send(timer, overrun);
  });
  auto next = dues_.Next(hooks_.used, hooks_.rate);
  if (!next) {
    timer_.Stop();
    return;
  }
  Nanos wait = reported_at_ + std::max(*next, least_wait_) - clock_.Monotonic();
  if (wait > 0ms) {
    timer_.Start(wait, [this] { Check(); });
  } else {
    hooks_.ask();
    timer_.Start(kAskAgain, [this] { Check(); });
  }
}

// False where its last one still waits: a timer has one signal in the queue.
// (One of the same number from elsewhere counts for it here.)
bool CpuTimerWatch::Send(const CpuTimer& timer, int overrun) const {
  const TimerLine& line = timer.line;
  if (timer.of != CpuTimer::Of::kPosix) {
    // home_signals.h makes it the kernel's.
    return ::kill(Raw(process_), line.signal) == 0;
  }
  if (line.silent) {
    return true;
  }
  HostPid to =
      line.to_thread != 0 ? HostPid{line.to_thread} : LivingThread(process_);
  auto queues = ReadSignalQueues(to);
  if (!queues || queues->Pends(line.signal)) {
    return false;
  }
  siginfo_t info = TimerSignal(line, overrun);
  long sent =
      line.to_thread != 0
          ? ::syscall(SYS_rt_tgsigqueueinfo, Raw(process_), line.to_thread,
                      line.signal, &info)
          : ::syscall(SYS_rt_sigqueueinfo, Raw(process_), line.signal, &info);
  return sent == 0 || errno != EAGAIN;
}

}  // namespace ssi
