// The CPUs that a process may use.
#ifndef SSI_BASE_CPUS_H_
#define SSI_BASE_CPUS_H_

#include <sys/types.h>

#include <span>
#include <vector>

namespace ssi {

// Those of this process, by number.
std::vector<unsigned> AllowedCpus();
// Process `pid` keeps of its CPUs those of `cpus`: a node's share, where it has
// only one. Nothing changes where the list is empty or has none of them.
void PinTo(pid_t pid, std::span<const unsigned> cpus);

}  // namespace ssi

#endif  // SSI_BASE_CPUS_H_
