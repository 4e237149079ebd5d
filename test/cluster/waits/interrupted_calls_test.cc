// Every call that signal(7) lists as one that waits, in a process that is away,
// and what interrupts it: a move, a signal with a handler, one that is ignored,
// a stop. Its result is the same as natively, and so is its time.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include <chrono>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "base/unique_fd.h"
#include "support/cluster.h"

namespace ssi::test {
namespace {

using namespace std::chrono_literals;

const std::string kGuest = std::string(SSI_GUEST_DIR) + "/interrupted_calls";
const std::string kAtHome = "io_getevents";  // cannot move: it has a ring
// What a move may cost, and a native socket's coarse timers.
constexpr int kMore = 1500;

// One process that makes one call, natively or as a job.
class Waiting {
 public:
  Waiting(const std::string& folder, const std::string& call,
          const std::vector<std::string>& how, const Cluster* cluster)
      : call_(call), folder_(folder + "/" + call) {
    REQUIRE(::mkdir(folder_.c_str(), 0700) == 0);
    REQUIRE(::mkfifo((folder_ + "/fifo").c_str(), 0600) == 0);
    Spawn spawn;
    spawn.out = folder_ + "/out";
    spawn.command = {kGuest, call};
    spawn.command.insert(spawn.command.end(), how.begin(), how.end());
    spawn.command.push_back(folder_);
    if (cluster == nullptr) {
      native_ = std::make_unique<Child>(spawn);
    } else {
      auto command = std::exchange(spawn.command, {});
      job_ = std::make_unique<Job>(*cluster, std::vector<std::string>{},
                                   command, spawn);
    }
  }

  [[nodiscard]] const std::string& call() const { return call_; }
  [[nodiscard]] Job& job() { return *job_; }
  pid_t Pid() { return job_ ? job_->CommandPid() : native_->pid(); }
  // Until it is ready, and opens its fifo.
  void AwaitReady() {
    INFO(call_);
    pid_t pid = Pid();
    REQUIRE(Eventually(
        [&] {
          std::string in =
              ReadAllOf("/proc/" + std::to_string(pid) + "/syscall");
          return NameOf(pid) == "interrupted_cal" && in.starts_with("257 ");
        },
        10s));
  }
  // Lets it make its call.
  void Release() {
    INFO(call_);
    UniqueFd writer;
    REQUIRE(Eventually(
        [&] {
          writer.Reset(::open((folder_ + "/fifo").c_str(),
                              O_WRONLY | O_NONBLOCK | O_CLOEXEC));
          return writer.get() >= 0;
        },
        10s));
    REQUIRE(Eventually(
        [&] { return ::access((folder_ + "/begun").c_str(), F_OK) == 0; },
        10s));
  }
  struct Seen {
    std::string result;
    int took = 0;
  };
  Seen End() {
    INFO(call_);
    Child& child = job_ ? job_->front() : *native_;
    CHECK(Describe(child.Wait(30s)) == "exit 0");
    std::string said = ReadAllOf(folder_ + "/out");
    auto last = said.rfind(' ');
    REQUIRE(last != std::string::npos);
    return {said.substr(0, last), std::stoi(said.substr(last))};
  }

 private:
  std::string call_;
  std::string folder_;
  std::unique_ptr<Child> native_;
  std::unique_ptr<Job> job_;
};

std::vector<std::string> AllCalls() {
  Spawn list;
  list.command = {kGuest, "--list"};
  std::istringstream lines(RunToEnd(list).out);
  std::vector<std::string> calls;
  for (std::string line; std::getline(lines, line);) {
    calls.push_back(line);
  }
  return calls;
}

// All calls, each natively and as a job, and what is done to both.
class Calls {
 public:
  // `away`: where the jobs are when they make their calls.
  Calls(Cluster& cluster, std::vector<std::string> how, const std::string& away,
        int seconds)
      : cluster_(cluster), millis_(1000 * seconds) {
    how.insert(how.begin(), std::to_string(seconds));
    for (const char* kind : {"/native", "/job"}) {
      REQUIRE(::mkdir((cluster.folder() + kind).c_str(), 0700) == 0);
    }
    for (const auto& call : AllCalls()) {
      natives_.push_back(std::make_unique<Waiting>(cluster.folder() + "/native",
                                                   call, how, nullptr));
      jobs_.push_back(std::make_unique<Waiting>(cluster.folder() + "/job", call,
                                                how, &cluster));
    }
    for (auto* list : {&natives_, &jobs_}) {
      for (auto& waiting : *list) {
        waiting->AwaitReady();
      }
    }
    if (!away.empty()) {
      for (auto& waiting : jobs_) {
        bool moved = waiting->job().MoveTo(away);
        INFO(waiting->call() << ": " << waiting->job().last_refusal());
        CHECK(moved == (waiting->call() != kAtHome));
      }
      CHECK(cluster.Bodies(away).size() == jobs_.size() - 1);
    }
    for (auto* list : {&natives_, &jobs_}) {
      for (auto& waiting : *list) {
        waiting->Release();
      }
    }
    Pause();
  }

