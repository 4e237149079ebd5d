// A signal that finds its process in a call that the remote has not seen yet:
// the call was not begun. Natively it would begin after the handler, and calls
// that do not wait never fail for it.
#include <signal.h>

#include <catch2/catch.hpp>

#include "support/cluster.h"

namespace ssi::test {
namespace {

using namespace std::chrono_literals;

// Asks whether itself is there, again and again, until it has had 200 signals.
const std::vector<std::string> kAsks = {
    "perl", "-e",
    "$| = 1; $SIG{USR1} = sub { $signals++ }; print qq(asks\\n);"
    "until ($signals >= 200) { kill(0, $$) or $failed++ } $SIG{USR1} = "
    "q(IGNORE);"
    "print qq(failed ), $failed + 0, qq(\\n);"};

TEST_CASE("signals before the remote has seen a call", "[sample]") {
  Cluster cluster;
  Spawn spawn;
  spawn.out = cluster.folder() + "/out";
  Job job(cluster, {"--on", "n2"}, kAsks, spawn);
  REQUIRE(Eventually([&] { return ReadAllOf(spawn.out) == "asks\n"; }, 10s));
  REQUIRE(cluster.Bodies("n2").size() == 1);
  pid_t pid = job.CommandPid();
  bool over = Eventually(
      [&] {
        ::kill(pid, SIGUSR1);
        return ReadAllOf(spawn.out).find("failed") != std::string::npos;
      },
      40s);
  CHECK(over);
  CHECK(Describe(job.front().Wait(10s)) == "exit 0");
  CHECK(ReadAllOf(spawn.out) == "asks\nfailed 0\n");
}

}  // namespace
}  // namespace ssi::test
