// The timers on CPU time of a stand-in stop while its process is away.
#include <utility>
#include <vector>

#include "deputy/stand_in.h"
#include "process/signal_queues.h"

namespace ssi {

// A POSIX timer that is stopped loses the signal that it has queued: that one
// is queued once more.
Status StandIn::StopTimers() {
  std::vector<std::pair<StandInThread*, TimerLine>> queued;
  for (const CpuTimer& timer : cpu_timers_) {
    const TimerLine& line = timer.line;
    auto* thread =
        line.to_thread != 0 ? Find(HostPid{line.to_thread}) : &first();
    if (timer.of == CpuTimer::Of::kPosix && thread != nullptr) {
      SSI_ASSIGN(bool waits, KernelHasQueued(*thread, line));
      if (waits) {
        queued.emplace_back(thread, line);
      }
    }
  }
  AgentRunner runner = RunnerOf(first());
  SSI_TRY(StopCpuTimers(runner, cpu_timers_));
  stop_pending_ |= runner.stop_pending();
  for (const auto& [thread, line] : queued) {
    AgentRunner own = RunnerOf(*thread);
    CallBatch batch(own);
    SSI_TRY(AddToQueue(batch, {pid_, thread->tid()}, TimerSignal(line, 0),
                       line.to_thread != 0));
    SSI_TRY(batch.Flush());
    stop_pending_ |= own.stop_pending();
  }
  return {};
}

Result<bool> StandIn::KernelHasQueued(StandInThread& thread,
                                      const TimerLine& timer) {
  auto queues = ReadSignalQueues(thread.tid());
  if (!queues || !queues->Pends(timer.signal)) {
    return false;
  }
  SSI_TRY(StopAgent(thread.tracee, stop_pending_));
  auto queued = PeekQueued(thread.tid(), timer.signal);
  SSI_TRY(thread.tracee.Continue());
  SSI_TRY(queued);
  const SignalList& list =
      timer.to_thread != 0 ? queued->of_thread : queued->of_process;
  bool theirs = false;
  for (const siginfo_t& info : list) {
    if (info.si_code == SI_TIMER && info.si_timerid == timer.id) {
      if (IsMarked(info)) {
        return false;  // one of ours, which stays
      }
      theirs = true;
    }
  }
  return theirs;
}

}  // namespace ssi
