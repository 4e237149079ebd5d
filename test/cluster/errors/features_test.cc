// Kernels that lack something. `without` plays them with a filter that answers
// as such a kernel does; one feature that a filter cannot tell is taken away
// by SSI_PROBE.
#include <catch2/catch.hpp>

#include "cluster/errors/errors_support.h"
#include "cluster/errors/extra_node.h"

namespace ssi::test {
namespace {

using namespace std::chrono_literals;
using Catch::Contains;

const std::string kWithout = std::string(SSI_BIN_DIR) + "/../tests/without";

CommandLine Without(const std::string& features, const CommandLine& command) {
  CommandLine words = {kWithout, features};
  words.insert(words.end(), command.begin(), command.end());
  return words;
}

// What `ssictl check` says where a feature is missing: not ok, with the words
// of its line, and something to do.
void CheckSaysSo(const Spawn& check, const std::string& id) {
  auto said = RunToEnd(check);
  INFO(said.out << said.err);
  auto at = said.out.find("\"id\": \"" + id + "\"");
  REQUIRE(at != std::string::npos);
  std::string row = said.out.substr(at, said.out.find('}', at) - at);
  CHECK_THAT(row, !Contains("\"state\": \"ok\"") && Contains("\"advice\": \""));
}

void CheckRefusal(const Cluster& cluster, const std::string& id) {
  auto run = RunOn(cluster, "n2", ComputingCommand());
  CHECK(Describe(run.status) == "exit 0");
  CHECK(run.out == NativeOutput(ComputingCommand()));
  CHECK_THAT(run.err, Contains("runs at home: n2: ") &&
                          Contains("(see " + id + " in what ssictl check"));
}

TEST_CASE("a node that lacks what guests need: named, and CMD runs at home",
          "[sample][errors]") {
  auto [absent, id] = GENERATE(table<std::string, std::string>(
      {{"time_namespace", "time_namespace"}, {"user_namespace", "sandbox"}}));
  DYNAMIC_SECTION(absent) {
    Cluster cluster(1);
    ExtraNode::Plan plan;
    plan.under = {kWithout, absent};
    ExtraNode node(cluster, plan);
    node.AwaitUp();
    CheckRefusal(cluster, id);
    CHECK(node.Bodies().empty());
    CheckSaysSo(
        cluster.Ours(Without(
            absent, {std::string(SSI_BIN_DIR) + "/ssictl", "check", "--json"})),
        absent);
  }
}

TEST_CASE("a node that cannot give a guest its pid", "[sample][errors]") {
  Environment probe("SSI_LOCAL_PROBE", "-set_tid");
  Cluster cluster;
  CheckRefusal(cluster, "set_tid");
  CHECK(cluster.Bodies("n2").empty());
  Environment here("SSI_PROBE", "-set_tid");
  CheckSaysSo(
      cluster.Ours({std::string(SSI_BIN_DIR) + "/ssictl", "check", "--json"}),
      "set_tid");
}

// Optional ones: the program moves all the same, both ways.
TEST_CASE("kernels without the newest calls are good enough",
          "[sample][errors]") {
  const std::string absent = "wait_killable,pagemap_scan,futex_waitv";
  Cluster cluster(1);
  ExtraNode::Plan plan;
  plan.under = {kWithout, absent};
  ExtraNode node(cluster, plan);
  node.AwaitUp();
  Spawn spawn = cluster.Ours(
      Without(absent, {std::string(SSI_BIN_DIR) + "/ssirun", "--on", "n2"}));
  spawn.command.insert(spawn.command.end(), ComputingCommand().begin(),
                       ComputingCommand().end());
  spawn.out = cluster.folder() + "/out";
  spawn.err = cluster.folder() + "/err";
  Child front(spawn);
  REQUIRE(Eventually([&] { return node.Bodies().size() == 1; }, 10s));
  auto below = DescendantsOf(front.pid());
  REQUIRE(below.size() == 2);
  // Its body is there before the move is over.
  Output home;
  CHECK(Eventually(
      [&] {
        home = cluster.Ssictl({"home", std::to_string(below[1])});
        return Describe(home.status) == "exit 0" ||
               home.err.find("under way") == std::string::npos;
      },
      10s));
  INFO(home.err);
  CHECK(Describe(home.status) == "exit 0");
  // The copy ends when its node has heard that it is not needed.
  CHECK(Eventually([&] { return node.Bodies().empty(); }, 10s));
  CHECK(Describe(front.Wait(60s)) == "exit 0");
  CHECK(ReadAllOf(spawn.out) == NativeOutput(ComputingCommand()));
  CHECK(ReadAllOf(spawn.err).empty());
  for (const char* id : {"wait_killable", "pagemap_scan", "futex_waitv"}) {
    CheckSaysSo(cluster.Ours(Without(id, {std::string(SSI_BIN_DIR) + "/ssictl",
                                          "check", "--json"})),
                id);
  }
}

}  // namespace
}  // namespace ssi::test
