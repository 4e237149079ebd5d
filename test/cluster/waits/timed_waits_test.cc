// Calls with a time limit that the kernel gives up when it is interrupted: one
// that sleeps while its process moves, or while a move of it comes to nothing,
// has what is left of its time, and gives what it gives when nobody moves it.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

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
#include "process/threads.h"
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
// Those that SIGCONT ends (signal(7), "Interruption of system calls and library
// functions by stop signals").
const Calls kThatEnd = {"sigtimedwait", "epoll_wait", "epoll_pwait",
                        "epoll_pwait2", "read"};
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

// What the host of a virtual machine has taken from each CPU (proc(5),
// /proc/stat). How long a thread has slept the kernel tells without it, so a
// wait that goes on may be that much too long (docs/limits.md).
std::map<std::string, int> StolenMillis() {
  std::istringstream lines(ReadAllOf("/proc/stat"));
  const int in_tick = static_cast<int>(1000 / ::sysconf(_SC_CLK_TCK));
  std::map<std::string, int> stolen;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string cpu;
    int ticks = 0;
    words >> cpu;
    for (int field = 0; field < 8; ++field) {
      words >> ticks;
    }
    if (words && cpu.starts_with("cpu") && cpu != "cpu") {
      stolen[cpu] = ticks * in_tick;
    }
  }
  return stolen;
}

// The waits of eight seconds of one test, each a job.
class Waits {
 public:
  // With `away`, they begin there.
  Waits(Cluster& cluster, const Calls& calls, const Calls& meanwhile,
        const std::string& away = "")
      : cluster_(cluster) {
    for (const auto& call : calls) {
      for (const auto& what : meanwhile) {
        Begin(call, what);
      }
    }
    if (!away.empty()) {
      AwaitCalls(kOpen);
      MoveTo(away);
      CHECK(cluster.Bodies(away).size() >= all_.size());
      Release();
    }
    // What they do before has no part in this.
    AwaitCalls(kWaits);
    Pause(kLongEnough);
  }

  // Each that would begin anew would be seen to.
  void Signal(int signal) {
    for (auto& wait : all_) {
      REQUIRE(::kill(wait.job->CommandPid(), signal) == 0);
    }
    Pause(kLongEnough);
  }

