#ifndef SSI_DEPUTY_HELD_WAIT_H_
#define SSI_DEPUTY_HELD_WAIT_H_

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "process/image.h"
#include "process/kernel.h"
#include "process/registers.h"
#include "process/tracee.h"

namespace ssi {

// A wait with a time limit, and when that is over: CLOCK_MONOTONIC.
struct WaitLeft {
  PendingCall call;
  Nanos end{};

  [[nodiscard]] PendingCall At(Nanos now) const {
    return {call.number, call.args, std::max(Nanos(0), end - now)};
  }
  // Whether a stopped thread with these registers will make it again.
  [[nodiscard]] bool IsMadeAgain(const Registers& registers) const {
    return registers.InThis(call.number, call.args) &&
           registers.result() == kRestartNoHand;
  }
};

// A thread at home that makes a wait again which a move or a freeze has cut
// short. The kernel gives it all of its time once more; so it is traced until
// the call is over, and the wait is ended when its own time is up. Signals are
// delivered as if nobody looked.
//
// Owner:   whoever has its thread in Found::waits.
// Threads: the tracer's.
class HeldWait {
 public:
  explicit HeldWait(WaitLeft left) : left_(left) {}

  // From a stop in which it is about to make the call again.
  Status Begin(const Tracee& tracee);
  // At each of its stops. While it is to be held, nothing, and it goes on.
  // Otherwise it stays in its stop, to be let go with this signal.
  std::optional<int> OnStop(const Tracee& tracee, const Stop& stop, Nanos now);
  // The time is up: makes it stop.
  void Interrupt(const Tracee& tracee);

  [[nodiscard]] const WaitLeft& left() const { return left_; }
  [[nodiscard]] bool interrupted() const { return interrupted_; }

 private:
  std::optional<int> OnEntry(const Tracee& tracee, Nanos now);
  std::optional<int> OnResult(const Tracee& tracee, Nanos now);

  WaitLeft left_;
  bool in_call_ = false;
  bool interrupted_ = false;
};

}  // namespace ssi

#endif  // SSI_DEPUTY_HELD_WAIT_H_
