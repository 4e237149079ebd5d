// A process that cannot be stopped for a while: the parent of a vfork whose
// child has not executed anything yet.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "base/unique_fd.h"
#include "cluster/errors/errors_support.h"

namespace ssi::test {
namespace {

using namespace std::chrono_literals;
using Catch::Contains;

// Before it executes true, the child opens a fifo, which waits for a writer.
// What follows takes as long as the file `over` is not there.
const CommandLine kSpawning = {
    "/usr/bin/python3", "-c",
    "import os, signal, sys, time\n"
    "signal.signal(signal.SIGUSR1, lambda *_: print('signal', flush=True))\n"
    "fifo = [(os.POSIX_SPAWN_OPEN, 0, 'fifo', os.O_RDONLY, 0)]\n"
    "print('spawns', flush=True)\n"
    "child = os.posix_spawn('/bin/true', ['true'], {}, file_actions=fifo)\n"
    "print('spawned', os.waitpid(child, 0)[1], flush=True)\n"
    "while not os.path.exists('over'): time.sleep(0.01)\n"
    "print('over', flush=True)\n"};

std::string TracerOf(pid_t pid) {
  auto status = ReadAllOf("/proc/" + std::to_string(pid) + "/status");
  auto at = status.find("TracerPid:\t");
  return at == std::string::npos
             ? "none"
             : status.substr(at, status.find('\n', at) - at);
}

class Spawner {
 public:
  Spawner() {
    REQUIRE(::mkfifo(InFolder("fifo").c_str(), 0600) == 0);
    Spawn spawn;
    spawn.out = InFolder("out");
    job_.emplace(cluster_, std::vector<std::string>{}, kSpawning, spawn);
    pid_ = job_->CommandPid();
    REQUIRE(pid_ > 0);
    REQUIRE(HasWritten("spawns\n"));
    REQUIRE(Eventually([&] { return ChildrenOf(pid_).size() == 1; }, 10s));
  }
  void RefusesToMove() {
    CHECK_FALSE(job_->MoveTo("n2"));
    CHECK_THAT(job_->last_refusal(),
               Contains("does not stop: it is in call clone3"));
    CHECK(cluster_.Bodies("n2").empty());
  }
  void LetItSpawn() {
    // Fails where nobody waits.
    UniqueFd writer(
        ::open(InFolder("fifo").c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
    REQUIRE(writer.get() >= 0);
  }
  bool IsLetGo() {
    return Eventually([&] { return TracerOf(pid_) == "TracerPid:\t0"; }, 10s);
  }
  bool HasWritten(const std::string& text) {
    return Eventually([&] { return ReadAllOf(InFolder("out")) == text; }, 10s);
  }
  // As it should be when its child is there.
  void MovesAndEnds(const std::string& said) {
    REQUIRE(job_->MoveTo("n2"));
    CHECK(Eventually([&] { return cluster_.Bodies("n2").size() == 1; }, 10s));
    UniqueFd over(
        ::open(InFolder("over").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    CHECK(Describe(job_->front().Wait(10s)) == "exit 0");
    CHECK(HasWritten(said + "over\n"));
  }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  [[nodiscard]] std::string InFolder(const std::string& name) const {
    return cluster_.folder() + "/" + name;
  }

  Cluster cluster_;
  std::optional<Job> job_;
  pid_t pid_ = 0;
};

TEST_CASE("a program that cannot be stopped for a while", "[sample][errors]") {
  Spawner spawner;
  spawner.RefusesToMove();
  spawner.RefusesToMove();  // while the first freeze still waits to take effect
  spawner.LetItSpawn();
  CHECK(spawner.IsLetGo());
  CHECK(spawner.HasWritten("spawns\nspawned 0\n"));
  spawner.MovesAndEnds("spawns\nspawned 0\n");
}

TEST_CASE("a signal for a program that cannot be stopped for a while",
          "[sample][errors]") {
  Spawner spawner;
  spawner.RefusesToMove();
  REQUIRE(::kill(spawner.pid(), SIGUSR1) == 0);
  spawner.LetItSpawn();
  CHECK(spawner.IsLetGo());
  CHECK(spawner.HasWritten("spawns\nsignal\nspawned 0\n"));
  spawner.MovesAndEnds("spawns\nsignal\nspawned 0\n");
}

}  // namespace
}  // namespace ssi::test
