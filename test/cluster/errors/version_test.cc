// Nodes of different releases. The other release is a real ssid, built here
// with another version number (test/cluster/errors/tests.cmake).
#include "proto/version.h"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "cluster/errors/errors_support.h"
#include "cluster/errors/extra_node.h"

namespace ssi::test {
namespace {

using namespace std::chrono_literals;
using Catch::Contains;

std::string OtherBuild(const std::string& name) {
  return std::string(SSI_BIN_DIR) + "/../tests/" + name;
}

TEST_CASE("a node of another protocol does not get in, and both say why",
          "[sample][errors]") {
  Cluster cluster(1);
  Spawn spawn;
  spawn.out = cluster.folder() + "/out";
  Job job(cluster, {}, ComputingCommand(), spawn);
  REQUIRE(job.CommandPid() > 0);
  ExtraNode::Plan plan;
  plan.program = OtherBuild("ssid_of_next_protocol");
  ExtraNode next(cluster, plan);
  // Both versions, on both sides.
  int ours = proto::kVersion;
  CHECK(next.LogSays(
      fmt::format("the peer speaks protocol version {}, this node version {}",
                  ours, ours + 1)));
  CHECK(Eventually(
      [&] {
        return cluster.log("n1").find(fmt::format(
                   "the peer speaks protocol version {}, this node version "
                   "{}: install the same release of ssi on both",
                   ours + 1, ours)) != std::string::npos;
      },
      10s));
  CHECK(next.Runs());
  auto nodes = cluster.Ssictl({"nodes"});
  CHECK(nodes.out.find("n2") == std::string::npos);
  CHECK_FALSE(job.MoveTo("n2"));
  CHECK_THAT(job.last_refusal(), Contains("no node n2"));
  CHECK(Describe(job.front().Wait(60s)) == "exit 0");
  CHECK(ReadAllOf(spawn.out) == NativeOutput(ComputingCommand()));
}

TEST_CASE("another release of the same protocol refuses, and CMD runs at home",
          "[sample][errors]") {
  Cluster cluster(1);
  ExtraNode::Plan plan;
  plan.program = OtherBuild("ssid_of_other_release");
  ExtraNode other(cluster, plan);
  other.AwaitUp();
  auto run = RunOn(cluster, "n2", ComputingCommand());
  CHECK(Describe(run.status) == "exit 0");
  CHECK(run.out == NativeOutput(ComputingCommand()));
  CHECK_THAT(run.err,
             Contains("runs at home: n2 refused: n2 runs ssi 99.9 (") &&
                 Contains(", and home runs ssi 0."));
  CHECK(other.LogSays("refused: n2 runs ssi 99.9 ("));
}

}  // namespace
}  // namespace ssi::test
