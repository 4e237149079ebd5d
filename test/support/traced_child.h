#ifndef SSI_TEST_SUPPORT_TRACED_CHILD_H_
#define SSI_TEST_SUPPORT_TRACED_CHILD_H_

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <vector>

#include <catch2/catch.hpp>

#include "process/injector.h"
#include "process/tracee.h"
#include "process/vmas.h"

namespace ssi::test {

// A child that waits until it is killed, traced and stopped.
class TracedChild {
 public:
  // It has this mask from its first instruction.
  explicit TracedChild(const sigset_t& mask) {
    sigset_t mine;
    ::sigprocmask(SIG_SETMASK, &mask, &mine);
    pid_ = ::fork();
    while (pid_ == 0) {
      ::pause();
    }
    ::sigprocmask(SIG_SETMASK, &mine, nullptr);
    REQUIRE(pid_ > 0);
    REQUIRE(tracee().Seize(PTRACE_O_EXITKILL));
    REQUIRE(tracee().Interrupt());
    Next(Stop::Kind::kInterrupted);
  }
  ~TracedChild() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, __WALL);
  }
  TracedChild(const TracedChild&) = delete;
  TracedChild& operator=(const TracedChild&) = delete;
  TracedChild(TracedChild&&) = delete;
  TracedChild& operator=(TracedChild&&) = delete;

  [[nodiscard]] HostPid pid() const { return HostPid{pid_}; }
  [[nodiscard]] Tracee tracee() const { return Tracee(pid()); }
  void Next(Stop::Kind kind) const {
    auto stop = tracee().Wait();
    REQUIRE(stop);
    REQUIRE(stop->kind == kind);
  }
  [[nodiscard]] Injector Inject() const {
    auto vmas = Vmas();
    for (const auto& vma : vmas) {
      if (vma.kind == Vma::Kind::kVdso) {
        auto at = FindSyscallInstruction(pid(), vma.start, vma.end);
        REQUIRE(at);
        auto injector = Injector::Begin(tracee(), *at);
        REQUIRE(injector);
        return *injector;
      }
    }
    FAIL("no vdso");
    std::abort();
  }
  [[nodiscard]] std::vector<Vma> Vmas() const {
    auto vmas = ReadVmaRanges(pid());
    REQUIRE(vmas);
    return *vmas;
  }

 private:
  pid_t pid_ = -1;
};

}  // namespace ssi::test

#endif  // SSI_TEST_SUPPORT_TRACED_CHILD_H_
