// The other node dies, or its connection breaks, at each step of a move.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

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

// Every step of a move in which the other node dies or its connection breaks.
// Before the commit the program goes on at home; after it, it ends with a
// message that names the node, and status 125. In no case anything is left.
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
  if (before_commit || after_return) {
    CHECK(Describe(status) == "exit 0");
  } else {
    CHECK(Describe(status) == "exit 125");
  }
}

TEST_CASE("the other node is killed at each step", "[sample][errors][faults]") {
  auto points = fault::Points();
  for (const auto& point : points) {
    DYNAMIC_SECTION(std::string(point)) {
      CheckFault(std::string(point), "kill");
    }
  }
}

// Two cases, because home waits a while for what may still compute there.
bool OfTheWayBack(std::string_view point) {
  return point == "guest.freezing" || point == "guest.sending" ||
         point == "guest.held" || point == "guest.destroying";
}

void CheckCuts(bool way_back) {
  for (const auto& point : fault::Points()) {
    // Nothing at a call can cut.
    if (point != "guest.call" && OfTheWayBack(point) == way_back) {
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

}  // namespace
}  // namespace ssi::test
