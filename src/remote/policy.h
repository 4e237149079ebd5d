// What this node offers to guests: values, decided by its daemon.
#ifndef SSI_REMOTE_POLICY_H_
#define SSI_REMOTE_POLICY_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "migration/limits.h"

namespace ssi {

struct GuestPolicy {
  std::string node;                // this one's name
  std::uint64_t memory_limit = 0;  // bytes for one guest; 0: what is free
  std::string refuse;              // why it takes no guests; empty: it does
  std::vector<unsigned> cpus;      // the node's share; empty: all
  std::chrono::nanoseconds grace = migration::kGracePeriod;
};

}  // namespace ssi

#endif  // SSI_REMOTE_POLICY_H_
