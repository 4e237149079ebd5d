// Identity, limits, time, scheduling, prctl and the machine against the kernel.
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <cstring>
#include <numeric>
#include <vector>

#include <catch2/catch.hpp>

#include "unit/supervisor/round_trip.h"

namespace ssi::supervisor {
namespace {

// Makes the call natively and forwarded on two copies of the same bytes that
// argument `index` points to. Result and bytes must be the same.
template <std::size_t kSize>
void SameBytes(int nr, CallArgs args, std::size_t index,
               const std::array<unsigned char, kSize>& start = {}) {
  auto native = start;
  auto forwarded = start;
  RoundTrip call;
  args.at(index) = Word(native.data());
  std::int64_t expected = RawCall(nr, args);
  args.at(index) = Word(forwarded.data());
  INFO("call " << nr);
  CHECK(call.Call(nr, args) == expected);
  CHECK(native == forwarded);
}

TEST_CASE("who and where", "[round]") {
  RoundTrip call;
  for (int nr : {SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_getppid,
                 SYS_getpgrp}) {
    CHECK(call(nr) == RawCall(nr, {}));
  }
  SameBytes<400>(SYS_uname, {}, 0);
  utsname name{};
  CHECK(call(SYS_uname, &name) == 0);
  CHECK(std::string(name.sysname) == "Linux");
  struct sysinfo info {};
  CHECK(call(SYS_sysinfo, &info) == 0);
  CHECK(info.totalram > 0);
  std::array<unsigned, 3> ids{};
  CHECK(call(SYS_getresuid, &ids[0], &ids[1], &ids[2]) == 0);
  CHECK(ids[1] == ::geteuid());
  CHECK(call(SYS_getpgid, 0) == ::getpgrp());
  CHECK(call(SYS_getsid, 0) == ::getsid(0));
  CHECK(call(SYS_getpgid, 0x7fffffff) == -ESRCH);
}

TEST_CASE("groups", "[round]") {
  RoundTrip call;
  std::array<gid_t, 64> groups{};
  std::int64_t count = call(SYS_getgroups, 0, std::uint64_t{0});
  CHECK(count == ::getgroups(0, nullptr));
  CHECK(call(SYS_getgroups, 64, groups.data()) == count);
  std::array<gid_t, 64> native{};
  CHECK(::getgroups(64, native.data()) == count);
  CHECK(groups == native);
  CHECK(call(SYS_getgroups, -1, groups.data()) == -EINVAL);
  CHECK(call(SYS_getgroups, 1 << 30, groups.data()) == count);
  for (int size : {-1, 65537, 1 << 30}) {
    CallArgs args{Word(size), Word(groups.data())};
    CHECK(call.Call(SYS_setgroups, args) == RawCall(SYS_setgroups, args));
  }
}

TEST_CASE("capabilities", "[round]") {
  for (int version :
       {_LINUX_CAPABILITY_VERSION_1, _LINUX_CAPABILITY_VERSION_3, 77}) {
    EdgePage edge;
    RoundTrip call;
    __user_cap_header_struct header{static_cast<std::uint32_t>(version), 0};
    std::array<unsigned, 6> native{1, 2, 3, 4, 5, 6};
    std::array<unsigned, 6> forwarded{1, 2, 3, 4, 5, 6};
    auto native_header = header;
    std::int64_t expected =
        RawCall(SYS_capget, {Word(&native_header), Word(native.data())});
    CHECK(call(SYS_capget, &header, forwarded.data()) == expected);
    CHECK(native == forwarded);
    CHECK(header.version == native_header.version);
    // Without data, as libcap asks for the version.
    header.version = static_cast<std::uint32_t>(version);
    native_header.version = static_cast<std::uint32_t>(version);
    CHECK(call(SYS_capget, &header, std::uint64_t{0}) ==
          RawCall(SYS_capget, {Word(&native_header), 0}));
    if (version == _LINUX_CAPABILITY_VERSION_1) {
      header.version = static_cast<std::uint32_t>(version);
      CHECK(call(SYS_capget, &header, edge.Last(12)) == 0);
    }
    // Setting what it has.
    if (expected == 0) {
      header.version = static_cast<std::uint32_t>(version);
      CallArgs args{Word(&header), Word(native.data())};
      CHECK(call.Call(SYS_capset, args) == RawCall(SYS_capset, args));
      args[1] = Word(edge.Bad());
      CHECK(call.Call(SYS_capset, args) == RawCall(SYS_capset, args));
    }
  }
}

TEST_CASE("limits and priorities", "[round]") {
  RoundTrip call;
  rlimit64 limit{};
  CHECK(call(SYS_prlimit64, 0, RLIMIT_CORE, std::uint64_t{0}, &limit) == 0);
  rlimit native{};
  REQUIRE(::getrlimit(RLIMIT_CORE, &native) == 0);
  CHECK(limit.rlim_max == native.rlim_max);
  rlimit64 old{};
  CHECK(call(SYS_prlimit64, 0, RLIMIT_CORE, &limit, &old) == 0);
  CHECK(old.rlim_cur == limit.rlim_cur);
  CHECK(call(SYS_getrlimit, RLIMIT_NOFILE, &native) == 0);
  CHECK(call(SYS_setrlimit, RLIMIT_NOFILE, &native) == 0);
  CHECK(call(SYS_getpriority, PRIO_PROCESS, 0) ==
        RawCall(SYS_getpriority, {PRIO_PROCESS, 0}));
  CHECK(call(SYS_setrlimit, RLIMIT_NOFILE, std::uint64_t{0}) == -EFAULT);
}

TEST_CASE("scheduling", "[round]") {
  RoundTrip call;
  CHECK(call(SYS_sched_getscheduler, 0) == SCHED_OTHER);
  SameBytes<4>(SYS_sched_getparam, {0}, 1);
  SameBytes<16>(SYS_sched_rr_get_interval, {0}, 1);
  SameBytes<48>(SYS_sched_getattr, {0, 0, 48, 0}, 1);
  SameBytes<128>(SYS_sched_getattr, {0, 0, 128, 0}, 1);
  SameBytes<128>(SYS_sched_getattr, {0, 0, 10, 0}, 1);
  for (std::uint64_t size :
       {8ULL, 128ULL, 1001ULL, 4096ULL, 100000ULL, 100001ULL, 0ULL}) {
    std::vector<unsigned char> native(size);
    std::vector<unsigned char> forwarded(size);
    std::int64_t expected =
        RawCall(SYS_sched_getaffinity, {0, size, Word(native.data())});
    INFO(size);
    CHECK(call(SYS_sched_getaffinity, 0, size, forwarded.data()) == expected);
    CHECK(native == forwarded);
    if (expected > 0) {
      CHECK(call(SYS_sched_setaffinity, 0, size, native.data()) == 0);
    }
  }
}

TEST_CASE("sched_setattr", "[round]") {
  RoundTrip call;
  EdgePage edge;
  alignas(8) std::array<std::uint32_t, 30> attr{};
  for (std::uint32_t size : {0U, 1U, 47U, 48U, 56U, 112U, 4097U, 0x80000000U}) {
    auto native = attr;
    auto forwarded = attr;
    native[0] = forwarded[0] = size;
    std::int64_t expected =
        RawCall(SYS_sched_setattr, {0, Word(native.data()), 0});
    INFO(size);
    CHECK(call(SYS_sched_setattr, 0, forwarded.data(), 0) == expected);
    CHECK(native == forwarded);
  }
  CHECK(call(SYS_sched_setattr, 0, edge.Bad(), 0) == -EFAULT);
  attr[0] = 48;
  attr[1] = SCHED_FIFO;
  OwnMemory memory;
  MarshalIn(*FindCall("sched_setattr"), {0, Word(attr.data()), 0}, memory,
            call.request);
  CHECK(ReclassifyMarshalled(call.request, CallClass::kBoth) ==
        CallClass::kComeHome);
  attr[1] = SCHED_BATCH;
  MarshalIn(*FindCall("sched_setattr"), {0, Word(attr.data()), 0}, memory,
            call.request);
  CHECK(ReclassifyMarshalled(call.request, CallClass::kBoth) ==
        CallClass::kBoth);
}

TEST_CASE("time", "[round]") {
  RoundTrip call;
  tms used{};
  CHECK(call(SYS_times, &used) > 0);
  CHECK(call(SYS_times, std::uint64_t{0}) > 0);
  rusage usage{};
  CHECK(call(SYS_getrusage, RUSAGE_SELF, &usage) == 0);
  CHECK(usage.ru_maxrss > 0);
  CHECK(call(SYS_getrusage, 12345, &usage) == -EINVAL);
  timespec now{};
  CHECK(call(SYS_clock_gettime, CLOCK_PROCESS_CPUTIME_ID, &now) == 0);
  CHECK(now.tv_sec + now.tv_nsec > 0);
  for (int clock : {CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM}) {
    CHECK(call(SYS_clock_gettime, clock, &now) ==
          RawCall(SYS_clock_gettime, {Word(clock), Word(&now)}));
  }
  CHECK(call(SYS_clock_gettime, 99, &now) == -EINVAL);
  timex state{};
  CHECK(call(SYS_adjtimex, &state) == RawCall(SYS_adjtimex, {Word(&state)}));
  CHECK(state.tick > 0);
}

TEST_CASE("prctl by option", "[round]") {
  RoundTrip call;
  char before[16] = {};
  CHECK(call(SYS_prctl, PR_GET_NAME, before) == 0);
  CHECK(call(SYS_prctl, PR_SET_NAME, "a name that is too long") == 0);
  char name[16] = {};
  CHECK(call(SYS_prctl, PR_GET_NAME, name) == 0);
  CHECK(std::string(name) == "a name that is ");
  CHECK(call(SYS_prctl, PR_SET_NAME, before) == 0);
  int value = -1;
  CHECK(call(SYS_prctl, PR_GET_PDEATHSIG, &value) == 0);
  CHECK(value == 0);
  CHECK(call(SYS_prctl, PR_GET_CHILD_SUBREAPER, &value) == 0);
  CHECK(call(SYS_prctl, PR_CAPBSET_READ, 0) == ::prctl(PR_CAPBSET_READ, 0));
  for (int option :
       {PR_GET_KEEPCAPS, PR_GET_SECCOMP, PR_GET_NO_NEW_PRIVS, PR_GET_TIMERSLACK,
        PR_GET_UNALIGN, PR_SVE_GET_VL, PR_GET_ENDIAN, PR_MCE_KILL_GET, 74}) {
    CallArgs args{Word(option)};
    INFO(option);
    CHECK(call.Call(SYS_prctl, args) == RawCall(SYS_prctl, args));
  }
  EdgePage edge;
  CHECK(call(SYS_prctl, PR_SET_NAME, edge.Bad()) == -EFAULT);
  CHECK(call(SYS_prctl, PR_GET_NAME, edge.Bad()) == -EFAULT);
}

TEST_CASE("numbers without code answer ENOSYS", "[round]") {
  RoundTrip call;
  for (const CallRow& row : AllCalls()) {
    if (row.Has(kUnimplemented)) {
      INFO(row.name);
      CHECK(call(row.nr, 1, 2, 3) == -ENOSYS);
    }
  }
}

TEST_CASE("signals are sent and found pending", "[round]") {
  RoundTrip call;
  sigset_t block;
  sigset_t before;
  sigemptyset(&block);
  sigaddset(&block, SIGUSR2);
  REQUIRE(::pthread_sigmask(SIG_BLOCK, &block, &before) == 0);
  siginfo_t info{};
  info.si_code = SI_QUEUE;
  info.si_value.sival_int = 77;
  CHECK(call(SYS_rt_tgsigqueueinfo, ::getpid(), ::gettid(), SIGUSR2, &info) ==
        0);
  std::uint64_t pending = 0;
  CHECK(call(SYS_rt_sigpending, &pending, 8) == 0);
  CHECK(pending == 1U << (SIGUSR2 - 1));
  CHECK(call(SYS_rt_sigpending, &pending, 9) == -EINVAL);
  siginfo_t taken{};
  timespec limit{1, 0};
  CHECK(call(SYS_rt_sigtimedwait, &block, &taken, &limit, 8) == SIGUSR2);
  CHECK(taken.si_value.sival_int == 77);
  limit = {0, 1000};
  CHECK(call(SYS_rt_sigtimedwait, &block, &taken, &limit, 8) == -EAGAIN);
  CHECK(call(SYS_rt_sigtimedwait, &block, &taken, &limit, 16) == -EINVAL);
  CHECK(call(SYS_tgkill, ::getpid(), ::gettid(), 0) == 0);
  CHECK(call(SYS_kill, ::getpid(), 0) == 0);
  CHECK(call(SYS_kill, ::getpid(), 999) == -EINVAL);
  REQUIRE(::pthread_sigmask(SIG_SETMASK, &before, nullptr) == 0);
}

TEST_CASE("rt_sigsuspend takes its mask", "[round]") {
  RoundTrip call;
  struct sigaction action {};
  struct sigaction before {};
  static int handled = 0;
  action.sa_handler = [](int) {
    ++handled;
  };
  REQUIRE(::sigaction(SIGUSR1, &action, &before) == 0);
  sigset_t block;
  sigset_t old;
  sigemptyset(&block);
  sigaddset(&block, SIGUSR1);
  REQUIRE(::pthread_sigmask(SIG_BLOCK, &block, &old) == 0);
  REQUIRE(::raise(SIGUSR1) == 0);
  CHECK(handled == 0);
  std::uint64_t none = 0;
  CHECK(call(SYS_rt_sigsuspend, &none, 8) == -EINTR);
  CHECK(handled == 1);
  CHECK(call(SYS_rt_sigsuspend, &none, 9) == -EINVAL);
  CHECK(call(SYS_rt_sigsuspend, std::uint64_t{0}, 8) == -EFAULT);
  REQUIRE(::pthread_sigmask(SIG_SETMASK, &old, nullptr) == 0);
  REQUIRE(::sigaction(SIGUSR1, &before, nullptr) == 0);
}

TEST_CASE("security modules and mounts can be asked", "[round]") {
  // Newer than Debian 12's headers; ENOSYS on an older kernel.
  RoundTrip call;
  for (std::uint32_t room : {0U, 8U, 4096U}) {
    std::array<std::uint64_t, 512> native{};
    std::array<std::uint64_t, 512> forwarded{};
    std::uint32_t native_size = room;
    std::uint32_t forwarded_size = room;
    std::int64_t expected =
        RawCall(461, {Word(native.data()), Word(&native_size), 0});
    CHECK(call(461, forwarded.data(), &forwarded_size, 0) == expected);
    CHECK(native == forwarded);
    CHECK(native_size == forwarded_size);
  }
  struct MountRequest {
    std::uint32_t size = 32;
    std::uint32_t spare = 0;
    std::uint64_t mount = ~std::uint64_t{0};  // LSMT_ROOT
    std::uint64_t param = 0;
    std::uint64_t ns = 0;
  } request;
  std::array<std::uint64_t, 64> native{};
  std::array<std::uint64_t, 64> forwarded{};
  std::int64_t expected =
      RawCall(458, {Word(&request), Word(native.data()), 64, 0});
  CHECK(call(458, &request, forwarded.data(), 64, 0) == expected);
  CHECK(native == forwarded);
  if (expected > 0) {
    request.mount = native[0];
    request.param = 0x1f;
    std::vector<unsigned char> one(4096, 0xab);
    std::vector<unsigned char> two(4096, 0xab);
    std::int64_t found = RawCall(457, {Word(&request), Word(one.data()), 4096});
    CHECK(call(457, &request, two.data(), 4096, 0) == found);
    CHECK(one == two);
  }
}

}  // namespace
}  // namespace ssi::supervisor
