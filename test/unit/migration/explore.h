// Two ways through the schedules of a World: all of them with a few faults,
// and long random ones with many.
#ifndef SSI_TEST_UNIT_MIGRATION_EXPLORE_H_
#define SSI_TEST_UNIT_MIGRATION_EXPLORE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "unit/migration/world.h"

namespace ssi::migration::sim {

struct Report {
  std::size_t states = 0;  // different ones
  std::size_t ends = 0;    // different ones in which nothing is left to happen
  std::map<Outcome, std::size_t> outcomes;  // of home, at those ends
  std::string violation;                    // the first, or ""
  std::string trace;                        // how it came to it
};

struct Options {
  int faults = 0;
  const Mutation* mutation = nullptr;
  World::Met* met = nullptr;
  std::string wanted;  // pass over other violations
};

// Every order of events with at most so many faults at any points. Stops at
// the first violation.
[[nodiscard]] Report ExploreAll(Direction direction, const Options& options);

// `walks` random schedules with up to `faults` faults each; walk number n has
// the seed `seed` + n, which the trace names.
[[nodiscard]] Report ExploreRandomly(Direction direction, int faults,
                                     std::uint64_t seed, std::size_t walks,
                                     const Mutation* mutation = nullptr);

}  // namespace ssi::migration::sim

#endif  // SSI_TEST_UNIT_MIGRATION_EXPLORE_H_
