// The other node dies, or its connection breaks, at each step of a move.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include <catch2/catch.hpp>

#include "base/fault.h"
#include "cluster/errors/errors_support.h"

namespace ssi::test {
namespace {

using namespace std::chrono_literals;
using Catch::Contains;

// Computes and makes calls for a while, and ends when its input does.
const CommandLine kCommand = {
    "gawk",
    "BEGIN {for (i = 0; i < 2000000; i++) {s = (s * 31 + i) % 1000003; "
    "if (i % 10000 == 0) {print i; fflush()}} while ((getline line) > 0) n++; "
    "print n, s}"};

bool OfTheWayBack(std::string_view point) {
  return point == "guest.freezing" || point == "guest.sending" ||
         point == "guest.held" || point == "guest.destroying";
}

// Every step of a move in which the other node dies or its connection breaks.
// A broken connection is made again: the program goes on, at home where the
// move was not committed. Where the node dies, it goes on at home before the
// commit; after it, it ends with a message that names the node, and status 125.
// In no case anything is left.
void CheckFault(const std::string& point, const std::string& action) {
  Environment fault("SSI_LOCAL_FAULT", point + "=" + action);
  Cluster cluster;
  std::string expected = NativeOutput(kCommand);
  Spawn spawn;
  spawn.in = cluster.folder() + "/until";
  spawn.out = cluster.folder() + "/out";
  spawn.err = cluster.folder() + "/err";
  REQUIRE(::mkfifo(spawn.in.c_str(), 0600) == 0);
  int until = ::open(spawn.in.c_str(), O_RDWR | O_CLOEXEC);
  REQUIRE(until >= 0);
  Job job(cluster, {}, kCommand, spawn);
  REQUIRE(job.CommandPid() > 0);
  bool moved = job.MoveTo("n2");
  // Else the step was not passed at all.
  if (OfTheWayBack(point)) {
    REQUIRE(moved);
  } else if (!moved) {
    CHECK_THAT(job.last_refusal(), Contains("connection") || Contains("gone"));
  }
  if (moved) {
    (void)job.MoveTo("n1");
  }
  auto of_it = DescendantsOf(job.front().pid());
  auto bodies = cluster.Bodies("n2");
  ::close(until);
  auto status = job.front().Wait(60s);
  std::string out = ReadAllOf(cluster.folder() + "/out");
  std::string err = ReadAllOf(cluster.folder() + "/err");
  INFO(point << "=" << action << ": " << Describe(status) << "\n"
             << err << job.last_refusal());
  if (Describe(status) == "exit 0") {
    CHECK(out == expected);
  } else {
    CHECK(Describe(status) == "exit 125");
    CHECK_THAT(err, Contains("n2"));
    CHECK(expected.starts_with(out));  // nothing of it wrong or twice
  }
  CHECK(NothingLeftOf(job.front().pid(), of_it));
  CHECK(NothingLeftOf(job.front().pid(), bodies));
  // Which of the two it must be: the commit is when GO has come.
  bool before_commit = point == "guest.asked" || point == "guest.accepting" ||
                       point == "guest.image" || point == "guest.contents" ||
                       point == "guest.rebuilt";
  bool after_return = point == "guest.destroying";
  if (action == "cut" || before_commit || after_return) {
    CHECK(Describe(status) == "exit 0");
  } else {
    CHECK(Describe(status) == "exit 125");
  }
}

// Home's own, and what is only on the way to a third node, are in
// cluster/faults.
bool OfTwoNodes(std::string_view point) {
  return point.starts_with("guest.") && point != "guest.onward";
}

TEST_CASE("the other node is killed at each step", "[sample][errors][faults]") {
  for (const auto& point : fault::Points()) {
    if (!OfTwoNodes(point)) {
      continue;
    }
    DYNAMIC_SECTION(std::string(point)) {
      CheckFault(std::string(point), "kill");
    }
  }
}

void CheckCuts(bool way_back) {
  for (const auto& point : fault::Points()) {
    // Nothing at a call can cut.
    if (OfTwoNodes(point) && point != "guest.call" &&
        OfTheWayBack(point) == way_back) {
      DYNAMIC_SECTION(std::string(point)) {
        CheckFault(std::string(point), "cut");
      }
    }
  }
}

TEST_CASE("the connection breaks at each step of the way there",
          "[sample][errors][faults]") {
  CheckCuts(false);
}

TEST_CASE("the connection breaks at each step of the way back",
          "[sample][errors][faults]") {
  CheckCuts(true);
}

// Lets stopped supervisors below a daemon go on, until it is destroyed.
class Continuer {
 public:
  explicit Continuer(pid_t daemon)
      : thread_([this, daemon] {
          while (!stop_) {
            for (pid_t pid : ChildrenOf(daemon)) {
              if (StateOf(pid) == 'T') {
                ::kill(pid, SIGCONT);
              }
            }
            std::this_thread::sleep_for(10ms);
          }
        }) {}
  ~Continuer() {
    stop_ = true;
    thread_.join();
  }
  Continuer(const Continuer&) = delete;
  Continuer& operator=(const Continuer&) = delete;
  Continuer(Continuer&&) = delete;
  Continuer& operator=(Continuer&&) = delete;