  // Those that have come home for their calls may be there already.
  void MoveTo(const std::string& node) {
    for (auto& waiting : jobs_) {
      (void)waiting->job().MoveTo(node);
    }
    if (node != "n1") {
      CHECK(cluster_.Bodies(node).size() > jobs_.size() / 2);
    }
  }
  void Signal(int signal) {
    for (auto* list : {&natives_, &jobs_}) {
      for (auto& waiting : *list) {
        // One that a signal has ended may be gone by the next.
        (void)::kill(waiting->Pid(), signal);
      }
    }
    Pause();
  }
  void Compare() {
    for (std::size_t i = 0; i < jobs_.size(); ++i) {
      auto native = natives_[i]->End();
      auto job = jobs_[i]->End();
      INFO(jobs_[i]->call());
      CHECK(job.result == native.result);
      CHECK(Early(job.took) == Early(native.took));
      CHECK(job.took < native.took + kMore);
    }
  }

 private:
  // SIGALRM comes by home's clock. A process away reads one that is set by
  // messages, which a busy machine lets wait.
  [[nodiscard]] bool Early(int took) const { return took < millis_ - 100; }
  // Long enough for a call that begins again to be seen.
  static void Pause() { std::this_thread::sleep_for(1s); }

  Cluster& cluster_;
  int millis_;  // of a call that nothing interrupts
  std::vector<std::unique_ptr<Waiting>> natives_;
  std::vector<std::unique_ptr<Waiting>> jobs_;
};

// Where the jobs are when they make their calls ("": at home), where they are
// moved then, and what is done to them next: signals, nothing for none.
struct Way {
  std::string begins;
  std::vector<std::string> moves;
};
struct Event {
  std::string name;
  std::string handler;
  std::vector<int> signals;
};
const Event kNothing{"nothing", "restart", {}};
const Event kHandled{"a handler", "restart", {SIGUSR1, SIGUSR1}};
const Event kEnding{"a handler that ends it", "eintr", {SIGUSR1}};
const Event kIgnored{"ignored", "restart", {SIGWINCH, SIGURG}};
const Event kStopped{"a stop", "restart", {SIGSTOP, SIGCONT}};

void Check(const Way& way, const Event& event,
           const std::string& threads = "alone") {
  INFO("from " << way.begins << " by " << way.moves.size() << " moves, "
               << event.name << ", " << threads);
  // Moving all of them takes a second or two.
  auto moves = static_cast<int>(way.moves.size());
  Cluster cluster(3);
  Calls calls(cluster, {event.handler, threads}, way.begins, 5 + 3 * moves);
  for (const auto& node : way.moves) {
    calls.MoveTo(node);
  }
  for (int signal : event.signals) {
    calls.Signal(signal);
  }
  calls.Compare();
}

TEST_CASE("calls interrupted by moves onward and home", "[sample]") {
  Check({"n2", {"n3", "n1"}}, kNothing);
}
TEST_CASE("calls away, and a signal that is ignored", "[sample]") {
  Check({"n2", {}}, kIgnored);
}

TEST_CASE("calls away, and a handler with SA_RESTART") {
  Check({"n2", {}}, kHandled);
}
TEST_CASE("calls away, and a handler without SA_RESTART") {
  Check({"n2", {}}, kEnding);
}
TEST_CASE("calls away, and a stop") {
  Check({"n2", {}}, kStopped);
}

TEST_CASE("calls that began at home, away") {
  for (const auto& event : {kNothing, kHandled, kEnding, kIgnored, kStopped}) {
    Check({"", {"n2"}}, event);
  }
}
TEST_CASE("calls that began at home, and moved onward") {
  for (const auto& event : {kHandled, kEnding, kIgnored, kStopped}) {
    Check({"", {"n2", "n3"}}, event);
  }
}
TEST_CASE("calls that began away, at home") {
  for (const auto& event : {kHandled, kEnding, kIgnored, kStopped}) {
    Check({"n2", {"n1"}}, event);
  }
}
TEST_CASE("calls that began away, and moved onward") {
  for (const auto& event : {kHandled, kEnding, kIgnored, kStopped}) {
    Check({"n2", {"n3"}}, event);
  }
}

TEST_CASE("calls beside a thread, away") {
  for (const auto& event : {kHandled, kEnding, kIgnored, kStopped}) {
    Check({"n2", {}}, event, "threads");
  }
}
TEST_CASE("calls beside a thread, that began at home, away") {
  for (const auto& event : {kNothing, kHandled, kEnding, kIgnored, kStopped}) {
    Check({"", {"n2"}}, event, "threads");
  }
}
TEST_CASE("calls beside a thread, that began away, at home") {
  for (const auto& event : {kNothing, kHandled, kEnding, kIgnored, kStopped}) {
    Check({"n2", {"n1"}}, event, "threads");
  }
}
TEST_CASE("calls beside a thread, that began away, and moved onward") {
  for (const auto& event : {kNothing, kHandled, kEnding, kIgnored, kStopped}) {
    Check({"n2", {"n3"}}, event, "threads");
  }
}

TEST_CASE("calls beside a thread for which the process comes home") {
  for (const auto& event : {kNothing, kHandled, kEnding, kIgnored, kStopped}) {
    Check({"n2", {}}, event, "receiver");
  }
}

}  // namespace
}  // namespace ssi::test
