// Home's vdso goes along, whatever the kernel of the other node, and leads to
// the local one.
#include <unistd.h>

#include <fstream>
#include <set>
#include <sstream>

#include <catch2/catch.hpp>

#include "cluster/guests/all_modes.h"

namespace ssi::test {
namespace {

using namespace std::chrono_literals;

std::string LineOf(pid_t pid, const std::string& what) {
  std::istringstream maps(ReadAllOf("/proc/" + std::to_string(pid) + "/maps"));
  for (std::string line; std::getline(maps, line);) {
    if (line.find(what) != std::string::npos) {
      return line;
    }
  }
  return "none";
}

// All that has code, by its lines.
std::set<std::string> CodeOf(pid_t pid) {
  std::istringstream maps(ReadAllOf("/proc/" + std::to_string(pid) + "/maps"));
  std::set<std::string> code;
  for (std::string line; std::getline(maps, line);) {
    if (line.find("x") < line.find("p ")) {
      code.insert(line);
    }
  }
  return code;
}

std::string RangeOf(const std::string& line) {
  return line.substr(0, line.find(' '));
}

TEST_CASE("home's vdso is plain memory away, and the local one is aside",
          "[sample]") {
  Cluster cluster(3);
  Job job(cluster, {}, {std::string(SSI_GUEST_DIR) + "/clock_reading", "60"});
  pid_t pid = job.CommandPid();
  std::string home = LineOf(pid, "[vdso]");
  REQUIRE(home != "none");
  // Loaded by then.
  REQUIRE(job.MoveTo("n2"));
  REQUIRE(cluster.SeenComputing("n2"));
  REQUIRE(job.MoveTo("n1"));
  const auto code = CodeOf(pid);
  for (const char* node : {"n2", "n3", "n2"}) {
    REQUIRE(job.MoveTo(node));
    REQUIRE(cluster.SeenComputing(node));
    auto bodies = cluster.Bodies(node);
    REQUIRE(bodies.size() == 1);
    std::string carried = LineOf(bodies[0], RangeOf(home));
    INFO(ReadAllOf("/proc/" + std::to_string(bodies[0]) + "/maps"));
    CHECK(carried.find("r-xp") != std::string::npos);
    CHECK(carried.find("[vdso]") == std::string::npos);
    CHECK(LineOf(bodies[0], "[vdso]") != "none");
    CHECK(RangeOf(LineOf(bodies[0], "[vdso]")) != RangeOf(home));
  }
  REQUIRE(job.MoveTo("n1"));
  CHECK(LineOf(pid, "[vdso]") == home);
  CHECK(CodeOf(pid) == code);  // nothing of it is left
  CHECK(job.front().Runs());
}

// Wherever the jumps of the carried vdso are, the handler returns to the code
// that was there.
TEST_CASE("a handler that came at the start of a clock returns to it elsewhere",
          "[sample]") {
  Cluster cluster(3);
  Spawn spawn;
  spawn.out = cluster.folder() + "/out";
  const std::string& folder = cluster.folder();
  Job job(cluster, {}, {std::string(SSI_GUEST_DIR) + "/torn_clocks", folder},
          spawn);
  REQUIRE(job.CommandPid() > 0);
  auto said = [&folder](const char* what) {
    std::string file = folder + "/" + what;
    return Eventually([&file] { return ::unlink(file.c_str()) == 0; }, 10s);
  };
  auto move = [&job](const char* node) {
    bool moved = job.MoveTo(node);
    INFO(job.last_refusal());
    REQUIRE(moved);
  };
  auto tell = [&folder](const char* what) {
    std::ofstream file(folder + "/" + what);
  };
  constexpr int kClocks = 12;
  for (int i = 0; i < kClocks; ++i) {
    CAPTURE(i);
    REQUIRE(said("ready"));
    tell("begin");
    REQUIRE(said("held"));
    move("n2");
    CHECK(cluster.Bodies("n2").size() == 1);
    if (i % 2 == 1) {
      move("n3");
      CHECK(cluster.Bodies("n3").size() == 1);
    }
    tell("return");
    if (i + 1 < kClocks) {
      REQUIRE(Eventually(
          [&] { return ::access((folder + "/ready").c_str(), F_OK) == 0; },
          10s));
      move("n1");
    }
  }
  CHECK(Describe(job.front().Wait(20s)) == "exit 0");
  CHECK(ReadAllOf(spawn.out) == "PASS\n");
}

}  // namespace
}  // namespace ssi::test
