// What a program sees when what serves it dies or stops while it makes calls:
// nothing. Its calls never fail for that, and never run on the other node.
#include <fcntl.h>
#include <signal.h>
#include <sys/uio.h>

#include <cstdlib>
#include <optional>
#include <thread>

#include <catch2/catch.hpp>

#include "support/cluster.h"

namespace ssi::test {
namespace {

using namespace std::chrono_literals;
using Catch::Contains;

// As in test/guests/tight_calls.cc.
struct Witness {
  std::uint64_t rounds;
  std::uint64_t wrong;
  std::int64_t result;
};

std::optional<Witness> Look(pid_t body, std::uint64_t address) {
  Witness witness{};
  iovec to{&witness, sizeof witness};
  // NOLINTNEXTLINE(performance-no-int-to-ptr): an address over there
  iovec from{reinterpret_cast<void*>(address), sizeof witness};
  return ::process_vm_readv(body, &to, 1, &from, 1, 0) == sizeof witness
             ? std::optional(witness)
             : std::nullopt;
}

// The guest, placed on n2 and seen making calls there.
class Busy {
 public:
  Busy(const Cluster& cluster, const std::string& seconds)
      : cluster_(cluster),
        out_(cluster.folder() + "/tight.out"),
        err_(cluster.folder() + "/tight.err"),
        job_(cluster, {"--on", "n2"},
             {std::string(SSI_GUEST_DIR) + "/tight_calls", seconds},
             Output(out_, err_)) {
    REQUIRE(Eventually(
        [&] {
          address_ = std::strtoull(ReadAllOf(out_).c_str(), nullptr, 16);
          auto bodies = cluster_.Bodies("n2");
          body_ = bodies.empty() ? -1 : bodies[0];
          return address_ != 0 && body_ > 0 && Rounds() > 20;
        },
        30s));
    for (pid_t child : ChildrenOf(cluster.daemon("n2"))) {
      auto below = DescendantsOf(child);
      if (std::find(below.begin(), below.end(), body_) != below.end()) {
        supervisor_ = child;
      }
    }
    REQUIRE(supervisor_ > 0);
  }

  [[nodiscard]] pid_t body() const { return body_; }
  [[nodiscard]] pid_t supervisor() const { return supervisor_; }
  [[nodiscard]] std::string out() const { return ReadAllOf(out_); }
  [[nodiscard]] std::string err() const { return ReadAllOf(err_); }
  Job& job() { return job_; }
  [[nodiscard]] std::uint64_t Rounds() const {
    auto witness = Look(body_, address_);
    return witness ? witness->rounds : 0;
  }

  // Does `what` and looks into its memory, without a pause, until it is gone:
  // the number of the call that said something else, less 1; 0 if none did.
  template <typename What>
  std::uint64_t WrongUntilGone(What what) {
    std::uint64_t wrong = 0;
    std::atomic<bool> looking{false};
    std::thread watch([&] {
      auto end = std::chrono::steady_clock::now() + 30s;
      while (auto witness = Look(body_, address_)) {
        looking = true;
        wrong = std::max(wrong, witness->wrong);
        if (std::chrono::steady_clock::now() > end) {
          wrong = ~std::uint64_t{0};  // it lives on
          return;
        }
      }
      looking = true;
    });
    (void)Eventually([&] { return looking.load(); }, 10s);
    what();
    watch.join();
    return wrong;
  }

 private:
  static Spawn Output(const std::string& out, const std::string& err) {
    Spawn spawn;
    spawn.out = out;
    spawn.err = err;
    return spawn;
  }

  const Cluster& cluster_;
  std::string out_;
  std::string err_;
  Job job_;
  pid_t body_ = -1;
  pid_t supervisor_ = -1;
  std::uint64_t address_ = 0;
};

void CheckLost(Busy& busy) {
  auto status = busy.job().front().Wait(20s);
  CHECK(Describe(status) == "exit 125");
  CHECK_THAT(busy.err(), Contains("n2"));
  CHECK(busy.out().find("PASS") == std::string::npos);
}

void KillSupervisors(int times) {
  Cluster cluster;
  for (int i = 0; i < times; ++i) {
    INFO("time " << i);
    Busy busy(cluster, "60");
    CHECK(busy.WrongUntilGone([&] { ::kill(busy.supervisor(), SIGKILL); }) ==
          0);
    CheckLost(busy);
    // Out of reach at once, but its end takes the kernel a moment longer.
    CHECK(Eventually([&] { return cluster.Bodies("n2").empty(); }, 10s));
  }
}

TEST_CASE("a guest whose supervisor is killed sees nothing of it", "[sample]") {
  KillSupervisors(4);
}

TEST_CASE("guests whose supervisors are killed, many times") {
  KillSupervisors(25);
}

TEST_CASE("a guest whose daemon is killed sees nothing of it", "[sample]") {
  Cluster cluster;
  Busy busy(cluster, "60");
  CHECK(busy.WrongUntilGone([&] { ::kill(cluster.daemon("n2"), SIGKILL); }) ==
        0);
  CheckLost(busy);
}

TEST_CASE("a guest whose supervisor was stopped and is then killed") {
  Cluster cluster;
  for (int i = 0; i < 5; ++i) {
    Busy busy(cluster, "60");
    ::kill(busy.supervisor(), SIGSTOP);
    REQUIRE(Eventually([&] { return StateOf(busy.supervisor()) == 'T'; }, 10s));
    CHECK(busy.WrongUntilGone([&] { ::kill(busy.supervisor(), SIGKILL); }) ==
          0);
    CheckLost(busy);
  }
}

// Waits until the guest makes no progress any more.
void AwaitStandstill(const Busy& busy) {
  std::uint64_t before = 0;
  CHECK(Eventually(
      [&] {
        std::uint64_t rounds = busy.Rounds();
        return std::exchange(before, rounds) == rounds;
      },
      10s));
}

TEST_CASE("a guest waits while its supervisor is stopped, and goes on",
          "[sample]") {
  Cluster cluster;
  Busy busy(cluster, "4");
  ::kill(busy.supervisor(), SIGSTOP);
  REQUIRE(Eventually([&] { return StateOf(busy.supervisor()) == 'T'; }, 10s));
  AwaitStandstill(busy);
  std::uint64_t rounds = busy.Rounds();
  ::kill(busy.supervisor(), SIGCONT);
  CHECK(Eventually([&] { return busy.Rounds() > rounds; }, 20s));
  CHECK(Describe(busy.job().front().Wait(30s)) == "exit 0");
  CHECK_THAT(busy.out(), Contains("PASS"));
}

TEST_CASE("a guest goes on while the daemon of its node is stopped",
          "[sample]") {
  Cluster cluster;
  Busy busy(cluster, "4");
  ::kill(cluster.daemon("n2"), SIGSTOP);
  REQUIRE(
      Eventually([&] { return StateOf(cluster.daemon("n2")) == 'T'; }, 10s));
  std::uint64_t rounds = busy.Rounds();
  CHECK(Eventually([&] { return busy.Rounds() > rounds + 20; }, 20s));
  CHECK(Describe(busy.job().front().Wait(30s)) == "exit 0");
  CHECK_THAT(busy.out(), Contains("PASS"));
  ::kill(cluster.daemon("n2"), SIGCONT);
}

}  // namespace
}  // namespace ssi::test
