// What the process changed of itself where it computes, and home must follow.
#ifndef SSI_PROCESS_TOLD_H_
#define SSI_PROCESS_TOLD_H_

#include <cstdint>

#include "process/kernel.h"

namespace ssi {

// The payload of a kTold frame, as it is in memory. Carried out by the
// stand-in in the order of arrival, before any later call.
struct Told {
  enum class Kind : std::uint32_t {
    kMask = 1,    // the signal mask is `mask`
    kAction = 2,  // rt_sigaction(signal, action)
  };
  Kind kind{};
  std::int32_t signal = 0;
  std::uint64_t mask = 0;
  KernelSigaction action;
};
static_assert(sizeof(Told) == 48);

}  // namespace ssi

#endif  // SSI_PROCESS_TOLD_H_