 private:
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

// Its image does not come across in time: home gives that move up. The process
// goes on there, its calls are answered, and it comes home later.
TEST_CASE("a move home takes too long", "[sample][errors][faults]") {
  Environment fault("SSI_LOCAL_FAULT", "guest.sending=stop");
  Cluster cluster;
  Spawn spawn;
  spawn.out = cluster.folder() + "/out";
  spawn.err = cluster.folder() + "/err";
  Job job(cluster, {},
          {"perl", "-e",
           "$| = 1; for $step (qw(one two three)) {select undef, undef, undef, "
           "0.02 until -e $step; print \"$step\\n\"}"},
          spawn);
  auto step = [&](const std::string& name, const std::string& said) {
    Spawn touch;
    touch.command = {"touch", cluster.folder() + "/" + name};
    REQUIRE(Describe(RunToEnd(touch).status) == "exit 0");
    CHECK(Eventually([&] { return ReadAllOf(spawn.out) == said; }, 10s));
  };
  REQUIRE(job.CommandPid() > 0);
  REQUIRE(job.MoveTo("n2"));
  step("one", "one\n");
  CHECK_FALSE(job.MoveTo("n1"));
  CHECK_THAT(job.last_refusal(), Contains("had not come across within"));
  CHECK(cluster.Bodies("n2").size() == 1);
  Continuer continuer(cluster.daemon("n2"));
  step("two", "one\ntwo\n");
  CHECK(cluster.Bodies("n2").size() == 1);
  // The connection for its memory is made anew meanwhile.
  CHECK(Eventually([&] { return job.MoveTo("n1"); }, 20s));
  INFO(job.last_refusal());
  CHECK(Eventually([&] { return cluster.Bodies("n2").empty(); }, 10s));
  step("three", "one\ntwo\nthree\n");
  CHECK(Describe(job.front().Wait(10s)) == "exit 0");
  CHECK(ReadAllOf(spawn.err).empty());
}

// The process computes on n2 already, and what it does there comes in, when the
// stand-in is found dead: the job ends as the process did.
TEST_CASE("the stand-in is killed before it is emptied",
          "[sample][errors][faults]") {
  Cluster cluster;
  Spawn spawn;
  spawn.out = cluster.folder() + "/out";
  spawn.err = cluster.folder() + "/err";
  spawn.environment["SSI_FAULT"] = "home.emptying=stop";
  Job job(cluster, {}, {"perl", "-e", "$| = 1; while (1) {print getppid}"},
          spawn);
  REQUIRE(job.CommandPid() > 0);
  pid_t supervisor = ChildrenOf(job.front().pid()).at(0);
  Child migrate(cluster.Ours({std::string(SSI_BIN_DIR) + "/ssictl", "migrate",
                              std::to_string(job.CommandPid()), "n2"}));
  REQUIRE(Eventually([&] { return StateOf(supervisor) == 'T'; }, 10s));
  CHECK(Eventually([&] { return cluster.Bodies("n2").size() == 1; }, 10s));
  ::kill(job.CommandPid(), SIGKILL);
  ::kill(supervisor, SIGCONT);
  CHECK(Describe(job.front().Wait(10s)) == "signal 9");
  CHECK(Eventually([&] { return cluster.Bodies("n2").empty(); }, 10s));
  (void)migrate.Wait(10s);
}

}  // namespace
}  // namespace ssi::test
