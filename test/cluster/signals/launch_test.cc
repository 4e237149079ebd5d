// Signals that meet CMD before it is executed: its process is there already,
// and what natively happens to it must happen.
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include <catch2/catch.hpp>

#include "support/cluster.h"

namespace ssi::test {
namespace {

using namespace std::chrono_literals;

// As soon as there is one: it waits to be let go then, or has just been.
pid_t EarlyChild(pid_t front) {
  for (;;) {
    for (pid_t supervisor : ChildrenOf(front)) {
      auto children = ChildrenOf(supervisor);
      if (!children.empty()) {
        return children[0];
      }
    }
    if (StateOf(front) == '-' || StateOf(front) == 'Z') {
      return -1;
    }
  }
}

bool Stopped(pid_t pid) {
  return StateOf(pid) == 'T' || StateOf(pid) == 't';
}

struct Started {
  Started(const Cluster& cluster, const std::vector<std::string>& options,
          const std::vector<std::string>& program)
      : front([&] {
          std::vector<std::string> words = {std::string(SSI_BIN_DIR) +
                                            "/ssirun"};
          words.insert(words.end(), options.begin(), options.end());
          words.insert(words.end(), program.begin(), program.end());
          Spawn spawn = cluster.Ours(words);
          spawn.new_session = true;  // so that it leads a group
          spawn.out = cluster.folder() + "/out";
          spawn.err = cluster.folder() + "/err";
          return spawn;
        }()),
        command(EarlyChild(front.pid())) {
    REQUIRE(command > 0);
  }
  Child front;
  pid_t command;
};

void CheckEarlyDeath(const std::vector<std::string>& options, int signal) {
  Cluster cluster;
  for (int i = 0; i < 8; ++i) {
    INFO("signal " << signal << ", round " << i);
    Started job(cluster, options, {"sleep", "1000"});
    ::kill(job.command, signal);
    auto status = job.front.Wait(15s);
    CHECK(Describe(status) == "signal " + std::to_string(signal));
    CHECK(Eventually([&] { return cluster.Bodies("n2").empty(); }, 10s));
    if (!status) {
      ::kill(job.command, SIGKILL);
    }
  }
}

void CheckEarlyStop(const std::vector<std::string>& options) {
  Cluster cluster;
  const std::string may_end = cluster.folder() + "/may-end";
  int seen_away = 0;
  // More, where each was met too late to leave.
  for (int i = 0; i < 4 || (!options.empty() && seen_away == 0 && i < 40);
       ++i) {
    INFO("round " << i);
    // It is there to be met in any case, and never sleeps nor forks.
    Started job(cluster, options,
                {"perl", "-e",
                 "until (-e q(may-end)) {for ($i = 0; $i < 20000; ++$i) {}} "
                 "print qq(ran\\n)"});
    ::kill(job.command, SIGSTOP);
    // Before exec, or, on a busy machine, after it: it stays stopped.
    CHECK(Eventually([&] { return Stopped(job.command); }, 10s));
    CHECK(Eventually([&] { return Stopped(job.front.pid()); }, 10s));
    CHECK(Stopped(job.command));
    ::kill(job.command, SIGCONT);
    // Met so late that it was about to leave, it stays at home.
    auto stays = [&] {
      std::string err = ReadAllOf(cluster.folder() + "/err");
      return err.find("runs at home") != std::string::npos &&
             err.find("is stopped") != std::string::npos;
    };
    if (!options.empty() && !stays()) {
      REQUIRE((cluster.SeenComputing("n2") || stays()));
      seen_away += stays() ? 0 : 1;
    }
    CHECK(ReadAllOf(cluster.folder() + "/out").empty());
    std::ofstream(may_end).close();
    auto status = job.front.Wait(15s);
    CHECK(Describe(status) == "exit 0");
    CHECK(ReadAllOf(cluster.folder() + "/out") == "ran\n");
    std::filesystem::remove(may_end);
    if (!status) {
      ::kill(job.command, SIGKILL);
    }
  }
  CHECK((options.empty() || seen_away > 0));
}

TEST_CASE("killed before it is executed", "[sample]") {
  const std::vector<std::string> options =
      GENERATE(as<std::vector<std::string>>{}, std::vector<std::string>{},
               std::vector<std::string>{"--on", "n2"});
  CheckEarlyDeath(options, SIGALRM);
  CheckEarlyDeath(options, SIGKILL);
}

// Through exec, the way to the entry point, the move, and the start there.
// To the process group, as a shell's kill %1 and a terminal send it, it reaches
// ssirun and CMD.
enum class To { kCommand, kGroup };

void CheckDeath(Started& job, To to) {
  constexpr int signal = SIGALRM;
  ::kill(to == To::kGroup ? -job.front.pid() : job.command, signal);
  auto status = job.front.Wait(15s);
  CHECK(Describe(status) == "signal " + std::to_string(signal));
  if (!status) {
    ::kill(job.command, SIGKILL);
  }
}

// The end of the way: it is there, and computes there.
void CheckDeathAway(const Cluster& cluster, To to) {
  CHECK(Eventually([&] { return cluster.Bodies("n2").empty(); }, 10s));
  {
    INFO("as soon as it is seen on n2");
    Started job(cluster, {"--on", "n2"}, {"sleep", "1000"});
    REQUIRE(Eventually([&] { return cluster.Bodies("n2").size() == 1; }, 15s));
    CheckDeath(job, to);
    CHECK(Eventually([&] { return cluster.Bodies("n2").empty(); }, 10s));
  }
  INFO("while it computes on n2");
  Started job(cluster, {"--on", "n2"}, {"perl", "-e", "1 while 1"});
  REQUIRE(cluster.SeenComputing("n2"));
  CheckDeath(job, to);
  CHECK(Eventually([&] { return cluster.Bodies("n2").empty(); }, 10s));
}

void CheckDeathAfter(To to, std::chrono::milliseconds step, int steps) {
  Cluster cluster;
  for (int i = 0; i < steps; ++i) {
    INFO("after " << (i * step).count() << " ms");
    Started job(cluster, {"--on", "n2"}, {"sleep", "1000"});
    std::this_thread::sleep_for(i * step);
    CheckDeath(job, to);
  }
  CheckDeathAway(cluster, to);
}

TEST_CASE("killed at some moments of the start", "[sample]") {
  CheckDeathAfter(GENERATE(To::kCommand, To::kGroup), 3ms, 12);
}
TEST_CASE("killed at any moment of the start") {
  for (int round = 0; round < 4; ++round) {
    CheckDeathAfter(To::kCommand, 1ms, 60);
    CheckDeathAfter(To::kGroup, 1ms, 60);
  }
}

TEST_CASE("stopped before it is executed", "[sample]") {
  SECTION("at home") {
    CheckEarlyStop({});
  }
  SECTION("--on n2") {
    CheckEarlyStop({"--on", "n2"});
  }
}

TEST_CASE("ssirun is killed while CMD is stopped and not executed yet",
          "[sample]") {
  Cluster cluster;
  for (bool on : {false, true}) {
    Started job(cluster,
                on ? std::vector<std::string>{"--on", "n2"}
                   : std::vector<std::string>{},
                {"sleep", "1000"});
    ::kill(job.command, SIGSTOP);
    CHECK(Eventually([&] { return Stopped(job.command); }, 10s));
    auto supervisor = ChildrenOf(job.front.pid());
    ::kill(job.front.pid(), SIGKILL);
    CHECK(Describe(job.front.Wait(10s)) == "signal 9");
    for (pid_t pid : {supervisor.at(0), job.command}) {
      CHECK(Eventually(
          [pid] { return StateOf(pid) == '-' || StateOf(pid) == 'Z'; }, 10s));
    }
  }
}

}  // namespace
}  // namespace ssi::test
