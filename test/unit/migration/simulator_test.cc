// No schedule of messages, faults and timers breaks a move: never running
// twice, never silently gone. explore.h says what is tried, monitor.cc what
// must hold.
#include <array>

#include <catch2/catch.hpp>

#include "unit/migration/explore.h"

namespace ssi::migration::sim {
namespace {

constexpr std::array kDirections = {Direction::kDeparture, Direction::kReturn,
                                    Direction::kOnward};

Report MustHold(Direction direction, int faults, World::Met* met = nullptr) {
  Report report = ExploreAll(direction, {faults, nullptr, met, ""});
  INFO("direction " << static_cast<int>(direction) << ", faults " << faults
                    << ", states " << report.states);
  INFO(report.trace);
  CHECK(report.violation == "");
  return report;
}

void WalksMustHold(Direction direction, int faults, std::size_t walks) {
  Report report = ExploreRandomly(direction, faults, 1, walks);
  INFO("direction " << static_cast<int>(direction) << ", faults " << faults);
  INFO(report.trace);  // begins with the seed
  CHECK(report.violation == "");
  CHECK(report.ends == walks);
}

// The rules of a machine that no schedule has come to.
template <typename Machine>
std::size_t Unmet(Role role, const World::Met& met) {
  std::size_t unmet = 0;
  for (const auto& rule : Machine::Rules()) {
    auto state = static_cast<std::size_t>(rule.state);
    if (!met.contains({role, state, rule.key.event, rule.key.part})) {
      UNSCOPED_INFO(NameOf(role)
                    << " in state " << NameOf(rule.state) << ": event "
                    << rule.key.event << "." << rule.key.part);
      ++unmet;
    }
  }
  return unmet;
}

TEST_CASE("without a fault every order of events moves it", "[migration]") {
  for (Direction direction : kDirections) {
    Report report = MustHold(direction, 0);
    CHECK(report.outcomes.size() == 1);
    CHECK(report.outcomes[Outcome::kMoved] > 0);
  }
}

TEST_CASE("one fault at every point of every order", "[migration]") {
  for (Direction direction : kDirections) {
    Report report = MustHold(direction, 1);
    CHECK(report.outcomes.size() == 4);  // the faults lead to all of them
    CHECK(report.states > 1000);
  }
}

TEST_CASE("two faults at every point reach every rule of every machine",
          "[migration]") {
  World::Met met;
  for (Direction direction : kDirections) {
    MustHold(direction, 2, &met);
  }
  CHECK(Unmet<HomeMachine>(Role::kHome, met) == 0);
  CHECK(Unmet<SourceMachine>(Role::kSource, met) == 0);
  CHECK(Unmet<TargetMachine>(Role::kTarget, met) == 0);
}

TEST_CASE("random schedules with many faults", "[migration]") {
  for (Direction direction : kDirections) {
    WalksMustHold(direction, 5, 2000);
  }
}

TEST_CASE("three and four faults at every point", "[migration][.long]") {
  for (Direction direction : kDirections) {
    WARN(MustHold(direction, 3).states << " states with three faults");
  }
  WARN(MustHold(Direction::kDeparture, 4).states << " states with four");
}

TEST_CASE("very many random schedules", "[migration][.long]") {
  for (Direction direction : kDirections) {
    for (int faults = 3; faults <= 10; ++faults) {
      WalksMustHold(direction, faults, 20000);
    }
  }
}

}  // namespace
}  // namespace ssi::migration::sim
