// The agent in a real process, instruction by instruction.
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <optional>

#include <catch2/catch.hpp>

#include "process/agent_site.h"
#include "support/traced_child.h"

namespace ssi {
namespace {

// A child whose thread is in an agent.
class WithAgent : public test::TracedChild {
 public:
  WithAgent() : TracedChild(sigset_t{}) {
    auto injector = Inject();
    auto site = PlantSite(tracee(), injector, Vmas(), 2);
    REQUIRE(site);
    site_.emplace(*std::move(site));
    (void)injector.KeepBlocked();
    REQUIRE(StartAgent(tracee(), injector.saved(), *site_, window()));
  }
  [[nodiscard]] AgentWindow& window() { return site_->window(1); }
  [[nodiscard]] RemoteAddr code() const { return site_->code(); }

 private:
  std::optional<AgentSite> site_;
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
  RemoteAddr code = child.code();
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
