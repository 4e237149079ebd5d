// wait4 and waitid, forwarded, against real children.
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include <catch2/catch.hpp>

#include "unit/supervisor/round_trip.h"

namespace ssi::supervisor {
namespace {

pid_t ChildThatExits(int status) {
  pid_t pid = ::fork();
  if (pid == 0) {
    ::_exit(status);
  }
  return pid;
}

TEST_CASE("wait4 brings status and usage", "[round]") {
  RoundTrip call;
  pid_t pid = ChildThatExits(7);
  int status = -1;
  rusage usage{};
  CHECK(call(SYS_wait4, pid, &status, 0, &usage) == pid);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 7);
  CHECK(usage.ru_maxrss > 0);
  CHECK(call(SYS_wait4, pid, &status, 0, &usage) == -ECHILD);
}

TEST_CASE("a wait that finds nothing touches nothing", "[round]") {
  EdgePage edge;
  RoundTrip call;
  pid_t pid = ::fork();
  if (pid == 0) {
    ::pause();
    ::_exit(0);
  }
  int status = 12345;
  CHECK(call(SYS_wait4, pid, &status, WNOHANG, edge.Bad()) == 0);
  CHECK(status == 12345);
  siginfo_t info;
  std::memset(&info, 0x11, sizeof(info));
  auto native = info;
  REQUIRE(::syscall(SYS_waitid, P_PID, pid, &native, WEXITED | WNOHANG, 0) ==
          0);
  CHECK(call(SYS_waitid, P_PID, pid, &info, WEXITED | WNOHANG, edge.Bad()) ==
        0);
  CHECK(std::memcmp(&info, &native, sizeof(info)) == 0);
  ::kill(pid, SIGKILL);
  CHECK(call(SYS_wait4, pid, &status, 0, std::uint64_t{0}) == pid);
  CHECK(WTERMSIG(status) == SIGKILL);
}

TEST_CASE("waitid brings siginfo and usage", "[round]") {
  RoundTrip call;
  pid_t pid = ChildThatExits(3);
  siginfo_t info{};
  rusage usage{};
  CHECK(call(SYS_waitid, P_PID, pid, &info, WEXITED | WNOWAIT, &usage) == 0);
  CHECK(info.si_pid == pid);
  CHECK(info.si_status == 3);
  CHECK(info.si_code == CLD_EXITED);
  CHECK(usage.ru_maxrss > 0);
  CHECK(call(SYS_waitid, P_PID, pid, std::uint64_t{0}, WEXITED,
             std::uint64_t{0}) == 0);
  CHECK(call(SYS_waitid, P_PID, pid, &info, WEXITED, std::uint64_t{0}) ==
        -ECHILD);
}

TEST_CASE("a status that cannot be stored is EFAULT, the child is gone",
          "[round]") {
  EdgePage edge;
  RoundTrip call;
  pid_t pid = ChildThatExits(0);
  CHECK(call(SYS_wait4, pid, edge.Bad(), 0, std::uint64_t{0}) == -EFAULT);
  CHECK(call(SYS_wait4, pid, std::uint64_t{0}, 0, std::uint64_t{0}) == -ECHILD);
}

}  // namespace
}  // namespace ssi::supervisor
