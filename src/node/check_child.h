#ifndef SSI_NODE_CHECK_CHILD_H_
#define SSI_NODE_CHECK_CHILD_H_

#include <chrono>

#include "base/result.h"
#include "node/check_table.h"

namespace ssi {

// Runs `probe` in a child and ends with everything that it made, whatever it
// does: an Error also where it crashes or does not end within `limit`.
//
//   caller --> guard (subreaper) --> probe (a process group) --> its helpers
//
// The guard waits for the probe, kills the group and reaps all that is left,
// then hands over what the probe found. Should the caller be killed, each dies
// with its parent.
Result<Found> RunBounded(Probe probe, std::chrono::milliseconds limit);

}  // namespace ssi

#endif  // SSI_NODE_CHECK_CHILD_H_
