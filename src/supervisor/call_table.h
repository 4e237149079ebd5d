// The system-call table: one row per x86-64 call. The filter, the forwarder,
// the executor, the documentation and the tests are all made from it.
//
// How to add a system call, or change what happens to one:
//   1. Its row goes into the file of its family in calls/, in number order:
//      number, kernel name, class, arguments, note. A class that depends on
//      the arguments is a list of ArgRules; the filter and ClassOf both follow
//      it.
//   2. Arguments that no ArgKind describes: a new kind in arg.h, read in
//      marshal_in.cc, checked and placed in lay_out.cc.
//   3. ioctl requests, prctl options, fcntl and quota commands have tables of
//      their own (ioctl_table.cc, prctl_table.cc, option_args.cc).
//   4. A time limit: its line in timed_calls.cc.
//   5. Row count and the come-home lists in test/unit/supervisor/
//      call_table_test.cc; a round trip against the kernel in
//      round_trip_*_test.cc beside it.
//   6. What a program can notice goes into the note: docs/semantics.md is
//      rendered from the rows (table_docs.h).
//   7. A change of what goes over the wire raises kPayloadVersion
//      (call_payload.h).
#ifndef SSI_SUPERVISOR_CALL_TABLE_H_
#define SSI_SUPERVISOR_CALL_TABLE_H_

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/ids.h"
#include "supervisor/arg.h"

namespace ssi::supervisor {

// What happens to a call away (design section 6).
enum class CallClass : std::uint8_t {
  kLocal,       // native; where it was notified after all: CONTINUE
  kLocalTold,   // notified + CONTINUE, then told home in order
  kBoth,        // at home and where it computes, in one step
  kHome,        // forwarded, executed in the home context
  kHomeKnown,   // answered from what is known, else forwarded
  kSharedFile,  // native on a file that both nodes see (no row yet)
  kLife,        // both sides act together
  kComeHome,    // the process is brought home first, then the call runs there
};

// What the forwarder has to do beyond the class.
enum class Special : std::uint8_t {
  kNone,
  kMapFile,       // private file mapping: home gives the bytes, B maps them
  kRemap,         // mremap: a file mapping that grows needs more bytes
  kCpuTime,       // the sum of the CPU time used in both places
  kDumpable,      // recorded; applied to the process when it is home again
  kRestart,       // issue the interrupted call again
  kSignalMask,    // rt_sigprocmask
  kSignalAction,  // rt_sigaction
  kSignalReturn,  // rt_sigreturn: the mask is in the frame
  kSleep,         // its start is remembered, for the time that is left
  kUmask,
  kLimits,
  kPriority,
  kCredentials,  // nothing to do at B: the sandbox has its own
  kName,
  kNoNewPrivs,
  kPersonality,
};

// Whether a row that comes home will always do so.
enum class ComesHome : std::uint8_t { kNot, kForNow, kPermanent };

enum RowFlags : std::uint32_t {
  kNoFlags = 0,
  kPositioned = 1U << 0,     // argument 3 is the position in the file
  kConsumes = 1U << 1,       // a read that moves the offset: can be undone
  kMakesFd = 1U << 2,        // the result is a new descriptor
  kMakesFdPair = 1U << 3,    // argument 0 receives two
  kTemporaryMask = 1U << 4,  // has a signal mask for as long as it waits
  kEintrAtFreeze =
      1U << 5,  // can answer EINTR to a freeze, with no signal (signal(7))
  kOwnPid = 1U << 6,            // argument 0 = own pid is the same as 0
  kUnimplemented = 1U << 7,     // ENOSYS on every x86-64 kernel
  kPositionMinusOne = 1U << 8,  // position -1 is the file's offset
};

// One step of a decision by arguments: the first rule that holds decides,
// after all of them the row's own class does. Only the low 32 bits are
// compared: the kernel looks at no more of any argument tested here.
struct ArgRule {
  enum class Test : std::uint8_t { kMasked, kIsNull };
  Test test = Test::kMasked;
  std::uint8_t arg = 0;
  std::uint32_t mask = 0xffffffff;
  std::uint32_t value = 0;
  CallClass call_class = CallClass::kLocal;
  Special special = Special::kNone;
  ComesHome comes_home = ComesHome::kNot;
  std::string_view note{};
};

struct CallRow {
  int nr = -1;
  std::string_view name{};
  CallClass call_class = CallClass::kComeHome;
  std::array<Arg, 6> args{};
  std::string_view note{};  // what differs away, or why it comes home
  Special special = Special::kNone;
  ComesHome comes_home = ComesHome::kNot;
  std::uint32_t flags = kNoFlags;
  std::span<const ArgRule> rules{};

  // For rows to be written in one line each.
  [[nodiscard]] constexpr CallRow With(Special value) const {
    CallRow row = *this;
    row.special = value;
    return row;
  }
  [[nodiscard]] constexpr CallRow With(RowFlags value) const {
    CallRow row = *this;
    row.flags |= value;
    return row;
  }
  [[nodiscard]] constexpr CallRow With(std::span<const ArgRule> value) const {
    CallRow row = *this;
    row.rules = value;
    return row;
  }
  [[nodiscard]] constexpr bool Has(RowFlags flag) const {
    return (flags & flag) != 0;
  }
};

// Every row, in number order.
std::span<const CallRow> AllCalls();

// The row of a number, or nullptr where no x86-64 kernel up to 6.18 has one
// (the gap 337-423, what is above 469, negative, x32).
const CallRow* FindCall(int nr);
const CallRow* FindCall(std::string_view name);

// What happens to one call.
struct Decision {
  const CallRow* row = nullptr;  // nullptr: unknown number
  CallClass call_class = CallClass::kComeHome;
  Special special = Special::kNone;
  ComesHome comes_home = ComesHome::kPermanent;
  std::string_view note{};
};

// By number and arguments, exactly as the filter decides. `self` is the pid of
// the caller: calls that name it are the same as with 0 (0: not known).
Decision Decide(int nr, const CallArgs& args, HomePid self = HomePid{0});
inline CallClass ClassOf(int nr, const CallArgs& args,
                         HomePid self = HomePid{0}) {
  return Decide(nr, args, self).call_class;
}

// Whether home executes such a call from a CallRequest. The home side refuses
// all others, whatever a peer sends.
bool IsForwarded(const Decision& decision);

// Whether home's answer to such a call of the class home, known is remembered
// away: the user and group ids, which only the process itself can change. Not
// the process group or session, which a parent at home may set.
constexpr bool AnswerIsKept(int nr) {
  constexpr int kGetuid = 102;
  constexpr int kGetgid = 104;
  constexpr int kGeteuid = 107;
  constexpr int kGetegid = 108;
  return nr == kGetuid || nr == kGetgid || nr == kGeteuid || nr == kGetegid;
}

std::string_view NameOf(CallClass call_class);
std::string_view NameOf(ComesHome comes_home);

}  // namespace ssi::supervisor

#endif  // SSI_SUPERVISOR_CALL_TABLE_H_
