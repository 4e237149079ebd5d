// A node that has accepted a process and then finds no memory for it: the
// kernel itself refuses (RLIMIT_AS, inherited by everything of that node).
#include <catch2/catch.hpp>

#include "cluster/errors/errors_support.h"
#include "cluster/errors/extra_node.h"

namespace ssi::test {
namespace {

using namespace std::chrono_literals;
using Catch::Contains;

// Fills 300 MB, says so by a file, waits for another one, and prints what it
// has.
const CommandLine kLarge = {
    "perl", "-e",
    "$x = join '', map {chr(65 + $_ % 26)} 1 .. 1000; $x x= 300_000; "
    "open $f, '>', 'filled'; close $f; "
    "select undef, undef, undef, 0.02 until -e 'go'; "
    "print length $x, ' ', unpack('%32C*', substr $x, 0, 999_999), qq(\\n);"};
const std::string kLargeOutput = "300000000 77427923\n";

void Touch(const std::string& path) {
  Spawn touch;
  touch.command = {"touch", path};
  REQUIRE(Describe(RunToEnd(touch).status) == "exit 0");
}

bool Exists(const std::string& path) {
  Spawn test;
  test.command = {"test", "-e", path};
  return Describe(RunToEnd(test).status) == "exit 0";
}

TEST_CASE("a node without memory for the process: it goes on at home",
          "[sample][errors]") {
#ifdef __SANITIZE_ADDRESS__
  WARN("not under the address sanitizer, which reserves address space itself");
  return;
#endif
  Cluster cluster(1);
  ExtraNode::Plan plan;
  plan.under = {"prlimit", "--as=250000000", "--"};
  ExtraNode node(cluster, plan);
  node.AwaitUp();
  Spawn spawn;
  spawn.out = cluster.folder() + "/out";
  spawn.err = cluster.folder() + "/err";
  Job job(cluster, {}, kLarge, spawn);
  REQUIRE(job.CommandPid() > 0);
  REQUIRE(
      Eventually([&] { return Exists(cluster.folder() + "/filled"); }, 20s));
  CHECK_FALSE(job.MoveTo("n2"));
  INFO("log of n2:\n" << node.log());
  CHECK_THAT(job.last_refusal(), Contains("n2 is out of memory"));
  CHECK(node.LogSays("out of memory"));
  auto why = cluster.Ssictl({"why", std::to_string(job.CommandPid())});
  CHECK_THAT(why.out, Contains("n2 is out of memory"));
  CHECK(node.Bodies().empty());
  Touch(cluster.folder() + "/go");
  CHECK(Describe(job.front().Wait(20s)) == "exit 0");
  CHECK(ReadAllOf(spawn.out) == kLargeOutput);
  // The node is none the worse for it: what fits there still goes there.
  auto small = RunOn(cluster, "n2", ComputingCommand());
  CHECK(Describe(small.status) == "exit 0");
  CHECK(small.out == NativeOutput(ComputingCommand()));
  CHECK(small.err.empty());
}

}  // namespace
}  // namespace ssi::test
