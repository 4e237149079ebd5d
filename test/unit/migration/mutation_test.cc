// The simulator is only worth what it can find: each of these machines is
// wrong in one way, and it must say so.
#include <array>

#include <catch2/catch.hpp>

#include "unit/migration/explore.h"
#include "unit/migration/mutations.h"

namespace ssi::migration::sim {
namespace {

constexpr std::array kDirections = {Direction::kDeparture, Direction::kReturn,
                                    Direction::kOnward};

// With the fewest faults that show it.
Report Find(const Mutant& mutant) {
  for (int faults = 0; faults <= 2; ++faults) {
    for (Direction direction : kDirections) {
      Report report = ExploreAll(
          direction, {faults, &mutant.mutation, nullptr, mutant.caught_by});
      if (!report.violation.empty()) {
        return report;
      }
    }
  }
  return {};
}

TEST_CASE("the simulator finds every wrong machine", "[migration]") {
  for (const Mutant& mutant : AllMutants()) {
    INFO(mutant.mutation.name);
    Report report = Find(mutant);
    CHECK(report.violation == mutant.caught_by);
    CHECK(report.trace != "");
  }
}

TEST_CASE("random schedules find wrong machines too", "[migration]") {
  for (const Mutant& mutant : AllMutants()) {
    bool found = false;
    for (Direction direction : kDirections) {
      Report report = ExploreRandomly(direction, 4, 1, 1000, &mutant.mutation);
      found = found || !report.violation.empty();
      if (found) {
        CHECK(report.trace.find("seed ") == 0);
        break;
      }
    }
    INFO(mutant.mutation.name);
    CHECK(found);
  }
}

}  // namespace
}  // namespace ssi::migration::sim
