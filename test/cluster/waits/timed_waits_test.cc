// Calls with a time limit that the kernel gives up when it is interrupted: one
// that sleeps while its process moves, or while a move of it comes to nothing,
// has what is left of its time, and gives what it gives when nobody moves it.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "base/unique_fd.h"
#include "cluster/errors/errors_support.h"
#include "support/cluster.h"

namespace ssi::test {
namespace {

using namespace std::chrono_literals;
using Calls = std::vector<std::string>;

const Calls kAll = {
    "sigtimedwait", "epoll_wait", "epoll_pwait",     "epoll_pwait2", "poll",
    "ppoll",        "select",     "clock_nanosleep", "futex"};
// Whose process comes home for them.
const Calls kOnlyAtHome = {"semtimedop", "recv", "read"};
// Those that go on when their process was stopped and continues.
const Calls kThatGoOn = {"poll",      "ppoll",           "select",
                         "nanosleep", "clock_nanosleep", "futex"};
// What timed_wait prints first for those that do not give "0 0".
const std::map<std::string, std::string> kResults = {
    {"sigtimedwait", "-1 EAGAIN"},
    {"semtimedop", "-1 EAGAIN"},
    {"recv", "-1 EAGAIN"},
    {"read", "-1 EAGAIN"},
    {"futex", "-1 ETIMEDOUT"}};

void Pause(std::chrono::milliseconds time) {
  auto until = std::chrono::steady_clock::now() + time;
  (void)Eventually([&] { return std::chrono::steady_clock::now() > until; },
                   time + 1s);
}

// The waits of eight seconds of one test, each a job.
class Waits {
 public:
  Waits(Cluster& cluster, const Calls& calls, const Calls& meanwhile)
      : cluster_(cluster) {
    for (const auto& call : calls) {
      for (const auto& what : meanwhile) {
        Begin(call, what);
      }
    }
    for (auto& wait : all_) {
      INFO(wait.call << " " << wait.meanwhile);
      // In its call: what it does before has no part in this.
      pid_t pid = wait.job->CommandPid();
      REQUIRE(Eventually([&] { return IsInCall(pid); }, 10s));
    }
    // Long enough for a wait that began anew to be seen.
    Pause(1500ms);
  }

  void MoveTo(const std::string& node, bool moves = true) {
    for (auto& wait : all_) {
      INFO(wait.call << " " << wait.meanwhile << " to " << node << ": "
                     << wait.job->last_refusal());
      CHECK(wait.job->MoveTo(node) == moves);
    }
  }
  void StopAndContinue() {
    for (int signal : {SIGSTOP, SIGCONT}) {
      for (auto& wait : all_) {
        INFO(wait.call << " " << wait.meanwhile);
        pid_t pid = wait.job->CommandPid();
        REQUIRE(::kill(pid, signal) == 0);
        char state = signal == SIGSTOP ? 'T' : 'S';
        CHECK(Eventually([&] { return StateOf(pid) == state; }, 10s));
      }
    }
  }
  // From another node, for the call that they wait in.
  [[nodiscard]] bool AllCameHome() const {
    std::istringstream lines(cluster_.Ssictl({"ps"}).out);
    std::size_t came = 0;
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::string where;
      std::string times;
      std::string word;
      words >> word >> word >> where >> word >> word >> word >> times;
      came += where == "n1" && times == "1" ? 1U : 0U;
    }
    return came == all_.size();
  }
  [[nodiscard]] std::size_t size() const { return all_.size(); }
  // Lets children that were made by vfork go on.
  void Release() {
    for (auto& wait : all_) {
      UniqueFd writer(::open((wait.folder + "/fifo").c_str(),
                             O_WRONLY | O_NONBLOCK | O_CLOEXEC));
      CHECK(writer.get() >= 0);
    }
  }
  void End() {
    for (auto& wait : all_) {
      INFO(wait.call << " " << wait.meanwhile);
      CHECK(Describe(wait.job->front().Wait(20s)) == "exit 0");
      std::string said = ReadAllOf(wait.folder + "/out");
      auto last = said.rfind(' ');
      REQUIRE(last != std::string::npos);
      auto result = kResults.find(wait.call);
      CHECK(said.substr(0, last) ==
            (result == kResults.end() ? "0 0" : result->second));
      int took = std::stoi(said.substr(last));
      CHECK(took >= 8000);
      CHECK(took < 9400);
    }
  }