  void MoveTo(const std::string& node, bool moves = true) {
    for (auto& wait : all_) {
      INFO(wait.call << " " << wait.meanwhile << " to " << node << ": "
                     << wait.job->last_refusal());
      CHECK(wait.job->MoveTo(node) == moves);
    }
  }
  // Natively a stop that is over before all threads have seen it ends waits as
  // well; the runtime takes it for nothing. A small letter may be that of a
  // traced thread which has not seen it: where none is traced once it has,
  // `states` is to be without.
  void StopAndContinue(std::string_view states = "Tt") {
    for (int signal : {SIGSTOP, SIGCONT}) {
      for (auto& wait : all_) {
        INFO(wait.call << " " << wait.meanwhile);
        pid_t pid = wait.job->CommandPid();
        REQUIRE(::kill(pid, signal) == 0);
        bool stops = signal == SIGSTOP;
        CHECK(Eventually(
            [&] {
              return stops ? AllThreadsAre(states, pid) : !IsStopped(pid);
            },
            10s));
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
      auto [said, took] = Over(wait);
      int stolen = 0;
      for (const auto& [cpu, millis] : StolenMillis()) {
        stolen = std::max(stolen, millis - stolen_before_[cpu]);
      }
      INFO(wait.call << " " << wait.meanwhile << ", stolen " << stolen);
      auto result = kResults.find(wait.call);
      CHECK(said == (result == kResults.end() ? "0 0" : result->second));
      CHECK(took >= 8000);
      CHECK(took < 9400 + stolen);
    }
  }
  void EndInterrupted() {
    for (auto& wait : all_) {
      INFO(wait.call << " " << wait.meanwhile);
      auto [said, took] = Over(wait);
      CHECK(said == "-1 EINTR");
      CHECK(took < 8000);
    }
  }

 private:
  struct Wait {
    std::string call;
    std::string meanwhile;
    std::string folder;
    std::unique_ptr<Job> job;
  };

  // What it says of its result, and the milliseconds that it took.
  static std::pair<std::string, int> Over(Wait& wait) {
    CHECK(Describe(wait.job->front().Wait(20s)) == "exit 0");
    std::string said = ReadAllOf(wait.folder + "/out");
    auto last = said.rfind(' ');
    REQUIRE(last != std::string::npos);
    return {said.substr(0, last), std::stoi(said.substr(last))};
  }
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
  // A stopped process that is traced shows a small letter.
  static bool IsStopped(pid_t pid) {
    char state = StateOf(pid);
    return state == 'T' || state == 't';
  }
  static bool AllThreadsAre(std::string_view states, pid_t pid) {
    auto threads = ThreadsOf(HostPid{pid});
    REQUIRE(threads);
    return std::all_of(threads->begin(), threads->end(), [&](HostPid thread) {
      return states.find(StateOf(Raw(thread))) != std::string_view::npos;
    });
  }
  void AwaitCalls(std::string_view calls) {
    for (auto& wait : all_) {
      INFO(wait.call << " " << wait.meanwhile);
      pid_t pid = wait.job->CommandPid();
      REQUIRE(Eventually([&] { return IsInCall(pid, calls); }, 10s));
    }
  }
  static bool IsInCall(pid_t pid, std::string_view calls) {
    std::string call = ReadAllOf("/proc/" + std::to_string(pid) + "/syscall");
    std::string number = call.substr(0, call.find(' ') + 1);
    return NameOf(pid) == "timed_wait" && StateOf(pid) == 'S' &&
           calls.find(number) != std::string_view::npos;
  }

  // Numbers of system calls, for each a blank behind it.
  static constexpr std::string_view kOpen = "257 ";
  static constexpr std::string_view kWaits =
      "128 232 281 441 7 271 23 35 230 202 220 45 0 ";
  static constexpr auto kLongEnough = 1500ms;

  Cluster& cluster_;
  std::map<std::string, int> stolen_before_ = StolenMillis();
  std::vector<Wait> all_;
};

TEST_CASE("a wait goes on with what is left of its time", "[sample]") {
  Cluster cluster(3);
  Waits waits(cluster, kAll, {"alone", "threads"});
  for (const char* node : {"n2", "n3"}) {
    waits.MoveTo(node);
    CHECK(cluster.Bodies(node).size() == waits.size());
    waits.Signal(SIGWINCH);  // which it ignores
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
  waits.Signal(SIGWINCH);
  waits.End();
}

TEST_CASE("a wait that only home can make goes on with what is left",
          "[sample]") {
  Cluster cluster(2);
  Waits waits(cluster, kOnlyAtHome, {"alone", "threads"});
  waits.MoveTo("n2");
  CHECK(Eventually([&] { return waits.AllCameHome(); }, 3s));
  waits.Signal(SIGWINCH);
  waits.End();
}

TEST_CASE("a wait that begins away goes on with what is left", "[sample]") {
  Cluster cluster(3);
  Calls calls = {"epoll_wait", "sigtimedwait", "read"};
  Waits onward(cluster, calls, {"later"}, "n2");
  onward.MoveTo("n3");
  onward.End();
}

TEST_CASE("a wait that begins away comes home with what is left", "[sample]") {
  Cluster cluster(2);
  Waits waits(cluster, {"epoll_wait", "sigtimedwait", "read"}, {"later"}, "n2");
  waits.MoveTo("n1");
  waits.End();
}

TEST_CASE("a wait away ends when its process was stopped, or goes on",
          "[sample]") {
  Cluster cluster(2);
  Waits others(cluster, kThatGoOn, {"later"}, "n2");
  Waits ended(cluster, kThatEnd, {"later"}, "n2");
  ended.StopAndContinue();
  ended.EndInterrupted();
  others.StopAndContinue();
  others.End();
}

TEST_CASE("a wait that came home ends when its process was stopped",
          "[sample]") {
  Cluster cluster(2);
  Waits other(cluster, {"sigtimedwait", "epoll_wait"}, {"alone", "threads"});
  Waits waits(cluster, kOnlyAtHome, {"alone", "threads"});
  other.MoveTo("n2");
  other.MoveTo("n1");
  waits.MoveTo("n2");
  CHECK(Eventually([&] { return cluster.Bodies("n2").empty(); }, 3s));
  other.StopAndContinue("T");
  other.EndInterrupted();
  waits.StopAndContinue();  // traced still, until the call is over
  waits.EndInterrupted();
}

TEST_CASE("a wait away knows nothing of a signal that is ignored", "[sample]") {
  Cluster cluster(2);
  Calls calls = kAll;
  calls.emplace_back("read");
  Waits waits(cluster, calls, {"later"}, "n2");
  waits.Signal(SIGWINCH);
  waits.Signal(SIGURG);
  waits.End();
}

TEST_CASE("a wait goes on after a departure that is given up", "[sample]") {
  Environment fault("SSI_LOCAL_FAULT", "guest.rebuilt=cut");
  Cluster cluster(2);
  Calls calls = kAll;
  calls.insert(calls.end(), kOnlyAtHome.begin(), kOnlyAtHome.end());
  Waits waits(cluster, calls, {"alone", "threads"});
  waits.MoveTo("n2", false);
  waits.Signal(SIGWINCH);
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
