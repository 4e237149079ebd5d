// The other node, or what lies between, says nothing for a while: shorter and
// longer than the grace period.
#include <signal.h>

#include <catch2/catch.hpp>

#include "cluster/channel/behind_proxy.h"

namespace ssi::test {
namespace {

using namespace std::chrono_literals;
using Catch::Contains;

// Counts aloud until there is a file "enough".
const std::vector<std::string> kCounter = {
    "perl", "-e",
    "$| = 1; for ($i = 0; !-e 'enough'; $i++) "
    "{print \"$i\\n\"; for ($k = 0; $k < 20000; $k++) {$s += $k}}"};

std::string CountTo(const std::string& out) {
  std::string expected;
  for (int i = 0; expected.size() < out.size(); ++i) {
    expected += std::to_string(i) + "\n";
  }
  return expected;
}

class Counter {
 public:
  explicit Counter(Cluster& cluster)
      : cluster_(cluster),
        out_(cluster.folder() + "/out"),
        err_(cluster.folder() + "/err"),
        job_(cluster, {"--on", "n2"}, kCounter, ToFiles(out_, err_)) {
    REQUIRE(job_.CommandPid() > 0);
    REQUIRE(cluster.SeenComputing("n2"));
    body_ = cluster.Bodies("n2");
  }

  Job& job() { return job_; }
  pid_t pid() { return job_.CommandPid(); }
  [[nodiscard]] const std::vector<pid_t>& body() const { return body_; }
  [[nodiscard]] std::string out() const { return ReadAllOf(out_); }
  [[nodiscard]] std::string err() const { return ReadAllOf(err_); }
  [[nodiscard]] bool BodyGone() const {
    char state = StateOf(body_[0]);
    return state == '-' || state == 'Z';
  }
  // It goes on, ends, and has said each number once.
  void CheckGoesOn() {
    auto size = out().size();
    CHECK(Eventually([&] { return out().size() > size; }, 20s));
    CHECK(cluster_.Bodies("n2") == body_);
    Spawn touch;
    touch.command = {"touch", cluster_.folder() + "/enough"};
    REQUIRE(Describe(RunToEnd(touch).status) == "exit 0");
    CHECK(Describe(job_.front().Wait(20s)) == "exit 0");
    CHECK(out() == CountTo(out()));
    CHECK(err().empty());
  }
  // It has ended with a message that says where and for how long, and nothing
  // of it is left.
  void CheckLost(const std::string& message) {
    auto end = job_.front().Wait(30s);
    UNSCOPED_INFO(End(end));
    CHECK(Describe(end) == "exit 125");
    CHECK_THAT(err(), Contains("n2") && Contains(message) &&
                          Contains(std::to_string(pid())));
    CHECK(CountTo(out()).starts_with(out()));
    CHECK(Eventually([&] { return StateOf(pid()) == '-'; }, 5s));
  }

 private:
  // For who looks at a job that did not end.
  std::string End(const std::optional<int>& status) {
    std::string text = Describe(status) + "; said: " + err();
    if (!status) {
      for (pid_t pid : DescendantsOf(job_.front().pid())) {
        text +=
            "; " + std::to_string(pid) + " " + NameOf(pid) + " " + StateOf(pid);
      }
      auto pid = std::to_string(this->pid());
      text += "; why: " + cluster_.Ssictl({"why", pid}).out;
    }
    return text;
  }

  static Spawn ToFiles(const std::string& out, const std::string& err) {
    Spawn spawn;
    spawn.out = out;
    spawn.err = err;
    return spawn;
  }

