// What /proc/TID/syscall says, and one real thread.
#include "process/thread_call.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <optional>
#include <thread>

#include <catch2/catch.hpp>

namespace ssi {
namespace {

TEST_CASE("a thread in a call") {
  auto call =
      ParseThreadCall("232 0x3 0x7ffc10 0x1 0xbb8 0x0 0x8 0x7ffc00 0x7f01\n");
  REQUIRE(call);
  CHECK_FALSE(call->running);
  CHECK(call->number == 232);
  CHECK(call->args == CallArgs{3, 0x7ffc10, 1, 3000, 0, 8});
  CHECK(call->sp == RemoteAddr{0x7ffc00});
}

TEST_CASE("a thread that runs, and one that waits in no call") {
  auto runs = ParseThreadCall("running\n");
  REQUIRE(runs);
  CHECK(runs->running);
  CHECK_FALSE(runs->number);
  auto stopped = ParseThreadCall("-1 0x7ffc00 0x401000\n");
  REQUIRE(stopped);
  CHECK_FALSE(stopped->running);
  CHECK_FALSE(stopped->number);
  CHECK(stopped->sp == RemoteAddr{0x7ffc00});
}

TEST_CASE("lines that are otherwise") {
  for (const char* line :
       {"", "\n", "run", "232", "232 0x3 0x4", "-1", "-1 0x1", "-1 1 2",
        "232 3 4 5 6 7 8 0x1 0x2", "232 0x1 0x2 0x3 0x4 0x5 0x6 0x7",
        "232 0x1 0x2 0x3 0x4 0x5 0x6 0x7 0x8 0x9", "x 0x1 0x2",
        "-1 0x7ffc00 0x401000 0x1"}) {
    INFO(line);
    CHECK_FALSE(ParseThreadCall(line));
  }
}

TEST_CASE("a thread that waits in read") {
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  std::atomic<pid_t> tid{0};
  std::thread reader([&] {
    tid = ::gettid();
    char byte = 0;
    (void)!::read(ends[0], &byte, 1);
  });
  std::optional<ThreadCall> call;
  do {
    call = tid.load() == 0 ? std::nullopt : ReadThreadCall(HostPid{tid.load()});
  } while (!call || call->number != SYS_read);
  CHECK(call->args[0] == static_cast<std::uint64_t>(ends[0]));
  CHECK(call->args[2] == 1);
  CHECK(::write(ends[1], "x", 1) == 1);
  reader.join();
  // It is joined a moment before it is gone.
  while (ReadThreadCall(HostPid{tid.load()})) {
  }
  ::close(ends[0]);
  ::close(ends[1]);
}

}  // namespace
}  // namespace ssi
