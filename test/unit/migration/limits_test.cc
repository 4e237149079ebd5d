#include "migration/limits.h"

#include <limits>

#include <catch2/catch.hpp>

namespace ssi::migration {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_CASE("the watchdog away ends before home's grace period", "[migration]") {
  for (Nanos wish : {Nanos(0), Nanos(seconds(5)), Nanos(seconds(17)),
                     kGracePeriod, Nanos(hours(48)), Nanos::max()}) {
    Nanos grace = BoundedGrace(wish);
    Nanos watchdog = WatchdogFor(wish);
    CHECK(watchdog > seconds(2));  // it survives a lost heartbeat or two
    // The worst: home's clock 1 % fast, the other 1 % slow, and the last
    // message 1.9 s under way after home closed the connection.
    Nanos home_ends = grace * 100 / 101;
    Nanos watchdog_ends = milliseconds(1900) + watchdog * 101 / 100;
    CHECK(watchdog_ends <= home_ends + grace / 1000);
    CHECK(WithClockMargin(watchdog) <= grace);
  }
}

TEST_CASE("the target waits for GO longer than home can take", "[migration]") {
  for (std::uint64_t size :
       {std::uint64_t{0}, std::uint64_t{6} << 20U, std::uint64_t{1} << 40U,
        std::numeric_limits<std::uint64_t>::max()}) {
    CHECK(GoLimit(size) >= WithClockMargin(kAskLimit + CommitLimit(size)));
    CHECK(CommitLimit(size) > kFreezeLimit + kSettleLimit);
    CHECK(CommitLimit(size) <= kLongestCommit);
  }
}

TEST_CASE("a slow link has the time that its image needs", "[migration]") {
  std::uint64_t gigabyte = std::uint64_t{1} << 30U;
  CHECK(CommitLimit(gigabyte) >=
        seconds(gigabyte / kSlowestBytesPerSecond) + kFreezeLimit);
}

}  // namespace
}  // namespace ssi::migration
