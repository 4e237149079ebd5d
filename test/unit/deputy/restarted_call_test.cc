#include "deputy/restarted_call.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>

#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "process/kernel.h"

namespace ssi {
namespace {

constexpr std::uint64_t kAt = 0x7f0000001000;

struct Restarted {
  std::string what;
  std::uint64_t number;
  std::string place;
  CallArgs args;
};

TEST_CASE("the call behind restart_syscall") {
  const std::vector<Restarted> all = {
      {"futex", SYS_futex, "futex_do_wait", {kAt, 9, 1, kAt, 0, ~0UL}},
      {"poll", SYS_poll, "poll_schedule_timeout.constprop.0", {kAt, 2, 3000}},
      {"poll of nothing", SYS_poll, "poll_schedule_timeout", {0, 0, 3000}},
      {"poll of very many", SYS_poll, "do_poll", {kAt, 9, 3000, kAt}},
      {"nanosleep", SYS_nanosleep, "do_syscall_64", {kAt, 0}},
      {"with a rest", SYS_nanosleep, "hrtimer_nanosleep", {kAt, kAt + 16}},
      {"clock_nanosleep",
       SYS_clock_nanosleep,
       "do_syscall_64",
       {CLOCK_BOOTTIME, 0, kAt, 0}},
      {"of the real time",
       SYS_clock_nanosleep,
       "do_syscall_64",
       {CLOCK_REALTIME, 0, kAt, 0}},
  };
  for (const auto& one : all) {
    INFO(one.what);
    CHECK(RestartedCall(one.args, one.place) == one.number);
  }
}

TEST_CASE("the call behind restart_syscall where the kernel is silent") {
  const std::uint64_t kPrivate = FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG;
  const std::vector<Restarted> all = {
      {"futex", SYS_futex, "", {kAt, kPrivate, 1, kAt, 0, ~0UL}},
      {"by the real time",
       SYS_futex,
       "0",
       {kAt, kPrivate | FUTEX_CLOCK_REALTIME, 1, kAt, 0, ~0UL}},
      {"FUTEX_WAIT", SYS_futex, "0", {kAt, FUTEX_WAIT, 1, kAt}},
      {"poll", SYS_poll, "0", {kAt, 2, 3000, 0}},
      {"poll of nothing", SYS_poll, "0", {0, 0, 3000}},
      {"nanosleep", SYS_nanosleep, "0", {kAt, 0, 0, 0}},
      {"with a rest", SYS_nanosleep, "0", {kAt, kAt + 16, 7, kAt}},
      {"clock_nanosleep",
       SYS_clock_nanosleep,
       "0",
       {CLOCK_MONOTONIC, 0, kAt, 0}},
      {"of the real time",
       SYS_clock_nanosleep,
       "0",
       {CLOCK_REALTIME, 0, kAt, 0}},
  };
  for (const auto& one : all) {
    INFO(one.what);
    CHECK(RestartedCall(one.args, one.place) == one.number);
  }
}

user_regs_struct InRestart(std::uint64_t orig_rax, std::uint64_t rax) {
  user_regs_struct raw{};
  raw.orig_rax = orig_rax;
  raw.rax = rax;
  raw.rip = kAt;
  raw.rdi = kAt;
  return raw;
}

TEST_CASE("registers go back into the call") {
  constexpr auto kBlock = static_cast<std::uint64_t>(kRestartBlock);
  Registers in(InRestart(SYS_restart_syscall, kBlock));
  BackFromRestart(in, "poll_schedule_timeout");
  CHECK(in.call_number() == SYS_poll);
  CHECK(in.result() == kRestartBlock);
  CHECK(in.ip() == RemoteAddr{kAt});

  Registers before(InRestart(SYS_nanosleep, SYS_restart_syscall));
  BackFromRestart(before, "");
  CHECK(before.call_number() == SYS_nanosleep);
  CHECK(before.result() == kRestartBlock);
  CHECK(before.ip() == RemoteAddr{kAt + 2});

  // Over, or another call.
  Registers over(InRestart(SYS_restart_syscall, 0));
  BackFromRestart(over, "");
  CHECK(over.raw().rax == 0);
  CHECK(over.raw().orig_rax == SYS_restart_syscall);
  Registers other(InRestart(SYS_poll, kBlock));
  BackFromRestart(other, "futex_do_wait");
  CHECK(other.call_number() == SYS_poll);
}

}  // namespace
}  // namespace ssi
