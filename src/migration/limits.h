// Every duration of a move, with its reason.
#ifndef SSI_MIGRATION_LIMITS_H_
#define SSI_MIGRATION_LIMITS_H_

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "base/clock.h"

namespace ssi::migration {

// Home: ASK to ACCEPT. The target checks versions and free memory and makes a
// sandbox: milliseconds. A node that takes longer is not one to move to.
constexpr Nanos kAskLimit = std::chrono::seconds(5);

// Source: until all threads have stopped. 60 threads take 0.75 ms; one that
// takes longer than this sits in an uninterruptible call.
constexpr Nanos kFreezeLimit = std::chrono::milliseconds(200);

// What is added for a thread that waits for a CPU: it computes nothing then,
// so nothing is lost by waiting. More than 200 ms were seen at a load of 4 a
// CPU.
constexpr Nanos kStarvedLimit = std::chrono::seconds(1);

// Source: until all outstanding home calls are cancelled or answered. One
// round trip, and a call at home that can not be interrupted shows here.
constexpr Nanos kSettleLimit = std::chrono::seconds(1);

// Home: GO to RUNNING. A start is a few injected calls; past this the target
// is ill although its link lives, and home breaks the link.
constexpr Nanos kStartLimit = std::chrono::seconds(10);

// The slowest link that an image may cross (40 Mbit/s); the process is frozen
// meanwhile, so slower than this is worse than not moving.
constexpr std::uint64_t kSlowestBytesPerSecond = std::uint64_t{4} << 20U;
constexpr Nanos kRebuildLimit = std::chrono::seconds(10);
constexpr Nanos kLongestCommit = std::chrono::hours(1);

// Home: FREEZE until both READY and HELD have come.
constexpr Nanos CommitLimit(std::uint64_t size) {
  // Capped first: `size` is a number from outside, and nanoseconds overflow.
  constexpr std::uint64_t kMostSeconds = 3600;
  std::uint64_t seconds = std::min(size / kSlowestBytesPerSecond, kMostSeconds);
  return std::min(kFreezeLimit + kStarvedLimit + kSettleLimit + kRebuildLimit +
                      std::chrono::seconds(seconds),
                  kLongestCommit);
}

// Two clocks may differ by 2 %, and what was sent last may be 2 s under way.
constexpr Nanos kTransitMargin = std::chrono::seconds(2);
constexpr Nanos WithClockMargin(Nanos at_the_other_node) {
  return at_the_other_node * 102 / 100 + kTransitMargin;
}

// Target: ACCEPT to GO. Longer than home can take, so that it only ends when
// home is out of reach: home's ask limit covers the way of ACCEPT to it.
constexpr Nanos GoLimit(std::uint64_t size) {
  return WithClockMargin(kAskLimit + CommitLimit(size));
}

// Home ends a process past this time without a link to it (user's choice).
constexpr Nanos kGracePeriod = std::chrono::seconds(60);
// Less would leave the watchdog no time to see that a link is only slow; more
// is not a number that was meant, and would overflow below.
constexpr Nanos kShortestGrace = std::chrono::seconds(5);
constexpr Nanos kLongestGrace = std::chrono::hours(24 * 365);
// The grace period that home and watchdog both use, for one that was wished.
constexpr Nanos BoundedGrace(Nanos wish) {
  return std::clamp(wish, kShortestGrace, kLongestGrace);
}

// When the watchdog away ends the process, counted from the last message that
// it received: early enough that home, which counts the grace period from the
// moment when nothing more can arrive there, finds it dead.
constexpr Nanos WatchdogFor(Nanos grace) {
  return (BoundedGrace(grace) - kTransitMargin) * 100 / 102;
}

// When the guest supervisor itself ends a process, counted alike: before its
// watchdog, which is there for one that hangs.
constexpr Nanos GuestEndFor(Nanos grace) {
  return WatchdogFor(grace) * 9 / 10;
}

// A connection on which nothing has come for this long is broken: each side
// says something every second. Short of the grace period, so that there is time
// to make another one; more than a move of a small process has for its image
// (CommitLimit), whose message says more.
constexpr Nanos SilenceFor(Nanos grace) {
  return std::clamp<Nanos>(BoundedGrace(grace) / 4, std::chrono::seconds(3),
                           std::chrono::seconds(15));
}

}  // namespace ssi::migration

#endif  // SSI_MIGRATION_LIMITS_H_
