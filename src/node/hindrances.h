// Settings of the administrator that forbid what the kernel could do.
#ifndef SSI_NODE_HINDRANCES_H_
#define SSI_NODE_HINDRANCES_H_

#include <string>

namespace ssi {

// What a setting concerns; a set of bits.
enum Hindrance : unsigned {
  kNoHindrance = 0,
  kHindersNamespaces = 1U << 0,
  kHindersTracing = 1U << 1,
  kHindersStrangers = 1U << 2,  // tracing of processes that are not below us
  kHindersFilters = 1U << 3,
  kHindersMemoryFiles = 1U << 4,
  kHindersCodeWrites = 1U << 5,
};

// Sentences that name the settings which are in force here, concern one of
// `concerns` and can explain why something is not there, each with what to do;
// "" where there are none. `root` is put before the paths (for tests).
std::string HindrancesInForce(unsigned concerns, const std::string& root = "");

}  // namespace ssi

#endif  // SSI_NODE_HINDRANCES_H_
