#ifndef SSI_PROCESS_PRIVATE_MEMORY_H_
#define SSI_PROCESS_PRIVATE_MEMORY_H_

#include <cstdint>

#include "base/ids.h"

namespace ssi {

// The bytes of its own that a process has in memory or in swap, which a move
// would send; by /proc/TID/status of a thread that lives, 0 where it is gone.
std::uint64_t PrivateMemoryOf(HostPid thread);

}  // namespace ssi

#endif  // SSI_PROCESS_PRIVATE_MEMORY_H_
