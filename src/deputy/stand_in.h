#ifndef SSI_DEPUTY_STAND_IN_H_
#define SSI_DEPUTY_STAND_IN_H_

#include <sys/resource.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "deputy/mapped_files.h"
#include "process/agent_window.h"
#include "process/call_runner.h"
#include "process/image.h"
#include "process/page_scan.h"
#include "process/rebuild.h"
#include "process/tracee.h"

namespace ssi {

// The original process of a moved one, at home: frozen, parked in its agent,
// emptied, filled again, and at last a plain process as before.
//
//   Freeze -> Plant -> Capture -> Empty -> ... -> Refill -> FinishRefill
//     |         |         |                          |           -> Resume
//     +---------+---------+--> Resume (abort)        +--> AbortRefill
//
// Owner:      the deputy.
// Threads:    the tracer's.
// Invariants: traced from Freeze until Detach. From Plant until Resume it runs
//             in its agent, with the agent's window mapped here.
// Errors:     kGone where the process died; any other error of Plant and
//             Capture leaves it resumable.
class StandIn {
 public:
  // How this thread finds the process.
  enum class Found : std::uint8_t {
    kUntraced,
    kTracedStopped,  // in a ptrace stop, with no signal in hand
    kTracedRunning,  // a freeze before this one was given up
  };
  // Stops a process. kRetry, with the call that it is in, where it does not
  // stop within `limit`: it then is traced and runs, and must be detached at
  // its next stop. While it waits for a CPU it has longer, kStarvedLimit.
  // kDenied where it is stopped by a signal; it is detached then.
  static Result<StandIn> Freeze(HostPid pid, Found found,
                                std::chrono::nanoseconds limit);

  [[nodiscard]] const Tracee& tracee() const { return tracee_; }
  [[nodiscard]] AgentWindow& window() { return *window_; }
  // Where a poll that it finishes by restart_syscall has its results.
  [[nodiscard]] std::optional<MemoryRun> waited_on() const {
    return wait_memory_;
  }
  // The call that it will finish so, if there is one.
  [[nodiscard]] std::optional<PendingCall> waiting_call() const;
  [[nodiscard]] const std::vector<Vma>& vmas() const { return vmas_; }

  // Saves the thread's state and starts the agent. `vmas`: its areas, read
  // after the freeze.
  Status Plant(std::vector<Vma> vmas);
  // The image, and which pages go with it. Memory stays as it is.
  Result<CapturedProcess> Capture(MappedFiles& files);
  // Unmaps everything but the kernel's pages, agent, argv and environ, kept
  // mappings, and what a call that waits here points to.
  Status Empty();
  // The agent serves home calls from now on, with this signal mask.
  Status Serve(std::uint64_t mask);
  // Blocks all signals again. The agent may be in a call.
  Status StopServing();

  // From any state before Empty, and after FinishRefill: takes the agent out
  // and leaves the process stopped, about to go on natively as if nothing had
  // been.
  Status Resume();
  // Ends it as its remote ended: by exit_group, or by a signal, whose default
  // action the kernel takes. From a running agent.
  Status Exit(int code);
  Status DieBySignal(int signal);
  // A SIGSTOP came while the agent must run: it takes effect as soon as the
  // process serves or runs again.
  void StopLater() { stop_pending_ = true; }
  // Lets go of a process that runs on; from a stop, with no signal in hand.
  Status Detach();

  // Maps the areas of an image that comes home, ready for its contents.
  Status Refill(const CapturedProcess& incoming, const MappedFiles& files);
  // Unmaps what Refill mapped.
  Status AbortRefill();
  // Contents are there: final protections and states. `current`: the signal
  // actions that the stand-in has now.
  Status FinishRefill(const SignalActions& current);

 private:
  explicit StandIn(const Tracee& tracee) : tracee_(tracee) {}
  Status StopThread(std::chrono::nanoseconds limit);
  Result<bool> OnStopOfFreeze(const Stop& stop);
  Status MakeRoomForAgent(const std::vector<ImageArea>& areas);
  Result<bool> CaptureArea(ImageArea& area, MappedFiles& files,
                           const PageScanner& scanner, ScannedPages& pages);
  Status CaptureKept(ImageArea& area, MappedFiles& files,
                     const PageScanner& scanner, ScannedPages& pages);
  // Of kept mappings of files: the process's own pages are in the image.
  Status GiveUpKept();
  Status MatchKept();
  [[nodiscard]] bool TakeStop();
  Status RequeueUndelivered(CallRunner& runner);
  Status PutUndeliveredInFront(std::uint64_t pending);
  Status MakeRestartBlock(Injector& injector);
  std::vector<MemoryRun> RangesToKeep() const;
  Status EmptySealed();
  void KeepSealed(std::vector<ImageArea>& areas) const;
  void LiftLimits();
  void RestoreLimits();

  Tracee tracee_;
  ThreadImage thread_;
  int delivered_ = 0;  // rounds of signals, during the freeze
  std::uint64_t mask_ = 0;
  std::uint64_t syscall_instruction_ = 0;
  std::vector<Vma> vmas_;
  std::optional<AgentWindow> window_;
  std::vector<ImageArea> kept_;
  // Contents of argv and environ, for the way back from an aborted refill.
  std::vector<MemoryRun> shown_;
  std::vector<std::byte> shown_bytes_;
  std::optional<MemoryRun> wait_memory_;
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
