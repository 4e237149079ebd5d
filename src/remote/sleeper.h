#ifndef SSI_REMOTE_SLEEPER_H_
#define SSI_REMOTE_SLEEPER_H_

#include <functional>
#include <optional>

#include "base/clock.h"
#include "base/loop.h"
#include "process/image.h"
#include "supervisor/process_memory.h"

namespace ssi {

// Sleeps for a guest: nanosleep and clock_nanosleep, and the rest of such a
// sleep that began on another node. The guest waits
// in its notification meanwhile, so the sleep can end at any moment with the
// time that is left known exactly.
//
// Owner:   the remote.
// Threads: the loop's.
class Sleeper {
 public:
  using Finish = std::function<void(std::int64_t result)>;

  Sleeper(Loop& loop, const Clock& clock, HostPid guest)
      : timer_(loop), clock_(clock), memory_(guest) {}

  // Begins the sleep that a call asks for. False where it is for the kernel: a
  // bad argument, or a clock that only the process itself has.
  bool Begin(int number, const CallArgs& args, Finish finish);
  // Goes on with a sleep that was interrupted by a move.
  void GoOn(const PendingCall& pending, Finish finish);

  [[nodiscard]] bool Sleeping() const { return static_cast<bool>(finish_); }
  // Ends it early: writes the rest where the call wants it, and finishes with
  // the restart code that the kernel would have left.
  void Interrupt();
  // After Interrupt: what is left of the call.
  [[nodiscard]] std::optional<PendingCall> TakePending();

 private:
  void Start(Nanos left, Finish finish);
  void WriteRest(Nanos left);

  Timer timer_;
  const Clock& clock_;
  ProcessMemory memory_;
  PendingCall call_;
  bool absolute_ = false;
  Nanos end_{};
  Finish finish_;
  std::optional<PendingCall> pending_;
};

}  // namespace ssi

#endif  // SSI_REMOTE_SLEEPER_H_
