#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "base/files.h"
#include "base/loop.h"
#include "base/reserve.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "base/unix_socket.h"

namespace ssi {
namespace {

TEST_CASE("UniqueFd closes once and moves", "[base]") {
  auto fd = MakeMemFd("test");
  REQUIRE(fd);
  int number = fd->get();
  UniqueFd moved = std::move(*fd);
  CHECK_FALSE(fd->valid());
  CHECK(::fcntl(number, F_GETFD) == FD_CLOEXEC);
  moved.Reset();
  CHECK(::fcntl(number, F_GETFD) == -1);
}

TEST_CASE("sizes are read and written for people", "[base]") {
  CHECK(ParseSize("512") == 512U);
  CHECK(ParseSize("2k") == 2048U);
  CHECK(ParseSize("1G") == 1U << 30);
  CHECK_FALSE(ParseSize(""));
  CHECK_FALSE(ParseSize("K"));
  CHECK_FALSE(ParseSize("12x"));
  CHECK_FALSE(ParseSize("99999999999999999999"));
  CHECK_FALSE(ParseSize("17179869184G"));  // 2^64: does not fit
  CHECK(FormatSize(1536) == "1.5 KiB");
}

TEST_CASE("a failed system call says what the caller can do", "[base]") {
  CHECK(SystemError(ESRCH, "x").code == ErrorCode::kGone);
  CHECK(SystemError(EPERM, "x").code == ErrorCode::kDenied);
  CHECK(SystemError(EIO, "x").message == "x: Input/output error");
  CHECK(ErrnoName(EINVAL) == "EINVAL");
}

TEST_CASE("what a peer said last is heard, though it had not read all",
          "[base]") {
  auto pair = MakeSocketPair(SOCK_SEQPACKET);
  REQUIRE(pair);
  const std::array<std::byte, 3> last = {};
  REQUIRE(SendWithFds(pair->first.get(), last, {}));  // never read
  REQUIRE(SendWithFds(pair->second.get(), last, {}));
  pair->second.Reset();
  auto heard = ReceiveWithFds(pair->first.get(), 100);
  REQUIRE(heard);
  CHECK(heard->data.size() == last.size());
  auto end = ReceiveWithFds(pair->first.get(), 100);
  REQUIRE(end);
  CHECK(end->data.empty());
}

TEST_CASE("descriptors travel over a socket", "[base]") {
  auto pair = MakeSocketPair(SOCK_SEQPACKET);
  REQUIRE(pair);
  auto file = MakeMemFd("sent");
  REQUIRE(file);
  REQUIRE(::ftruncate(file->get(), 77) == 0);
  std::array<std::byte, 3> data{};
  std::array fds{file->get()};
  REQUIRE(SendWithFds(pair->first.get(), data, fds));
  auto got = ReceiveWithFds(pair->second.get(), 100);
  REQUIRE(got);
  CHECK(got->data.size() == 3);
  REQUIRE(got->fds.size() == 1);
  CHECK(::lseek(got->fds[0].get(), 0, SEEK_END) == 77);
}

TEST_CASE("a timer that is destroyed when it was due already does nothing",
          "[base]") {
  Loop loop;
  Timer first(loop);
  auto second = std::make_unique<Timer>(loop);
  bool fired = false;
  first.Start(std::chrono::nanoseconds(0), [&second] { second.reset(); });
  second->Start(std::chrono::nanoseconds(0), [&fired] { fired = true; });
  loop.run();
  CHECK_FALSE(fired);
}

TEST_CASE("what was to come later does not once its owner is gone", "[base]") {
  Loop loop;
  auto later = std::make_unique<Later>(loop);
  std::string order;
  later->Call([&] { order += "a"; });
  later->Call([&] {
    order += "b";
    later.reset();
  });
  later->Call([&] { order += "c"; });
  CHECK(order.empty());
  loop.run();
  CHECK(order == "ab");
}

// In a process of its own: the reserve is one for each, and so is the limit.
// Its status is the number of the step that went wrong.
int UseReserve() {
  std::vector<UniqueFd> all;
  auto take_all = [&all] {
    int fd = -1;
    while ((fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0) {
      all.emplace_back(fd);
    }
  };
  rlimit few{};
  ::getrlimit(RLIMIT_NOFILE, &few);
  few.rlim_cur = 64;
  ::setrlimit(RLIMIT_NOFILE, &few);
  take_all();
  if (OpenBriefly("/dev/null", O_RDONLY)) {
    return 1;  // there is none yet
  }
  all.resize(all.size() / 2);
  KeepReserve();
  for (int round = 0; round < 3; ++round) {
    take_all();
    auto one = OpenBriefly("/dev/null", O_RDONLY);
    auto other = OpenBriefly("/dev/zero", O_RDONLY);
    if (!one || !other) {
      return 2;
    }
    // Where there is room again the next one fills the reserve.
    all.resize(all.size() - 8);
    if (!OpenBriefly("/dev/null", O_RDONLY)) {
      return 3;
    }
  }
  auto missing = OpenBriefly("/no/such/file", O_RDONLY);
  return !missing && missing.error().sys_errno == ENOENT ? 0 : 4;
}

TEST_CASE("a few descriptors are kept for when there are no others", "[base]") {
  pid_t child = ::fork();
  if (child == 0) {
    ::_exit(UseReserve());
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

TEST_CASE("a read watch fires for data and may end itself", "[base]") {
  Loop loop;
  auto pair = MakeSocketPair(SOCK_STREAM);
  REQUIRE(pair);
  int fired = 0;
  std::unique_ptr<ReadWatch> watch;
  watch = std::make_unique<ReadWatch>(loop, pair->first.get(), [&] {
    char byte = 0;
    REQUIRE(::read(pair->first.get(), &byte, 1) == 1);
    if (++fired == 2) {
      watch.reset();
    }
  });
  REQUIRE(::write(pair->second.get(), "abc", 3) == 3);
  loop.run();
  CHECK(fired == 2);
}

}  // namespace
}  // namespace ssi
