#include "supervisor/call_tally.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <string>

#include <catch2/catch.hpp>

#include "supervisor/pieces.h"

namespace ssi::supervisor {
namespace {

constexpr HomePid kFirst{100};
constexpr HomePid kOther{200};
constexpr std::uint64_t kPointer = 4096;

// What the row of one such call says, in a tally of its own.
TallyRow Alone(int number, const CallArgs& args) {
  CallTally tally;
  return tally.Add(number, args, kFirst);
}

TEST_CASE("a call has the class and the reason of the table", "[tally]") {
  struct Expected {
    int number;
    CallArgs args;
    CallClass call_class;
    std::uint64_t round_trips;
  };
  for (const Expected& expected : std::initializer_list<Expected>{
           {SYS_read, {0, kPointer, 10}, CallClass::kHome, 1},
           {SYS_umask, {0}, CallClass::kBoth, 1},
           {SYS_exit_group, {0}, CallClass::kLife, 1},
           {SYS_nanosleep, {kPointer}, CallClass::kLocalTold, 0},
           {SYS_rt_sigprocmask,
            {SIG_BLOCK, kPointer, 0, 8},
            CallClass::kLocalTold,
            0},
           {SYS_rt_sigprocmask,
            {SIG_UNBLOCK, kPointer, 0, 8},
            CallClass::kLocalTold,
            1},
           {SYS_rt_sigreturn, {}, CallClass::kLocalTold, 1},
           {SYS_ptrace, {}, CallClass::kComeHome, 0},
           {9999, {}, CallClass::kComeHome, 0},
       }) {
    INFO(expected.number);
    TallyRow row = Alone(expected.number, expected.args);
    CHECK(row.call_class == expected.call_class);
    CHECK(row.round_trips == expected.round_trips);
    CHECK(row.count == 1);
  }
  CHECK(Alone(SYS_ptrace, {}).comes_home == ComesHome::kPermanent);
  CHECK(Alone(SYS_ptrace, {}).reason == "traces processes at home");
  CHECK(Alone(9999, {}).name == "?");
}

TEST_CASE("a shared mapping that is written comes home", "[tally]") {
  auto mapped = [](std::uint64_t prot, std::uint64_t flags) {
    return Alone(SYS_mmap, {0, 4096, prot, flags, 3, 0}).call_class;
  };
  CHECK(mapped(PROT_READ, MAP_PRIVATE) == CallClass::kBoth);
  CHECK(mapped(PROT_READ | PROT_WRITE, MAP_PRIVATE) == CallClass::kBoth);
  CHECK(mapped(PROT_READ, MAP_SHARED) == CallClass::kBoth);
  CHECK(mapped(PROT_READ | PROT_WRITE, MAP_SHARED) == CallClass::kComeHome);
}

TEST_CASE("a thread is made away, a process is not", "[tally]") {
  auto made = [](int number, const CallArgs& args,
                 std::optional<std::uint64_t> flags) {
    CallTally tally;
    return tally.Add(number, args, kFirst, flags);
  };
  constexpr std::uint64_t kThread = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD;
  CHECK(made(SYS_clone3, {kPointer, 88}, kThread).call_class ==
        CallClass::kLife);
  auto process = made(SYS_clone3, {kPointer, 88}, CLONE_VM | CLONE_VFORK);
  CHECK(process.call_class == CallClass::kComeHome);
  CHECK(process.reason == FindCall(SYS_fork)->note);
  CHECK(made(SYS_clone, {kThread}, {}).call_class == CallClass::kLife);
  CHECK(made(SYS_clone, {SIGCHLD}, {}).call_class == CallClass::kComeHome);
}

TEST_CASE("home is asked once for what is remembered", "[tally]") {
  CallTally tally;
  const TallyRow& row = tally.Add(SYS_getuid, {}, kFirst);
  tally.Add(SYS_getuid, {}, kFirst);
  CHECK(row.round_trips == 1);
  tally.Add(SYS_getuid, {}, kOther);
  CHECK(row.round_trips == 2);
  tally.Add(SYS_getuid, {}, kOther);
  CHECK(row.round_trips == 2);
  tally.Add(SYS_setuid, {1}, kFirst);  // forgotten for this one
  tally.Add(SYS_getuid, {}, kOther);
  CHECK(row.round_trips == 2);
  tally.Add(SYS_getuid, {}, kFirst);
  CHECK(row.round_trips == 3);
  CHECK(row.count == 6);
  // Of the same class, and asked each time: a parent at home may change it.
  const TallyRow& group = tally.Add(SYS_getpgrp, {}, kFirst);
  tally.Add(SYS_getpgrp, {}, kFirst);
  CHECK(group.call_class == CallClass::kHomeKnown);
  CHECK(group.round_trips == 2);
}

TEST_CASE("a caller's own pid is the same as 0", "[tally]") {
  CallTally tally;
  CHECK(DependsOnCaller(SYS_getpgid));
  CHECK(DependsOnCaller(SYS_clock_gettime));
  CHECK(DependsOnCaller(SYS_getuid));
  CHECK_FALSE(DependsOnCaller(SYS_read));
  CHECK_FALSE(DependsOnCaller(-1));
  CHECK(tally.Add(SYS_getpgid, {100}, kFirst).call_class ==
        CallClass::kHomeKnown);
  CHECK(tally.Add(SYS_getpgid, {100}, kOther).call_class == CallClass::kHome);
}

TEST_CASE("reads and writes are those whose rows carry data", "[tally]") {
  for (int number :
       {SYS_read, SYS_write, SYS_pread64, SYS_pwrite64, SYS_readv, SYS_writev,
        SYS_preadv, SYS_pwritev, SYS_preadv2, SYS_pwritev2}) {
    CHECK(MovesData(number));
  }
  for (int number : {SYS_openat, SYS_close, SYS_getdents64, SYS_mmap, -1}) {
    CHECK_FALSE(MovesData(number));
  }
}

TEST_CASE("an estimate adds up round trips, data and hops", "[tally]") {
  using std::chrono::duration;
  using std::chrono::microseconds;
  CallTally tally;
  auto& read = tally.Add(SYS_read, {0, kPointer, 4 << 20}, kFirst);
  CallTally::AddMoved(read, 0);
  CHECK(read.round_trips == 1);
  CallTally::AddMoved(read, kMaxCallData);
  CHECK(read.round_trips == 1);
  CallTally::AddMoved(read, 2 * kMaxCallData + 1);  // two pieces more
  CHECK(read.round_trips == 3);
  tally.Add(SYS_nanosleep, {kPointer}, kFirst);
  tally.Add(SYS_getuid, {}, kFirst);
  tally.Add(SYS_getuid, {}, kFirst);
  tally.Add(SYS_ptrace, {}, kFirst);
  tally.Add(SYS_ptrace, {}, kFirst);
  AwayAssumptions assumed;
  assumed.round_trip = microseconds(100);
  assumed.notified = microseconds(10);
  assumed.hop = microseconds(1000);
  assumed.bytes_per_second = static_cast<double>(3 * kMaxCallData + 1);
  auto estimate = Estimate(tally, assumed);
  CHECK(estimate.round_trips == 4);  // read 3, getuid 1
  CHECK(estimate.notified == 2);     // nanosleep, the second getuid
  CHECK(estimate.comes_home == 2);
  CHECK(estimate.bytes == 3 * kMaxCallData + 1);
  CHECK(estimate.calls.count() == Approx(420e-6));
  CHECK(estimate.data.count() == Approx(1));
  CHECK(estimate.hops.count() == Approx(4e-3));
  CHECK(estimate.Sum().count() == Approx(1.00442));
}

}  // namespace
}  // namespace ssi::supervisor
