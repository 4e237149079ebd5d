// What a machine of a move wants done. The driver carries the actions of one
// event out in their order, and answers those that take time by an event.
//
// Rules for a driver:
//  * Send to a role of the same process goes into a queue that is worked off
//    after the current list of actions, never from inside it.
//  * A link that is lost swallows what is sent to it.
//  * "-> X or StepFailed": one of them, once, unless an action below it in
//    this file (ResumeHere, DestroyCopy, DiscardRebuild) came first: it
//    cancels the work. An answer that was already under way is ignored.
//  * A machine may be deleted after its own Finished, not before: on a
//    departure home finishes before the local source has read DESTROY. What
//    comes for a machine that is gone is dropped, by its MoveId.
//  * A node may have slept (BOOTTIME shows it): before StartHere and ResumeHere
//    away, look whether the watchdog's time is over, and say that first.
//
// Who has what:
//   departure  the deputy has HomeMachine and SourceMachine(kHere), the node of
//              the target TargetMachine(kElsewhere) from ASK on.
//   return     the deputy has HomeMachine and TargetMachine(kHere), made with
//              the request; the guest supervisor SourceMachine(kElsewhere) from
//              FREEZE on.
//   onward     HomeMachine alone at home, the others kElsewhere.
// The end of the move is home's Finished:
//   kMoved   the deputy's rules for a remote hold again, at the new place (on a
//            return: for a process at home); also for a stand-in that was
//            killed meanwhile.
//   kStayed  the rules hold again at the old place.
//   kEnded   its exit is reported as always; a remote that still runs without
//            its stand-in is ended as always.
//   kLost    the stand-in, or what is left of the process at home, is killed;
//            the user reads the reason; exit status 125.
#ifndef SSI_MIGRATION_ACTIONS_H_
#define SSI_MIGRATION_ACTIONS_H_

#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "migration/events.h"
#include "migration/messages.h"

namespace ssi::migration {

// ---- any role ---------------------------------------------------------------

struct Send {
  Role to{};
  Message message;
};
// -> TimerFired, unless stopped.
struct StartTimer {
  TimerKind kind{};
  Nanos limit{};
};
struct StopTimer {
  TimerKind kind{};
};
// Something that should not happen did, and is ignored: for the log.
struct Note {
  std::string text;
};
// The last action of a machine, exactly once for each that took part. Home's
// is the end of the move; the outcome of the others is what each knows.
struct Finished {
  Outcome outcome{};
  std::string reason;
};

// ---- home -------------------------------------------------------------------

// The process is at the target from now on, whatever happens: calls and
// signals go there. Comes just before GO is sent.
struct RecordPlace {};
// Close the connection to this role's node with linger 0; no LinkLost follows.
struct BreakLink {
  Role peer{};
  std::string reason;
};
// Tell the one who asked for a (second) move.
struct RefuseMove {
  MoveId move{};
  std::string reason;
};
// Tell the user that the move can not be taken back.
struct RefuseAbort {
  std::string reason;
};

// ---- source -----------------------------------------------------------------

// Stop all threads. -> Frozen, StepFailed or ProcessDied.
struct FreezeProcess {};
// -> HomeCallsSettled or StepFailed; at once if the process is at home.
struct CancelHomeCalls {};
// -> ImageSent or StepFailed.
struct SendImage {
  std::string route;
};
// Let it go on here, from whatever the freeze had reached.
struct ResumeHere {
  std::string reason;
};
// Home is here and it runs elsewhere: the frozen process becomes its stand-in.
struct EmptyStandIn {};
// Destroy the frozen copy. Where home is here that ends the process itself.
struct DestroyCopy {
  std::string reason;
};

// ---- target -----------------------------------------------------------------

// Version, features, memory, policy. -> Admitted or Rejected.
struct CheckAsk {
  Ask ask;
};
// -> ImageArrived or StepFailed. May rebuild already while it comes.
struct ReceiveImage {};
// -> Rebuilt or StepFailed; StepFailed also later, if what was rebuilt dies
// before StartHere.
struct BeginRebuild {};
// From here on it may compute. -> Started or StepFailed.
struct StartHere {};
// Free all that was received or rebuilt, and what the ask reserved. Where home
// is here: empty the stand-in again.
struct DiscardRebuild {
  std::string reason;
};

using Action =
    std::variant<Send, StartTimer, StopTimer, Note, Finished, RecordPlace,
                 BreakLink, RefuseMove, RefuseAbort, FreezeProcess,
                 CancelHomeCalls, SendImage, ResumeHere, EmptyStandIn,
                 DestroyCopy, CheckAsk, ReceiveImage, BeginRebuild, StartHere,
                 DiscardRebuild>;
using Actions = std::vector<Action>;

// For logs.
[[nodiscard]] std::string Describe(const Action& action);

}  // namespace ssi::migration

#endif  // SSI_MIGRATION_ACTIONS_H_
