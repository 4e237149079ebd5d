#ifndef SSI_DEPUTY_STAND_IN_H_
#define SSI_DEPUTY_STAND_IN_H_

#include <sys/resource.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "deputy/freeze.h"
#include "deputy/mapped_files.h"
#include "deputy/stand_in_thread.h"
#include "process/agent_site.h"
#include "process/call_runner.h"
#include "process/cpu_timers.h"
#include "process/image.h"
#include "process/page_scan.h"
#include "process/rebuild.h"
#include "process/signal_order.h"
#include "process/tracee.h"

namespace ssi {

// The original process of a moved one, at home: frozen, each thread parked in
// the agent, emptied, filled again, and at last a plain process as before.
//
//   Freeze -> Plant -> Capture -> Empty -> ... -> Refill -> FinishRefill
//     |         |         |                          |           -> Resume
//     +---------+---------+--> Resume (abort)        +--> AbortRefill
//
// Owner:      the deputy.
// Threads:    the tracer's.
// Invariants: traced from Freeze until Detach. From Plant until Resume its
//             threads run in the agent, each with a window that is mapped here.
// Errors:     kGone where the process died; any other error of Plant and
//             Capture leaves it resumable.
class StandIn {
 public:
  // As ssi::Freeze, whose errors it has.
  static Result<StandIn> Freeze(HostPid pid, Found& found,
                                std::chrono::nanoseconds limit);

  [[nodiscard]] HostPid pid() const { return pid_; }
  // The first of its threads that have not exited: through it all of them can
  // be looked at.
  [[nodiscard]] HostPid living() const { return threads_[0]->tid(); }
  [[nodiscard]] const std::vector<std::unique_ptr<StandInThread>>& threads()
      const {
    return threads_;
  }
  // Frozen: why it cannot be moved, which only a tracer can see.
  [[nodiscard]] std::optional<std::string> WhyItStays() const;
  // Null where there is none.
  [[nodiscard]] StandInThread* Find(HostPid tid) const;
  [[nodiscard]] RemoteAddr AgentCodeOf(const StandInThread& thread) const {
    return sites_[thread.site]->code();
  }
  [[nodiscard]] const std::vector<Vma>& vmas() const { return vmas_; }

  // Saves the threads' states and starts the agent. `vmas`: the areas, read
  // after the freeze.
  Status Plant(std::vector<Vma> vmas);
  // The image, and which pages go with it. Memory stays as it is.
  Result<CapturedProcess> Capture(MappedFiles& files);
  // Stops the timers on CPU time that Capture has found, and unmaps everything
  // but the kernel's pages, agent, argv and environ, kept mappings, and what a
  // call that waits here points to.
  Status Empty();
  // Those timers, with what was left of each: they are the caller's to keep.
  [[nodiscard]] std::vector<CpuTimer> TakeCpuTimers() {
    return std::exchange(cpu_timers_, {});
  }
  // The agents serve home calls from now on, each with its thread's mask.
  using MaskOf = std::function<std::uint64_t(HostPid tid)>;
  Status Serve(const MaskOf& mask_of);
  // Blocks all signals again. The agents may be in calls.
  Status StopServing();

  // A new thread, which one of its threads has made by a home call and which
  // has not stopped for its first time yet: into the agent with it.
  Result<StandInThread*> Adopt(HostPid tid);
  // One has ended and is reaped, or, the first one, stays a zombie.
  void Forget(HostPid tid);

  // From any state before Empty, and after FinishRefill: takes the agent out
  // and leaves the threads stopped, about to go on natively as if nothing had
  // been.
  Status Resume();
  // Ends it as its remote ended: by exit_group, or by a signal, whose default
  // action the kernel takes. From a running agent.
  Status Exit(int code);
  Status DieBySignal(int signal);
  // A SIGSTOP came while the agent must run: it takes effect as soon as the
  // process serves or runs again.
  void StopLater() { stop_pending_ = true; }
  // Lets go of a process that runs on; from stops, with no signal in hand. Some
  // are `left` traced: who goes on with a wait; and the first that runs may end
  // the process: those that it killed before they were let go are their
  // tracer's to reap.
  Status Detach(Found& left);
  // The same for all but one, who stays in its stop; the others run, traced.
  // True where that one goes on with a wait, and so is `left`, too.
  bool LeaveTraced(HostPid but, Found& left) const;

