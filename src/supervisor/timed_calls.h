// Calls with a time limit. A freeze, or a signal that the program ignores,
// makes some of them start again: with the time that is left.
#ifndef SSI_SUPERVISOR_TIMED_CALLS_H_
#define SSI_SUPERVISOR_TIMED_CALLS_H_

#include <cstdint>
#include <optional>
#include <span>

#include "base/clock.h"
#include "supervisor/args.h"

namespace ssi::supervisor {

enum class TimeUnit : std::uint8_t {
  kMillis,    // an int; negative: no limit (poll)
  kTimeval,   // a pointer; NULL: no limit
  kTimespec,  // the same
};

struct TimedCall {
  int nr;
  std::uint8_t arg;
  TimeUnit unit;
};

// Where a call has its time limit; nullptr for a call that has none.
//
// Of the calls that run away (nanosleep, clock_nanosleep, futex) it is in the
// guest's memory; clock_nanosleep with TIMER_ABSTIME and futex operations other
// than FUTEX_WAIT have a point in time there, which needs no correction.
const TimedCall* TimedCallOf(int nr);

// The limit of a call that was marshalled or laid out. Nothing where it waits
// for ever, cannot be read, or is one that the kernel refuses.
std::optional<Nanos> TimeLeft(const CallRequest& request);
std::optional<Nanos> TimeLeft(const LaidOutCall& call,
                              std::span<const std::byte> window);
// The limit in the caller's memory.
std::optional<Nanos> TimeLeft(int nr, const CallArgs& args,
                              GuestMemory& memory);

// Replaces the limit, rounded up to its unit; never below 0. False where the
// call has none to replace.
bool SetTimeLeft(CallRequest& request, Nanos left);
bool SetTimeLeft(LaidOutCall& call, std::span<std::byte> window, Nanos left);

}  // namespace ssi::supervisor

#endif  // SSI_SUPERVISOR_TIMED_CALLS_H_
