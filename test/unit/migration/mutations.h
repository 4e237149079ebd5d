// Machines that are wrong in one way each, which the simulator must find.
#ifndef SSI_TEST_UNIT_MIGRATION_MUTATIONS_H_
#define SSI_TEST_UNIT_MIGRATION_MUTATIONS_H_

#include <string>
#include <vector>

#include "unit/migration/world.h"

namespace ssi::migration::sim {

struct Mutant {
  Mutation mutation;
  std::string caught_by;  // the violation that it must lead to
};

[[nodiscard]] std::vector<Mutant> AllMutants();

}  // namespace ssi::migration::sim

#endif  // SSI_TEST_UNIT_MIGRATION_MUTATIONS_H_