  // Maps the areas of an image that comes home, ready for its contents.
  Status Refill(const CapturedProcess& incoming, const MappedFiles& files);
  // Unmaps what Refill mapped.
  Status AbortRefill();
  // Contents are there: final protections and states. `current`: the signal
  // actions that the stand-in has now. `timers`: what it has again.
  Status FinishRefill(const SignalActions& current,
                      std::span<const CpuTimer> timers);

 private:
  StandIn(HostPid pid, const Frozen& frozen);
  // What serves for calls of the whole process.
  [[nodiscard]] StandInThread& first() const { return *threads_[0]; }
  [[nodiscard]] AgentRunner RunnerOf(const StandInThread& thread) const {
    return {thread.tracee, *thread.window};
  }
  // Makes calls in all threads side by side.
  using Calls = std::function<Status(StandInThread&, CallBatch&)>;
  Status RunInAll(const Calls& calls);
  Status CaptureThreads();
  Status CaptureVdso(ProcessImage& image) const;
  Status StopAll();
  Status PlantMore(const Tracee& tracee, Injector& injector,
                   const std::vector<Vma>& vmas, std::size_t threads);
  [[nodiscard]] bool GiveWindow(StandInThread& thread);

  Status MakeRoomForAgent(const std::vector<ImageArea>& areas);
  Status MoveSite(AgentSite& site, RemoteAddr to);
  Result<bool> CaptureArea(ImageArea& area, MappedFiles& files,
                           const PageScanner& scanner, ScannedPages& pages);
  Status CaptureKept(ImageArea& area, MappedFiles& files,
                     const PageScanner& scanner, ScannedPages& pages);
  // Of kept mappings of files: the process's own pages are in the image.
  Status GiveUpKept();
  Status MatchKept();
  [[nodiscard]] bool TakeStop();
  static bool Hold(const StandInThread& thread, Found& left);
  Status CheckThreads(const ProcessImage& image) const;
  Status RequeueUndelivered(StandInThread& thread);
  Status PutUndeliveredInFront(StandInThread& thread, std::uint64_t pending);
  std::vector<MemoryRun> RangesToKeep() const;
  Status StopTimers();
  // A signal of the timer waits that is the kernel's and not one of ours.
  Result<bool> KernelHasQueued(StandInThread& thread, const TimerLine& timer);
  Status EmptySealed();
  void KeepSealed(std::vector<ImageArea>& areas) const;
  void LiftLimits();
  void RestoreLimits();

  HostPid pid_;
  bool leader_exited_ = false;
  std::vector<std::unique_ptr<StandInThread>> threads_;
  std::vector<std::unique_ptr<AgentSite>> sites_;
  std::uint64_t syscall_instruction_ = 0;
  std::vector<Vma> vmas_;
  std::vector<ImageArea> kept_;
  // Contents of argv and environ, for the way back from an aborted refill.
  std::vector<MemoryRun> shown_;
  std::vector<std::byte> shown_bytes_;
  std::vector<CpuTimer> cpu_timers_;
  std::vector<MemoryRun> sealed_;  // that nothing can take out of its memory
  struct Lifted {
    int resource;
    rlimit limit;
  };
  std::vector<Lifted> lifted_;
  CapturedProcess incoming_;
  std::int64_t dumpable_ = -1;  // to be set when it runs here again
  bool planted_ = false;
  bool stop_pending_ = false;
};

}  // namespace ssi

#endif  // SSI_DEPUTY_STAND_IN_H_
