// The timers on CPU time of a stand-in stop while its process is away.
#include <sys/syscall.h>

#include <algorithm>

#include "deputy/stand_in.h"
#include "process/signal_queues.h"

namespace ssi {

// A POSIX timer that is stopped loses the signal that it has queued: that one
// is queued once more.
Status StandIn::StopTimers() {
  struct Queued {
    StandInThread* thread;
    QueuedSignal signal;
  };
  std::vector<Queued> queued;
  for (const CpuTimer& timer : cpu_timers_) {
    auto* thread = timer.line.to_thread != 0
                       ? Find(HostPid{timer.line.to_thread})
                       : &first();
    if (timer.of == CpuTimer::Of::kPosix && thread != nullptr) {
      SSI_ASSIGN(auto signal, PeekTimer(*thread, timer.line));
      if (signal) {
        queued.push_back({thread, *signal});
      }
    }
  }
  AgentRunner runner = RunnerOf(first());
  SSI_TRY(StopCpuTimers(runner, cpu_timers_));
  stop_pending_ |= runner.stop_pending();
  for (const auto& [thread, signal] : queued) {
    AgentRunner own = RunnerOf(*thread);
    CallBatch batch(own);
    SSI_TRY(AddToQueue(batch, {pid_, thread->tid()}, signal.info,
                       signal.of_thread));
    SSI_TRY(batch.Flush());
    stop_pending_ |= own.stop_pending();
  }
  return {};
}

Result<std::optional<QueuedSignal>> StandIn::PeekTimer(StandInThread& thread,
                                                       const TimerLine& timer) {
  std::optional<QueuedSignal> none;
  auto queues = ReadSignalQueues(thread.tid());
  if (!queues || !queues->Pends(timer.signal)) {
    return none;
  }
  SSI_TRY(StopAgent(thread.tracee, stop_pending_));
  auto queued = PeekQueued(thread.tid(), timer.signal);
  SSI_TRY(thread.tracee.Continue());
  SSI_TRY(queued);
  const SignalList& list =
      timer.to_thread != 0 ? queued->of_thread : queued->of_process;
  auto of_timer = [&timer](const siginfo_t& info) {
    return info.si_code == SI_TIMER && info.si_timerid == timer.id;
  };
  bool ours = std::ranges::any_of(list, [&](const siginfo_t& info) {
    return of_timer(info) && IsMarked(info);
  });
  bool theirs = std::ranges::any_of(list, of_timer);
  return theirs && !ours ? std::optional(QueuedSignal{TimerSignal(timer, 0),
                                                      timer.to_thread != 0})
                         : none;
}

}  // namespace ssi
