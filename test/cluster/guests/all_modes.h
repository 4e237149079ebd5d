// Guests in all modes: natively first, then at home under a cluster, placed on
// the other node, and hopping; each must do what it did natively.
#ifndef SSI_TEST_CLUSTER_GUESTS_ALL_MODES_H_
#define SSI_TEST_CLUSTER_GUESTS_ALL_MODES_H_

#include <vector>

#include "cluster/guests/guest_run.h"

namespace ssi::test {

// Catch2 assertions inside.
void CheckGuests(const std::vector<GuestRun>& guests, const GuestPace& pace);

}  // namespace ssi::test

#endif  // SSI_TEST_CLUSTER_GUESTS_ALL_MODES_H_
