// Classes that depend on arguments.
#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

#include <limits>

#include <catch2/catch.hpp>

#include "supervisor/call_table.h"

namespace ssi::supervisor {
namespace {

using enum CallClass;

CallClass Mmap(std::uint64_t flags) {
  return ClassOf(SYS_mmap, {0, 4096, PROT_READ, flags, 3, 0});
}

TEST_CASE("mmap goes by its type", "[class]") {
  CHECK(Mmap(MAP_PRIVATE | MAP_ANONYMOUS) == kLocal);
  CHECK(Mmap(MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN) ==
        kLocal);
  CHECK(Mmap(MAP_ANONYMOUS | 8) == kLocal);  // MAP_DROPPABLE
  CHECK(Mmap(MAP_ANONYMOUS) == kLocal);      // EINVAL
  CHECK(Mmap(MAP_PRIVATE) == kBoth);
  CHECK(Mmap(MAP_PRIVATE | MAP_FIXED | MAP_DENYWRITE) == kBoth);
  CHECK(Mmap(MAP_SHARED) == kBoth);  // a snapshot, if it is only read
  CHECK(Mmap(MAP_SHARED | MAP_ANONYMOUS) == kComeHome);
  CHECK(Mmap(MAP_SHARED_VALIDATE | MAP_SYNC) == kComeHome);
  CHECK(Mmap(0) == kComeHome);
  Decision file = Decide(SYS_mmap, {0, 4096, PROT_READ, MAP_PRIVATE, 3, 0});
  CHECK(file.special == Special::kMapFile);
  CHECK_FALSE(IsForwarded(file));
}

TEST_CASE("the upper halves of ints do not matter", "[class]") {
  std::uint64_t high = std::uint64_t{0xabcdef01} << 32;
  CHECK(Mmap(high | MAP_PRIVATE | MAP_ANONYMOUS) == kLocal);
  CHECK(ClassOf(SYS_ioctl, {0, high | TCGETS}) == kHome);
  CHECK(ClassOf(SYS_madvise, {0, 0, high | 100}) == kComeHome);
  // but a pointer is all of it
  CHECK(ClassOf(SYS_rt_sigprocmask, {0, high, 0, 8}) == kLocalTold);
}

TEST_CASE("signals: asking is local", "[class]") {
  CHECK(ClassOf(SYS_rt_sigprocmask, {0, 0, 4096, 8}) == kLocal);
  CHECK(ClassOf(SYS_rt_sigprocmask, {0, 4096, 0, 8}) == kLocalTold);
  CHECK(ClassOf(SYS_rt_sigaction, {2, 0, 4096, 8}) == kLocal);
  CHECK(ClassOf(SYS_rt_sigaction, {2, 4096, 0, 8}) == kLocalTold);
}

TEST_CASE("futex: only a relative wait is told", "[class]") {
  CHECK(ClassOf(SYS_futex, {4096, 0 | 128, 1, 4096}) == kLocalTold);
  CHECK(ClassOf(SYS_futex, {4096, 0, 1, 0}) == kLocal);
  CHECK(ClassOf(SYS_futex, {4096, 1, 1, 4096}) == kLocal);  // WAKE
  CHECK(ClassOf(SYS_futex, {4096, 9, 1, 4096}) == kLocal);  // WAIT_BITSET
}

TEST_CASE("clocks", "[class]") {
  auto get = [](std::uint64_t id, int self = 0) {
    return ClassOf(SYS_clock_gettime, {id, 4096}, HomePid{self});
  };
  CHECK(get(CLOCK_REALTIME) == kLocal);
  CHECK(get(CLOCK_BOOTTIME) == kLocal);
  CHECK(get(CLOCK_PROCESS_CPUTIME_ID) == kBoth);
  CHECK(get(CLOCK_THREAD_CPUTIME_ID) == kBoth);
  CHECK(get(CLOCK_REALTIME_ALARM) == kHome);
  CHECK(get(16) == kHome);  // an auxiliary clock (6.17)
  // clock_getcpuclockid: of oneself as 0, of pid 77
  auto cpu_clock = [](int pid) {
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(~pid) * 8 + 2);
  };
  CHECK(get(cpu_clock(0)) == kBoth);
  CHECK(get(cpu_clock(77)) == kHome);
  CHECK(get(cpu_clock(77), 77) == kBoth);
  CHECK(get(cpu_clock(77), 78) == kHome);
  CHECK(Decide(SYS_clock_gettime, {2, 4096}).special == Special::kCpuTime);
  CHECK(ClassOf(SYS_clock_nanosleep, {CLOCK_MONOTONIC}) == kLocalTold);
  CHECK(ClassOf(SYS_clock_nanosleep, {CLOCK_REALTIME, 1}) == kLocalTold);
  CHECK(ClassOf(SYS_clock_nanosleep, {CLOCK_BOOTTIME_ALARM, 1}) == kHome);
  CHECK(ClassOf(SYS_clock_getres, {CLOCK_MONOTONIC}) == kLocal);
}

TEST_CASE("the own pid is the same as 0", "[class]") {
  CHECK(ClassOf(SYS_get_robust_list, {0, 1, 1}) == kLocal);
  CHECK(ClassOf(SYS_get_robust_list, {500, 1, 1}) == kHome);
  CHECK(ClassOf(SYS_get_robust_list, {500, 1, 1}, HomePid{500}) == kLocal);
  CHECK(ClassOf(SYS_getpgid, {0}) == kHomeKnown);
  CHECK(ClassOf(SYS_getpgid, {500}, HomePid{500}) == kHomeKnown);
  CHECK(ClassOf(SYS_getpgid, {500}, HomePid{501}) == kHome);
  CHECK(ClassOf(SYS_move_pages, {0}) == kLocal);
}

TEST_CASE("scheduling: real-time comes home", "[class]") {
  auto set = [](std::uint64_t policy) {
    return ClassOf(SYS_sched_setscheduler, {0, policy, 4096});
  };
  CHECK(set(SCHED_OTHER) == kBoth);
  CHECK(set(SCHED_BATCH | SCHED_RESET_ON_FORK) == kBoth);
  CHECK(set(SCHED_FIFO) == kComeHome);
  CHECK(set(SCHED_RR | SCHED_RESET_ON_FORK) == kComeHome);
  CHECK(set(6) == kComeHome);  // SCHED_DEADLINE
}

TEST_CASE("prctl goes by its option", "[class]") {
  auto of = [](int option) {
    return ClassOf(SYS_prctl, {static_cast<std::uint64_t>(option), 1});
  };
  CHECK(of(PR_SET_NAME) == kBoth);
  CHECK(of(PR_GET_NAME) == kHome);
  CHECK(of(PR_SET_PDEATHSIG) == kHome);
  CHECK(of(PR_SET_DUMPABLE) == kHomeKnown);
  CHECK(of(PR_SET_VMA) == kLocal);
  CHECK(of(PR_SET_SECCOMP) == kComeHome);
  CHECK(of(PR_SET_MM) == kComeHome);
  CHECK(of(PR_SET_NO_NEW_PRIVS) == kBoth);
  CHECK(of(PR_SET_PTRACER) == kHome);
  CHECK(of(9999) == kComeHome);
  CHECK(of(-1) == kComeHome);
}

TEST_CASE("ioctl goes by its request", "[class]") {
  auto of = [](std::uint64_t request) {
    return ClassOf(SYS_ioctl, {0, request, 0});
  };
  CHECK(of(TCGETS) == kHome);
  CHECK(of(TIOCGWINSZ) == kHome);
  CHECK(of(FIONREAD) == kHome);
  CHECK(of(0x5455) == kComeHome);      // TIOCSERSWILD
  CHECK(of(0xc0189436) == kComeHome);  // FIDEDUPERANGE
  CHECK(of(0) == kComeHome);
}

TEST_CASE("limits and personality: asking is home's alone", "[class]") {
  CHECK(ClassOf(SYS_prlimit64, {0, 7, 0, 4096}) == kHome);
  CHECK(ClassOf(SYS_prlimit64, {0, 7, 4096, 0}) == kBoth);
  CHECK(ClassOf(SYS_personality, {0xffffffff}) == kHome);
  CHECK(ClassOf(SYS_personality, {0x0040000}) == kBoth);
}

TEST_CASE("unknown numbers come home", "[class]") {
  for (int nr :
       {-1, 337, 423, 470, 1000, 0x40000000, 0x40000001,
        std::numeric_limits<int>::min(), std::numeric_limits<int>::max()}) {
    INFO(nr);
    CHECK(ClassOf(nr, {}) == kComeHome);
    CHECK_FALSE(IsForwarded(Decide(nr, {})));
  }
}

}  // namespace
}  // namespace ssi::supervisor
