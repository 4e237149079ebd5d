#ifndef SSI_DEPUTY_STAND_IN_H_
#define SSI_DEPUTY_STAND_IN_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "deputy/mapped_files.h"
#include "process/agent_window.h"
#include "process/image.h"
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
  // Stops a process. `traced`: it is traced by this thread already. kRetry, with
  // the call that it is in, where it does not stop within `limit`; it then runs
  // on as before.
  static Result<StandIn> Freeze(HostPid pid, bool traced,
                                std::chrono::nanoseconds limit);

  [[nodiscard]] const Tracee& tracee() const { return tracee_; }
  [[nodiscard]] AgentWindow& window() { return *window_; }
  [[nodiscard]] const std::vector<Vma>& vmas() const { return vmas_; }

  // Saves the thread's state and starts the agent.
  Status Plant();
  // The image, and which pages go with it. Memory stays as it is.
  Result<CapturedProcess> Capture(MappedFiles& files);
  // Unmaps everything but the kernel's pages, agent, argv and environ, kept
  // mappings, and what a call that waits here points to.
  Status Empty();
  // Runs on natively, as if nothing had been. From any state before Empty, and
  // after FinishRefill.
  Status Resume();
  // Lets go of a process that runs on; from a stop, with no signal in hand.
  Status Detach();

  // Maps the areas of an image that comes home, ready for its contents.
  Status Refill(const CapturedProcess& incoming, const MappedFiles& files);
  // Unmaps what Refill mapped.
  Status AbortRefill();
  // Contents are there: final protections and states.
  // Contents are there: final protections and states. `current`: the signal
  // actions that the stand-in has now.
  Status FinishRefill(const SignalActions& current);

 private:
  explicit StandIn(const Tracee& tracee) : tracee_(tracee) {}
  Status StopThread(std::chrono::nanoseconds limit);
  Status MakeRoomForAgent(const std::vector<ImageArea>& areas);
  std::vector<MemoryRun> RangesToKeep() const;

  Tracee tracee_;
  ThreadImage thread_;
  std::uint64_t mask_ = 0;
  std::uint64_t syscall_instruction_ = 0;
  std::vector<Vma> vmas_;
  std::optional<AgentWindow> window_;
  std::vector<ImageArea> kept_;
  // Contents of argv and environ, for the way back from an aborted refill.
  std::vector<MemoryRun> shown_;
  std::vector<std::byte> shown_bytes_;
  std::vector<MemoryRun> waited_on_;
  CapturedProcess incoming_;
  bool planted_ = false;
  bool stop_pending_ = false;
};

}  // namespace ssi

#endif  // SSI_DEPUTY_STAND_IN_H_
