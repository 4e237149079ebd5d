#ifndef SSI_MIGRATION_HOME_MACHINE_H_
#define SSI_MIGRATION_HOME_MACHINE_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "base/ids.h"
#include "migration/actions.h"
#include "migration/events.h"
#include "migration/limits.h"
#include "migration/timer_slot.h"
#include "migration/transitions.h"

namespace ssi::migration {

// Which of the roles are at home.
enum class Direction : std::uint8_t {
  kDeparture,  // the source
  kReturn,     // the target
  kOnward,     // neither: from one node away to another
};

struct Move {
  MoveId id{};
  Direction direction{};
  std::string source;  // the names of the nodes, for people
  std::string target;
  Nanos grace = kGracePeriod;  // bounded to what limits.h allows
};

// The role of a move that decides: asks, freezes, commits, and says how it
// ended. See messages.h for the protocol.
//
// Owner:      the deputy, one for each move, until Finished.
// Threads:    none of its own; a plain value.
// Invariants: GO is said at most once, after READY and HELD with the same
//             checksum and no ABORT before; no ABORT after it. Exactly one
//             Finished after a MoveRequested. At most one timer runs.
// Errors:     a message that no rule takes is a protocol error: before GO it
//             ends the move, after GO it is noted. Events that come too late
//             are noted.
class HomeMachine {
 public:
  enum class State : std::uint8_t {
    kIdle,       // nobody has asked for the move yet
    kAsking,     // ASK is sent; nothing has changed anywhere
    kGathering,  // FREEZE is sent; waits for READY and HELD
    kStarting,   // GO is sent; waits for RUNNING
    kCutOff,     // before GO, without the source: waits for its end
    kUncertain,  // after GO, without the target: waits for its end
    kDone,
  };

  explicit HomeMachine(Move move) : move_(std::move(move)) {
    move_.grace = BoundedGrace(move_.grace);
  }

  [[nodiscard]] Actions On(const Event& event);

  [[nodiscard]] State state() const { return state_; }
  // All that decides what it does next, for logs and for the simulator.
  [[nodiscard]] std::string Describe() const;
  // What it takes in which state.
  [[nodiscard]] static std::span<const Rule<HomeMachine>> Rules();

 private:
  void OnMoveRequested(const MoveRequested& request, Actions& out);
  void OnSecondRequest(const MoveRequested& request, Actions& out);
  void OnAccept(const Accept& accept, Actions& out);
  void OnRefuse(const Refuse& refuse, Actions& out);
  void OnAskLimit(const TimerFired& fired, Actions& out);
  void OnReady(const Ready& ready, Actions& out);
  void OnHeld(const Held& held, Actions& out);
  void OnResumed(const Resumed& resumed, Actions& out);
  void OnDied(const Died& died, Actions& out);
  void OnFailed(const Failed& failed, Actions& out);
  void OnCommitLimit(const TimerFired& fired, Actions& out);
  void OnAbortRequested(const AbortRequested& request, Actions& out);
  void OnLinkLost(const LinkLost& lost, Actions& out);
  void OnProcessGone(const ProcessGone& gone, Actions& out);

  void OnRunning(const Running& running, Actions& out);
  void OnStartFailed(const Failed& failed, Actions& out);
  void OnStartLimit(const TimerFired& fired, Actions& out);
  void OnLinkLostAfterGo(const LinkLost& lost, Actions& out);
  void OnLateAbort(const AbortRequested& request, Actions& out);
  void OnGoneAfterGo(const ProcessGone& gone, Actions& out);
  void OnGraceWithoutSource(const TimerFired& fired, Actions& out);
  void OnGraceWithoutTarget(const TimerFired& fired, Actions& out);

  void Unexpected(const Event& event, Actions& out);
  // Tells the target to discard, if it can be told.
  void DropTarget(const std::string& reason, Actions& out);
  // Gives up before GO, the target being out of it: the source resumes; where
  // it can not be told, waits for its end.
  void ReturnToSource(const std::string& reason, Actions& out);
  void TryToCommit(Actions& out);
  void AwaitEnd(State state, std::string reason, Actions& out);
  void FinishLost(const std::string& reason, Actions& out);
  void Finish(Outcome outcome, std::string reason, Actions& out);

  Move move_;
  State state_ = State::kIdle;
  TimerSlot timer_;
  std::uint64_t size_ = 0;  // of the image, from the request
  std::optional<Checksum> ready_;
  std::optional<Checksum> held_;
  bool source_lost_ = false;
  bool target_lost_ = false;
  std::optional<std::string> gone_;  // the process is over at home, and why
  std::string reason_;               // kCutOff, kUncertain: what happened
};

[[nodiscard]] const char* NameOf(HomeMachine::State state);

}  // namespace ssi::migration

#endif  // SSI_MIGRATION_HOME_MACHINE_H_
