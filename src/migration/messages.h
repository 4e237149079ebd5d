// The messages of a move, and its protocol.
//
//        HOME                       SOURCE                      TARGET
//         | ASK ----------------------------------------------> |
//         | <------------------------------- ACCEPT (or REFUSE) |
//         | FREEZE ----------------> |                          |
//         |                freeze, cancel home calls            |
//         |                          | ===== image (bulk) ====> |
//         | <------------------ HELD |                       rebuild
//         | <-------------------------------------------- READY |
//   checksums equal?                 |                          |
//   record the place                 |                          |
//         | GO -----------------------------------------------> |
//         |                          |                        start
//         | <------------------------------------------ RUNNING |
//         | DESTROY ---------------> |                          |
//
// Before GO, whatever fails: it resumes at the source, the target discards.
//   * The source gives up by itself only before HELD, and says RESUMED, after
//     which it never says HELD. After HELD only home's ABORT resumes it.
//   * The target gives up by itself at any time before GO reaches it, and
//     says FAILED, after which it never starts.
//   * Home gives up by ABORT to both. After GO it never sends ABORT.
// After GO it runs at the target only, or is lost with a message.
//
// Home may be the source (a departure) or the target (a return); then the two
// roles send each other the same messages, over a queue inside the process.
//
// A link that breaks stays broken for the rest of the move. Who then may act:
//   home - source, before HELD arrived: GO can never be said. The source keeps
//     the frozen process for its watchdog to end; home counts the grace period
//     and reports the loss only when it is over, which is after the watchdog.
//   home - source, after HELD arrived: the source can not resume without home,
//     so home goes on to GO, which saves the process. The watchdog destroys
//     the source's copy.
//   home - target, before GO: ABORT to the source; the target discards.
//   home - target, after GO: nobody can know whether GO arrived. The source
//     never resumes; home reports the loss after the grace period.
//   source - target: the image does not arrive whole, so one of the two fails.
// Home dies: nobody is left to say GO or ABORT; watchdogs end what is away.
#ifndef SSI_MIGRATION_MESSAGES_H_
#define SSI_MIGRATION_MESSAGES_H_

#include <cstdint>
#include <string>
#include <variant>

#include "base/ids.h"

namespace ssi::migration {

enum class Role : std::uint8_t { kHome, kSource, kTarget };

// Whether home is in the same process as a source or target.
enum class HomeIs : std::uint8_t { kHere, kElsewhere };

// Of the whole image: what the source read, what the target has.
enum class Checksum : std::uint64_t {};
constexpr std::uint64_t Raw(Checksum sum) {
  return static_cast<std::uint64_t>(sum);
}

// How a move ended.
enum class Outcome : std::uint8_t {
  kMoved,   // it runs at the target
  kStayed,  // it is where it was; the reason says why it did not move
  kLost,    // it is nowhere: the job ends with the reason, exit status 125
  kEnded,   // it ended by itself or was killed; its exit goes the usual way
};

// Home to target: would you take it? Nothing changes anywhere yet.
struct Ask {
  MoveId move{};
  std::string version;     // of ssi and of the capture format; opaque here
  std::string features;    // of the CPU, as the process has seen it; opaque
  std::uint64_t size = 0;  // bytes that will be sent, at most
  std::string reason;      // why it is to move, for the target's log
  bool operator==(const Ask&) const = default;
};

// Target to home: yes. `route` is where the source sends the image: address
// and one-time key; opaque here.
struct Accept {
  MoveId move{};
  std::string route;
  bool operator==(const Accept&) const = default;
};

// Target to home: no. Nothing has changed.
struct Refuse {
  MoveId move{};
  std::string reason;
  bool operator==(const Refuse&) const = default;
};

// Home to source: freeze it and send its image along `route`.
struct Freeze {
  MoveId move{};
  std::string route;
  bool operator==(const Freeze&) const = default;
};

// Source to home: the image is sent; the copy stays frozen until ABORT or
// DESTROY or the watchdog, whatever else happens.
struct Held {
  MoveId move{};
  Checksum checksum{};
  bool operator==(const Held&) const = default;
};

// Source to home, only before HELD: it did not freeze or could not be sent,
// and goes on here. HELD will not come.
struct Resumed {
  MoveId move{};
  std::string reason;
  bool operator==(const Resumed&) const = default;
};

// Source to home: the process has ended at the source during the move.
struct Died {
  MoveId move{};
  std::string reason;
  bool operator==(const Died&) const = default;
};

// Target to home: the process is rebuilt and can be started at once.
struct Ready {
  MoveId move{};
  Checksum checksum{};
  bool operator==(const Ready&) const = default;
};

// Target to home: it will not run here; nothing of it is left here.
struct Failed {
  MoveId move{};
  std::string reason;
  bool operator==(const Failed&) const = default;
};

// Home to target: start it. From here on it runs at the target only.
struct Go {
  MoveId move{};
  bool operator==(const Go&) const = default;
};

// Target to home: it runs. Sent before the first home call of the process.
struct Running {
  MoveId move{};
  bool operator==(const Running&) const = default;
};

// Home to source or target, before GO: the move is given up. The source
// resumes, the target discards.
struct Abort {
  MoveId move{};
  std::string reason;
  bool operator==(const Abort&) const = default;
};

// Home to source: destroy your copy, because the process runs at the target
// (kMoved), was lost after GO (kLost) or has ended (kEnded).
struct Destroy {
  MoveId move{};
  Outcome why = Outcome::kMoved;
  std::string reason;
  bool operator==(const Destroy&) const = default;
};

using Message = std::variant<Ask, Accept, Refuse, Freeze, Held, Resumed, Died,
                             Ready, Failed, Go, Running, Abort, Destroy>;

[[nodiscard]] MoveId MoveOf(const Message& message);
// The only role that may send this kind of message.
[[nodiscard]] Role SenderOf(const Message& message);

[[nodiscard]] const char* NameOf(Role role);
[[nodiscard]] const char* NameOf(Outcome outcome);
[[nodiscard]] const char* NameOf(const Message& message);
// For logs: the name and what matters in it.
[[nodiscard]] std::string Describe(const Message& message);

}  // namespace ssi::migration

#endif  // SSI_MIGRATION_MESSAGES_H_