 private:
  struct Wait {
    std::string call;
    std::string meanwhile;
    std::string folder;
    std::unique_ptr<Job> job;
  };

  void Begin(const std::string& call, const std::string& meanwhile) {
    Wait wait{call, meanwhile, cluster_.folder() + "/" + call + "." + meanwhile,
              nullptr};
    REQUIRE(::mkdir(wait.folder.c_str(), 0700) == 0);
    REQUIRE(::mkfifo((wait.folder + "/fifo").c_str(), 0600) == 0);
    Spawn spawn;
    spawn.out = wait.folder + "/out";
    wait.job = std::make_unique<Job>(
        cluster_, std::vector<std::string>{},
        std::vector<std::string>{std::string(SSI_GUEST_DIR) + "/timed_wait",
                                 call, meanwhile, wait.folder},
        spawn);
    all_.push_back(std::move(wait));
  }
  static bool IsInCall(pid_t pid) {
    std::string call = ReadAllOf("/proc/" + std::to_string(pid) + "/syscall");
    constexpr std::string_view kCalls =
        "128 232 281 441 7 271 23 35 230 202 220 45 0 ";
    std::string number = call.substr(0, call.find(' ') + 1);
    return NameOf(pid) == "timed_wait" && StateOf(pid) == 'S' &&
           kCalls.find(number) != std::string_view::npos;
  }

  Cluster& cluster_;
  std::vector<Wait> all_;
};

TEST_CASE("a wait goes on with what is left of its time", "[sample]") {
  Cluster cluster(3);
  Waits waits(cluster, kAll, {"alone", "threads"});
  for (const char* node : {"n2", "n3"}) {
    waits.MoveTo(node);
    CHECK(cluster.Bodies(node).size() == waits.size());
  }
  waits.End();
}

// It is in restart_syscall then.
TEST_CASE("a wait goes on that was stopped before", "[sample]") {
  Cluster cluster(2);
  Waits alone(cluster, kThatGoOn, {"alone"});
  // Not futex, of which only the kernel knows then what is left.
  Waits others(cluster, {"poll", "clock_nanosleep"}, {"threads"});
  for (const char* node : {"", "n2", "n1"}) {
    for (auto* waits : {&alone, &others}) {
      *node == 0 ? waits->StopAndContinue() : waits->MoveTo(node);
    }
  }
  alone.End();
  others.End();
}

TEST_CASE("a wait that comes home goes on with what is left of its time",
          "[sample]") {
  Cluster cluster(2);
  Waits waits(cluster, kAll, {"alone", "threads"});
  waits.MoveTo("n2");
  CHECK(cluster.Bodies("n2").size() == waits.size());
  waits.MoveTo("n1");
  CHECK(cluster.Bodies("n2").empty());
  waits.End();
}

TEST_CASE("a wait that only home can make goes on with what is left",
          "[sample]") {
  Cluster cluster(2);
  Waits waits(cluster, kOnlyAtHome, {"alone", "threads"});
  waits.MoveTo("n2");
  CHECK(Eventually([&] { return waits.AllCameHome(); }, 3s));
  waits.End();
}

TEST_CASE("a wait goes on after a departure that is given up", "[sample]") {
  Environment fault("SSI_LOCAL_FAULT", "guest.rebuilt=cut");
  Cluster cluster(2);
  Calls calls = kAll;
  calls.insert(calls.end(), kOnlyAtHome.begin(), kOnlyAtHome.end());
  Waits waits(cluster, calls, {"alone", "threads"});
  waits.MoveTo("n2", false);
  waits.MoveTo("n2", false);
  waits.End();
}

TEST_CASE("a wait goes on after a freeze that is given up", "[sample]") {
  Cluster cluster(2);
  Calls calls = kAll;
  calls.insert(calls.end(), kOnlyAtHome.begin(), kOnlyAtHome.end());
  Waits waits(cluster, calls, {"vfork"});
  waits.MoveTo("n2", false);
  waits.Release();
  waits.End();
}

}  // namespace
}  // namespace ssi::test
