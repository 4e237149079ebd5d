// PR_SET_DUMPABLE over moves: recorded away, in force at home, where it closes
// the process to everybody but root, ssi included.
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "cluster/errors/errors_support.h"

namespace ssi::test {
namespace {

using namespace std::chrono_literals;
using Catch::Contains;

// Says what PR_GET_DUMPABLE (3) answers each time that a file appears, and sets
// it (4) to what the file's name ends with.
const CommandLine kDumpable = {
    "perl", "-e",
    "$| = 1; for $step (qw(first-1 second-0 third-0 fourth-1 fifth-1)) {"
    "select undef, undef, undef, 0.02 until -e $step; "
    "$was = syscall(157, 3, 0, 0, 0, 0); $to = int substr $step, -1; "
    "$set = syscall(157, 4, $to, 0, 0, 0); $is = syscall(157, 3, 0, 0, 0, 0); "
    "print qq($step $was $set $is\\n);}"};

// Of the files below /proc/PID; the directory itself stays the user's.
uid_t OwnerOf(pid_t pid) {
  struct stat info {};
  ::stat(("/proc/" + std::to_string(pid) + "/environ").c_str(), &info);
  return info.st_uid;
}

class Steps {
 public:
  explicit Steps(const Cluster& cluster) : folder_(cluster.folder()) {}
  void Do(const std::string& step, const std::string& answer) {
    Spawn touch;
    touch.command = {"touch", folder_ + "/" + step};
    REQUIRE(Describe(RunToEnd(touch).status) == "exit 0");
    expected_ += step + " " + answer + "\n";
    CHECK(Eventually([&] { return ReadAllOf(folder_ + "/out") == expected_; },
                     10s));
  }

 private:
  std::string folder_;
  std::string expected_;
};

// Seen from outside: whether it is n2 that executes the program.
bool ArrivesOnN2(const Cluster& cluster) {
  return Eventually([&] { return cluster.Bodies("n2").size() == 1; }, 10s);
}
bool LeavesN2(const Cluster& cluster) {
  return Eventually([&] { return cluster.Bodies("n2").empty(); }, 10s);
}

TEST_CASE("a program that makes itself undumpable", "[sample][errors]") {
  Cluster cluster;
  Spawn spawn;
  spawn.out = cluster.folder() + "/out";
  Job job(cluster, {}, kDumpable, spawn);
  Steps steps(cluster);
  pid_t pid = job.CommandPid();
  REQUIRE(pid > 0);
  steps.Do("first-1", "1 0 1");
  CHECK(cluster.Bodies("n2").empty());
  REQUIRE(job.MoveTo("n2"));
  CHECK(ArrivesOnN2(cluster));
  steps.Do("second-0", "1 0 0");
  CHECK(cluster.Bodies("n2").size() == 1);
  REQUIRE(job.MoveTo("n1"));
  CHECK(LeavesN2(cluster));
  CHECK(OwnerOf(pid) == 0);  // closed, as natively
  bool root = ::geteuid() == 0;
  CHECK(job.MoveTo("n2") == root);
  if (root) {
    CHECK(ArrivesOnN2(cluster));
  } else {
    CHECK(cluster.Bodies("n2").empty());
    CHECK_THAT(job.last_refusal(), Contains("it is not dumpable"));
    auto why = cluster.Ssictl({"why", std::to_string(pid)});
    CHECK_THAT(why.out, Contains("it is not dumpable"));
  }
  steps.Do("third-0", "0 0 0");
  CHECK(cluster.Bodies("n2").size() == (root ? 1 : 0));
  if (root) {
    REQUIRE(job.MoveTo("n1"));
    CHECK(LeavesN2(cluster));
  }
  CHECK(OwnerOf(pid) == 0);
  // Opened again, it can be moved again.
  steps.Do("fourth-1", "0 0 1");
  REQUIRE(job.MoveTo("n2"));
  CHECK(ArrivesOnN2(cluster));
  steps.Do("fifth-1", "1 0 1");
  CHECK(Describe(job.front().Wait(10s)) == "exit 0");
}

}  // namespace
}  // namespace ssi::test
