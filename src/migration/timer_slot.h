// The one timer that a machine of a move may have running.
#ifndef SSI_MIGRATION_TIMER_SLOT_H_
#define SSI_MIGRATION_TIMER_SLOT_H_

#include <optional>
#include <string>

#include "migration/actions.h"

namespace ssi::migration {

// Owner:      a machine, by value.
// Invariants: StartTimer and StopTimer come out in pairs, unless it fires; a
//             new start stops what ran before.
class TimerSlot {
 public:
  void Start(TimerKind kind, Nanos limit, Actions& out) {
    Stop(out);
    running_ = kind;
    out.push_back(StartTimer{kind, limit});
  }
  void Stop(Actions& out) {
    if (running_) {
      out.push_back(StopTimer{*running_});
      running_.reset();
    }
  }
  // Takes note that it fired. False if `kind` does not run: its end was under
  // way when it was stopped.
  [[nodiscard]] bool Fired(TimerKind kind) {
    if (running_ != kind) {
      return false;
    }
    running_.reset();
    return true;
  }
  [[nodiscard]] std::optional<TimerKind> running() const { return running_; }

 private:
  std::optional<TimerKind> running_;
};

}  // namespace ssi::migration

#endif  // SSI_MIGRATION_TIMER_SLOT_H_
