#ifndef SSI_MIGRATION_TARGET_MACHINE_H_
#define SSI_MIGRATION_TARGET_MACHINE_H_

#include <cstdint>
#include <span>
#include <string>

#include "base/ids.h"
#include "migration/actions.h"
#include "migration/events.h"
#include "migration/timer_slot.h"
#include "migration/transitions.h"

namespace ssi::migration {

// The role of a move that gets the process: takes the image, rebuilds it,
// starts it on home's word. See messages.h for the protocol.
//
// Owner:      the guest supervisor made for ASK, or the deputy, one for each
//             move, until Finished.
// Threads:    none of its own; a plain value.
// Invariants: StartHere only after GO; GO only counts after READY, and never
//             after FAILED. Exactly one Finished after ASK. At most one timer
//             runs.
// Errors:     a message that no rule takes is a protocol error: before GO all
//             is discarded and home is told, after it it is noted.
class TargetMachine {
 public:
  enum class State : std::uint8_t {
    kIdle,        // before ASK
    kChecking,    // the node decides whether it takes the process
    kReceiving,   // ACCEPT is said; the image comes
    kRebuilding,  // all of it is here
    kReady,       // READY is said; waits for GO
    kStarting,    // GO has come: it runs, here or nowhere
    kDone,
  };

  TargetMachine(MoveId move, HomeIs home) : move_(move), home_(home) {}

  [[nodiscard]] Actions On(const Event& event);

  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] std::string Describe() const;
  // What it takes in which state.
  [[nodiscard]] static std::span<const Rule<TargetMachine>> Rules();

 private:
  void OnAsk(const Ask& ask, Actions& out);
  void OnAdmitted(const Admitted& admitted, Actions& out);
  void OnRejected(const Rejected& rejected, Actions& out);
  void OnImageArrived(const ImageArrived& arrived, Actions& out);
  void OnRebuilt(const Rebuilt& rebuilt, Actions& out);
  void OnGo(const Go& go, Actions& out);
  void OnStarted(const Started& started, Actions& out);
  void OnStartFailed(const StepFailed& failed, Actions& out);
  void OnStepFailed(const StepFailed& failed, Actions& out);
  void OnGoLimit(const TimerFired& fired, Actions& out);
  void OnAbort(const Abort& abort, Actions& out);
  void OnLinkLost(const LinkLost& lost, Actions& out);
  void OnLinkLostAfterGo(const LinkLost& lost, Actions& out);
  void OnWatchdog(const WatchdogEnded& ended, Actions& out);
  void OnWatchdogAfterGo(const WatchdogEnded& ended, Actions& out);

  void Unexpected(const Event& event, Actions& out);
  void Ignore(const Event& event, Actions& out);
  // Discards everything; TellFailed also says so to home.
  void Discard(Outcome outcome, const std::string& reason, Actions& out);
  void TellFailed(Outcome outcome, const std::string& reason, Actions& out);
  void Drop(const std::string& reason, Actions& out);
  void Finish(Outcome outcome, std::string reason, Actions& out);

  MoveId move_;
  HomeIs home_;
  State state_ = State::kIdle;
  TimerSlot timer_;
  std::uint64_t size_ = 0;  // from ASK
};

[[nodiscard]] const char* NameOf(TargetMachine::State state);

}  // namespace ssi::migration

#endif  // SSI_MIGRATION_TARGET_MACHINE_H_