  Cluster& cluster_;
  std::string out_;
  std::string err_;
  Job job_;
  std::vector<pid_t> body_;
};

void SignalAll(const std::vector<pid_t>& processes, int signal) {
  for (pid_t pid : processes) {
    ::kill(pid, signal);
  }
}

TEST_CASE("a node that stands still for less than the grace period",
          "[sample][channel]") {
  Cluster cluster(2, {"--grace", "12"});
  Counter counter(cluster);
  auto all = ProcessesOf(cluster, "n2");
  SignalAll(all, SIGSTOP);
  auto pid = std::to_string(counter.pid());
  auto why = [&] {
    return cluster.Ssictl({"why", pid}).out;
  };
  CHECK(Eventually(
      [&] { return why().find("lost, reconnecting") != std::string::npos; },
      20s));
  SignalAll(all, SIGCONT);
  CHECK(Eventually(
      [&] { return why().find("is back after") != std::string::npos; }, 20s));
  counter.CheckGoesOn();
}

TEST_CASE("a node that stands still for longer than the grace period",
          "[channel]") {
  Cluster cluster(2, {"--grace", "5"});
  Counter counter(cluster);
  auto all = ProcessesOf(cluster, "n2");
  SignalAll(all, SIGSTOP);
  counter.CheckLost("out of reach for 5 s");
  CHECK_FALSE(counter.BodyGone());  // it could not even end it
  SignalAll(all, SIGCONT);
  CHECK(Eventually([&] { return counter.BodyGone(); }, 10s));
  // The node is of use again.
  CHECK(Eventually(
      [&] {
        Job next(cluster, {"--on", "n2"}, {"true"});
        return Describe(next.front().Wait(20s)) == "exit 0";
      },
      20s));
}

// No byte gets through, and no connection is closed.
TEST_CASE("a network that swallows all: away it ends before home gives it up",
          "[channel]") {
  BehindProxy nodes({"--grace", "6"});
  Counter counter(nodes.cluster());
  nodes.proxy().Pause(true);
  CHECK(Eventually([&] { return counter.BodyGone(); }, 10s));
  CHECK(counter.job().front().Runs());
  CHECK(StateOf(counter.pid()) != '-');
  counter.CheckLost("out of reach for 6 s");
  CHECK_THAT(nodes.cluster().log("n2"),
             Contains("the guest is killed: nothing was heard from home"));
  nodes.proxy().Pause(false);
}

TEST_CASE("a network that swallows all for a while", "[channel]") {
  BehindProxy nodes({"--grace", "20"});
  Counter counter(nodes.cluster());
  nodes.proxy().Pause(true);
  CHECK(Eventually(
      [&] {
        return nodes.Why(counter.pid()).find("lost, reconnecting") !=
               std::string::npos;
      },
      20s));
  nodes.proxy().Pause(false);
  counter.CheckGoesOn();
}

// What home sent before it broke the connection lies there for long. The node
// is back in time to read it, but not to be heard.
TEST_CASE("a word that waited in a stopped node does not count as new",
          "[channel]") {
  BehindProxy nodes({"--grace", "12"});
  Counter counter(nodes.cluster());
  auto all = ProcessesOf(nodes.cluster(), "n2");
  const auto begin = std::chrono::steady_clock::now();
  SignalAll(all, SIGSTOP);
  // Home gives up 12 s after it has broken the connection, which is after 3 s;
  // the guest ends after 8.8.
  CHECK(Eventually(
      [&] { return std::chrono::steady_clock::now() - begin > 7500ms; }, 10s));
  nodes.proxy().Pause(true);
  SignalAll(all, SIGCONT);
  CHECK(Eventually([&] { return counter.BodyGone(); }, 20s));
  CHECK(std::chrono::steady_clock::now() - begin < 12s);
  CHECK(counter.job().front().Runs());
  counter.CheckLost("out of reach for 12 s");
  nodes.proxy().Pause(false);
}

// The watchdog is a process of its own: the guest ends though the supervisor
// that should end it hangs.
TEST_CASE("a guest supervisor that hangs is not needed to end its guest",
          "[channel]") {
  Cluster cluster(2, {"--grace", "5"});
  Counter counter(cluster);
  for (pid_t child : ChildrenOf(cluster.daemon("n2"))) {
    ::kill(child, SIGSTOP);
  }
  CHECK(Eventually([&] { return counter.BodyGone(); }, 10s));
  CHECK(counter.job().front().Runs());
  counter.CheckLost("n2");
  CHECK_THAT(cluster.log("n2"), Contains("watchdog killed 1 guest sandbox"));
  for (pid_t child : ChildrenOf(cluster.daemon("n2"))) {
    ::kill(child, SIGCONT);
  }
}

}  // namespace
}  // namespace ssi::test
