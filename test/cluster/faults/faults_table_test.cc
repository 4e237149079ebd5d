// Each step of each way, each process of each node that takes part, each kind
// of fault; and a thousand at random.
//
// A random one that failed is run again, alone, by
//   SSI_FAULT_SEED=N fault_runs_test "one by its seed"
// and one of the table by SSI_FAULT_STEP=POINT (all ways, victims and kinds).
#include <cstdlib>
#include <iostream>

#include <catch2/catch.hpp>

#include "cluster/faults/fault_run.h"

namespace ssi::test {
namespace {

void Judge(const std::vector<Scenario>& scenarios,
           const std::vector<std::string>& names, bool all_reached) {
  auto failed = RunAll(scenarios, names, all_reached);
  std::cout << failed.runs << " runs:";
  for (const auto& [end, times] : failed.ends) {
    std::cout << " " << end << " " << times << " times;";
  }
  std::cout << "\n" << failed.text << std::flush;
  CHECK(failed.runs == scenarios.size());
  CHECK(failed.text.empty());
}

void JudgeTable(const std::vector<Scenario>& table) {
  std::vector<std::string> names(table.size(), "table");
  Judge(table, names, true);
}

void JudgeTable(Way way, Kind kind) {
  JudgeTable(TableOf(way, kind));
}

TEST_CASE("kill on the way there") {
  JudgeTable(Way::kThere, Kind::kKill);
}
TEST_CASE("kill on the way back") {
  JudgeTable(Way::kBack, Kind::kKill);
}
TEST_CASE("kill on the way onward") {
  JudgeTable(Way::kOnward, Kind::kKill);
}
TEST_CASE("stop on the way there") {
  JudgeTable(Way::kThere, Kind::kStop);
}
TEST_CASE("stop on the way back") {
  JudgeTable(Way::kBack, Kind::kStop);
}
TEST_CASE("stop on the way onward") {
  JudgeTable(Way::kOnward, Kind::kStop);
}
TEST_CASE("stop for a while on the way there") {
  JudgeTable(Way::kThere, Kind::kStopForAWhile);
}
TEST_CASE("stop for a while on the way back") {
  JudgeTable(Way::kBack, Kind::kStopForAWhile);
}
TEST_CASE("stop for a while on the way onward") {
  JudgeTable(Way::kOnward, Kind::kStopForAWhile);
}
TEST_CASE("no memory on the way there") {
  JudgeTable(Way::kThere, Kind::kMemory);
}
TEST_CASE("no memory on the way back") {
  JudgeTable(Way::kBack, Kind::kMemory);
}
TEST_CASE("no memory on the way onward") {
  JudgeTable(Way::kOnward, Kind::kMemory);
}
TEST_CASE("no descriptors on the way there") {
  JudgeTable(Way::kThere, Kind::kDescriptors);
}
TEST_CASE("no descriptors on the way back") {
  JudgeTable(Way::kBack, Kind::kDescriptors);
}
TEST_CASE("no descriptors on the way onward") {
  JudgeTable(Way::kOnward, Kind::kDescriptors);
}

// One of each kind, at the steps around GO, where each matters most.
TEST_CASE("a fault of each kind", "[sample]") {
  std::vector<Scenario> some;
  auto take = [&some](Way way, Kind kind, std::string_view point, int node) {
    for (const auto& scenario : TableOf(way, kind)) {
      if (scenario.step.point == point && scenario.victim.node == node &&
          scenario.victim.who == Who::kSupervisor) {
        some.push_back(scenario);
      }
    }
  };
  take(Way::kThere, Kind::kMemory, "guest.image", 2);
  take(Way::kBack, Kind::kDescriptors, "home.receiving", 1);
  take(Way::kBack, Kind::kStopForAWhile, "home.refilled", 2);
  take(Way::kOnward, Kind::kKill, "guest.rebuilt", 3);
  take(Way::kOnward, Kind::kKill, "guest.started", 2);
  take(Way::kOnward, Kind::kKill, "home.committing", 1);
  // Home reads in one go that it runs at n3 and that it wants to come home.
  take(Way::kOnward, Kind::kStopForAWhile, "guest.started", 1);
  some.back().program = 2;
  JudgeTable(some);
}

constexpr std::size_t kEach = 100;

void JudgeHundred(std::uint64_t from) {
  std::vector<Scenario> scenarios;
  std::vector<std::string> names;
  for (std::uint64_t seed = from; seed < from + kEach; ++seed) {
    scenarios.push_back(RandomScenario(seed));
    names.push_back("seed " + std::to_string(seed));
  }
  Judge(scenarios, names, false);
}

TEST_CASE("random faults 0 to 99") {
  JudgeHundred(0);
}
TEST_CASE("random faults 100 to 199") {
  JudgeHundred(100);
}
TEST_CASE("random faults 200 to 299") {
  JudgeHundred(200);
}
TEST_CASE("random faults 300 to 399") {
  JudgeHundred(300);
}
TEST_CASE("random faults 400 to 499") {
  JudgeHundred(400);
}
TEST_CASE("random faults 500 to 599") {
  JudgeHundred(500);
}
TEST_CASE("random faults 600 to 699") {
  JudgeHundred(600);
}
TEST_CASE("random faults 700 to 799") {
  JudgeHundred(700);
}
TEST_CASE("random faults 800 to 899") {
  JudgeHundred(800);
}
TEST_CASE("random faults 900 to 999") {
  JudgeHundred(900);
}

TEST_CASE("one by its seed", "[.]") {
  const char* text = std::getenv("SSI_FAULT_SEED");
  REQUIRE(text != nullptr);
  Judge({RandomScenario(std::strtoull(text, nullptr, 10))}, {"this seed"},
        false);
}

TEST_CASE("one step", "[.]") {
  const char* text = std::getenv("SSI_FAULT_STEP");
  REQUIRE(text != nullptr);
  std::vector<Scenario> all;
  for (Way way : {Way::kThere, Way::kBack, Way::kOnward}) {
    for (Kind kind : {Kind::kKill, Kind::kStop, Kind::kStopForAWhile,
                      Kind::kMemory, Kind::kDescriptors}) {
      for (auto& scenario : TableOf(way, kind)) {
        if (scenario.step.point == text) {
          all.push_back(std::move(scenario));
        }
      }
    }
  }
  JudgeTable(all);
}

}  // namespace
}  // namespace ssi::test
