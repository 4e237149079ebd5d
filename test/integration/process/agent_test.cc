// The agent in a real process, instruction by instruction.
#include <poll.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include <catch2/catch.hpp>

#include "process/agent_site.h"
#include "process/injector.h"
#include "process/vmas.h"

namespace ssi {
namespace {

// A child whose thread is in an agent.
class WithAgent {
 public:
  WithAgent() {
    pid_ = ::fork();
    while (pid_ == 0) {
      ::pause();
    }
    REQUIRE(pid_ > 0);
    REQUIRE(tracee().Seize(PTRACE_O_EXITKILL));
    REQUIRE(tracee().Interrupt());
    REQUIRE(tracee().Wait());
    auto vmas = ReadVmas(tracee().pid());
    REQUIRE(vmas);
    for (const auto& vma : *vmas) {
      if (vma.kind == Vma::Kind::kVdso) {
        auto at = FindSyscallInstruction(tracee().pid(), vma.start, vma.end);
        REQUIRE(at);
        auto injector = Injector::Begin(tracee(), *at);
        REQUIRE(injector);
        auto window = PlantAgent(tracee(), *injector, *vmas);
        REQUIRE(window);
        window_.emplace(*std::move(window));
        (void)injector->KeepBlocked();
      }
    }
    REQUIRE(window_);
  }
  ~WithAgent() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, __WALL);
  }
  WithAgent(const WithAgent&) = delete;
  WithAgent& operator=(const WithAgent&) = delete;
  WithAgent(WithAgent&&) = delete;
  WithAgent& operator=(WithAgent&&) = delete;

  [[nodiscard]] Tracee tracee() const { return Tracee(HostPid{pid_}); }
  [[nodiscard]] AgentWindow& window() { return *window_; }

 private:
  pid_t pid_ = -1;
  std::optional<AgentWindow> window_;
};

bool CanBeRead(int fd) {
  pollfd look{fd, POLLIN, 0};
  return ::poll(&look, 1, 0) == 1;
}

// Wherever a signal stops it: a call that was made is not made again, and one
// that was not made is not taken for made.
TEST_CASE("agent: at each instruction it is known whether the call was made") {
  std::array<int, 2> pipe{};
  REQUIRE(::pipe(pipe.data()) == 0);
  WithAgent child;
  AgentWindow& window = child.window();
  RemoteAddr code = AgentCodeAt(window.remote());
  // More than one, because what is in its registers is of the job before.
  for (int job = 0; job < 3; ++job) {
    bool stop_pending = false;
    REQUIRE(StopAgent(child.tracee(), stop_pending));
    window.data()[0] = std::byte{'x'};
    window.calls()[0] = {
        SYS_write,
        {static_cast<std::uint64_t>(pipe[1]), Raw(window.remote_data()), 1},
        0};
    window.Post(1);
    bool made = false;
    int steps = 0;
    for (; steps < 200 && !window.Done(); ++steps) {
      auto registers = child.tracee().GetRegisters();
      REQUIRE(registers);
      INFO("job " << job << ", step " << steps << ", at code + "
                  << Raw(registers->ip()) - Raw(code));
      made = CanBeRead(pipe[0]);
      CHECK(window.SkipCall(*registers, code, -1).has_value() == !made);
      REQUIRE(child.tracee().SingleStep());
      REQUIRE(child.tracee().Wait());
    }
    CHECK(made);
    CHECK(steps > 10);
    char byte = 0;
    CHECK(::read(pipe[0], &byte, 1) == 1);
    CHECK_FALSE(CanBeRead(pipe[0]));
    REQUIRE(child.tracee().Continue());
  }
  ::close(pipe[0]);
  ::close(pipe[1]);
}

}  // namespace
}  // namespace ssi
