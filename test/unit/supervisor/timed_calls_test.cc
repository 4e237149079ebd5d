#include "supervisor/timed_calls.h"

#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include <vector>

#include <catch2/catch.hpp>

#include "unit/supervisor/fake_memory.h"

namespace ssi::supervisor {
namespace {

using namespace std::chrono_literals;
constexpr std::uint64_t kAt = 0x10000;

struct Fixture {
  Fixture() { memory.Map(kAt, 4096); }
  void In(int nr, const CallArgs& args) {
    MarshalIn(*FindCall(nr), args, memory, request);
  }
  FakeMemory memory;
  CallRequest request;
};

TEST_CASE("poll has milliseconds", "[timed]") {
  Fixture f;
  f.In(SYS_poll, {0, 0, 250});
  CHECK(TimeLeft(f.request) == Nanos(250ms));
  CHECK(SetTimeLeft(f.request, 1500us));  // never less than is left
  CHECK(f.request.head.args[2] == 2);
  CHECK(SetTimeLeft(f.request, -5ms));
  CHECK(f.request.head.args[2] == 0);
  f.In(SYS_poll, {0, 0, ~std::uint64_t{0}});
  CHECK(TimeLeft(f.request) == std::nullopt);
  CHECK_FALSE(SetTimeLeft(f.request, 1s));
}

TEST_CASE("select has a timeval, ppoll a timespec", "[timed]") {
  Fixture f;
  f.memory.PutValue(kAt, timeval{3, 500});
  f.In(SYS_select, {0, 0, 0, 0, kAt});
  CHECK(TimeLeft(f.request) == Nanos(3s + 500us));
  CHECK(SetTimeLeft(f.request, 1s + 1ns));
  CHECK(TimeLeft(f.request) == Nanos(1s + 1us));
  f.memory.PutValue(kAt, timeval{0, 2'500'000});  // select alone takes that
  f.In(SYS_select, {0, 0, 0, 0, kAt});
  CHECK(TimeLeft(f.request) == Nanos(2500ms));
  f.memory.PutValue(kAt, timespec{1, 7});
  f.In(SYS_ppoll, {0, 0, kAt, 0, 8});
  CHECK(TimeLeft(f.request) == Nanos(1s + 7ns));
  CHECK(SetTimeLeft(f.request, 5ns));
  CHECK(TimeLeft(f.request) == Nanos(5ns));
}

TEST_CASE("no limit, or one that the kernel refuses", "[timed]") {
  Fixture f;
  f.In(SYS_select, {0, 0, 0, 0, 0});
  CHECK(TimeLeft(f.request) == std::nullopt);
  CHECK_FALSE(SetTimeLeft(f.request, 1s));
  for (timespec bad :
       {timespec{-1, 0}, timespec{0, -1}, timespec{0, 1'000'000'000}}) {
    f.memory.PutValue(kAt, bad);
    f.In(SYS_ppoll, {0, 0, kAt, 0, 8});
    CHECK(TimeLeft(f.request) == std::nullopt);
  }
  f.memory.PutValue(kAt, timespec{INT64_MAX, 999'999'999});
  f.In(SYS_ppoll, {0, 0, kAt, 0, 8});
  CHECK(TimeLeft(f.request) == Nanos::max());
  f.In(SYS_wait4, {0, 0, 0, 0});
  CHECK(TimeLeft(f.request) == std::nullopt);
  CHECK(TimedCallOf(SYS_wait4) == nullptr);
}

TEST_CASE("at home the limit is in the window", "[timed]") {
  Fixture f;
  f.memory.PutValue(kAt, timespec{2, 0});
  f.memory.PutValue(kAt + 64, std::uint64_t{1});
  f.In(SYS_rt_sigtimedwait, {kAt + 64, 0, kAt, 8});
  std::vector<std::byte> window(4096);
  RequestView view{f.request.head, f.request.data.bytes()};
  auto call = LayOut(view, window, RemoteAddr{0x70000000});
  REQUIRE(call);
  CHECK(TimeLeft(*call, window) == Nanos(2s));
  CHECK(SetTimeLeft(*call, window, 30ms));
  CHECK(TimeLeft(*call, window) == Nanos(30ms));
}

TEST_CASE("calls that run away are read in the guest", "[timed]") {
  Fixture f;
  f.memory.PutValue(kAt, timespec{4, 0});
  CHECK(TimeLeft(SYS_nanosleep, {kAt, 0}, f.memory) == Nanos(4s));
  CHECK(TimeLeft(SYS_clock_nanosleep, {1, 0, kAt}, f.memory) == Nanos(4s));
  CHECK(TimeLeft(SYS_futex, {1, 0, 1, kAt}, f.memory) == Nanos(4s));
  CHECK(TimeLeft(SYS_futex, {1, 0, 1, 0}, f.memory) == std::nullopt);
  CHECK(TimeLeft(SYS_nanosleep, {kAt + 4090, 0}, f.memory) == std::nullopt);
  CHECK(TimeLeft(SYS_poll, {0, 0, 7}, f.memory) == Nanos(7ms));
  CHECK(TimeLeft(SYS_read, {0, 0, 7}, f.memory) == std::nullopt);
}

}  // namespace
}  // namespace ssi::supervisor
