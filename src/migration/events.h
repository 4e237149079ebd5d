// What happens to the machines of a move. The driver (src/deputy, src/remote)
// makes these from frames, timers and the ends of its own work.
#ifndef SSI_MIGRATION_EVENTS_H_
#define SSI_MIGRATION_EVENTS_H_

#include <cstdint>
#include <string>
#include <variant>

#include "migration/messages.h"

namespace ssi::migration {

// At most one runs at each machine.
enum class TimerKind : std::uint8_t {
  kAsk,     // home: ACCEPT
  kCommit,  // home: READY and HELD
  kStart,   // home: RUNNING
  kGrace,   // home: at its end what runs out of reach is dead for certain; may
            // be counted from the loss of the link
  kFreeze,  // source: all threads stopped
  kSettle,  // source: no home call outstanding
  kGo,      // target: GO
};

// ---- any role ---------------------------------------------------------------

// A message of this move, or one that names another. Never after LinkLost of
// that peer.
struct Received {
  Role from{};
  Message message;
};

// The link to the node of that role is broken on this side: nothing more will
// come, and what was sent and has not arrived will not (the socket is closed
// with linger 0 first). Only to home, and only from source and target to home;
// what breaks between those two is StepFailed.
struct LinkLost {
  Role peer{};
  std::string reason;
};

// A timer that was started and not stopped. `detail`, for kFreeze and kSettle:
// which thread sits in which call.
struct TimerFired {
  TimerKind kind{};
  std::string detail;
};

// Away only: the standing watchdog of the remote has ended, and has killed the
// sandbox. May come at any time, with or without LinkLost before.
struct WatchdogEnded {
  std::string reason;
};

// The work that the last action asked for can not be done (cantmove, out of
// memory, the image broke off, the rebuilt process was killed, ...).
struct StepFailed {
  std::string reason;
};

// ---- home -------------------------------------------------------------------

// By the user or the balancer. `ask.move` is the id of the request.
struct MoveRequested {
  Ask ask;
};

// By the user (`ssictl home` meanwhile), or a job that ends.
struct AbortRequested {
  std::string reason;
};

// Home has learned that the process is over: the stand-in was killed, or the
// remote's exit came in the usual way.
struct ProcessGone {
  std::string reason;
};

// ---- source -----------------------------------------------------------------

// All threads stopped, nothing of it computes.
struct Frozen {};
// No home call is outstanding; completed ones are answered and applied.
struct HomeCallsSettled {};
// All of the image is handed to the bulk connection.
struct ImageSent {
  Checksum checksum{};
};
// The process ended at the source, running or frozen.
struct ProcessDied {
  std::string reason;
};

// ---- target -----------------------------------------------------------------

// The node takes the process; the image is awaited along `route`.
struct Admitted {
  std::string route;
};
struct Rejected {
  std::string reason;
};
struct ImageArrived {};
// All of it is in place, checked, and can be started by one step.
struct Rebuilt {
  Checksum checksum{};
};
// It computes. Before any of its home calls is forwarded.
struct Started {};

using Event =
    std::variant<Received, LinkLost, TimerFired, WatchdogEnded, StepFailed,
                 MoveRequested, AbortRequested, ProcessGone, Frozen,
                 HomeCallsSettled, ImageSent, ProcessDied, Admitted, Rejected,
                 ImageArrived, Rebuilt, Started>;

[[nodiscard]] const char* NameOf(TimerKind kind);
// For logs.
[[nodiscard]] std::string Describe(const Event& event);

}  // namespace ssi::migration

#endif  // SSI_MIGRATION_EVENTS_H_
