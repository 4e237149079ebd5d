#ifndef SSI_MIGRATION_SOURCE_MACHINE_H_
#define SSI_MIGRATION_SOURCE_MACHINE_H_

#include <cstdint>
#include <span>
#include <string>

#include "base/ids.h"
#include "migration/actions.h"
#include "migration/events.h"
#include "migration/timer_slot.h"
#include "migration/transitions.h"

namespace ssi::migration {

// The role of a move that has the process: freezes it, sends its image, holds
// it until home has decided. See messages.h for the protocol.
//
// Owner:      the guest supervisor from FREEZE on, or the deputy, one for each
//             move, until Finished.
// Threads:    none of its own; a plain value.
// Invariants: after HELD nothing but ABORT from home resumes the process.
//             Exactly one Finished after FREEZE. At most one timer runs.
// Errors:     a message that no rule takes is a protocol error: before HELD
//             the process resumes and home is told, after it it is noted.
class SourceMachine {
 public:
  enum class State : std::uint8_t {
    kRunning,   // before FREEZE
    kFreezing,  // its threads are being stopped
    kSettling,  // frozen; home calls are being cancelled
    kSending,   // frozen; the image is on its way
    kHeld,      // frozen, HELD is said: home decides
    kCutOff,    // frozen as far as it came, without home, to its end
    kDone,
  };

  SourceMachine(MoveId move, HomeIs home) : move_(move), home_(home) {}

  [[nodiscard]] Actions On(const Event& event);

  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] std::string Describe() const;
  // What it takes in which state.
  [[nodiscard]] static std::span<const Rule<SourceMachine>> Rules();

 private:
  void OnFreeze(const Freeze& freeze, Actions& out);
  void OnFrozen(const Frozen& frozen, Actions& out);
  void OnFreezeLimit(const TimerFired& fired, Actions& out);
  void OnSettled(const HomeCallsSettled& settled, Actions& out);
  void OnSettleLimit(const TimerFired& fired, Actions& out);
  void OnImageSent(const ImageSent& sent, Actions& out);
  void OnStepFailed(const StepFailed& failed, Actions& out);
  void OnAbort(const Abort& abort, Actions& out);
  void OnDestroy(const Destroy& destroy, Actions& out);
  void OnDied(const ProcessDied& died, Actions& out);
  void OnDiedCutOff(const ProcessDied& died, Actions& out);
  void OnLinkLost(const LinkLost& lost, Actions& out);
  void OnWatchdog(const WatchdogEnded& ended, Actions& out);

  void Unexpected(const Event& event, Actions& out);
  void Ignore(const Event& event, Actions& out);
  // Before HELD: gives the move up without asking.
  void GiveUp(std::string reason, Actions& out);
  void Finish(Outcome outcome, std::string reason, Actions& out);

  MoveId move_;
  HomeIs home_;
  State state_ = State::kRunning;
  TimerSlot timer_;
  std::string route_;  // of the image
};

[[nodiscard]] const char* NameOf(SourceMachine::State state);

}  // namespace ssi::migration

#endif  // SSI_MIGRATION_SOURCE_MACHINE_H_
