#ifndef SSI_DEPUTY_KEPT_FILE_H_
#define SSI_DEPUTY_KEPT_FILE_H_

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "process/call_runner.h"
#include "process/memory.h"
#include "process/vmas.h"

namespace ssi {

// The file of a private mapping that only the mapping still has: its name is
// gone and nobody holds it open.
struct KeptFile {
  std::uint64_t end = 0;  // of what can be read, in the file
  UniqueFd bytes;         // a copy, where the memory cannot be read for it
};

// What can be had of it from `pid`, which is stopped or in its agent. Below
// the pages that the process has `changed` the file shows when they are given
// up for a moment; they are put back at once. Fails, with the memory as it was,
// where the kernel does not let them go (sealed memory).
Result<KeptFile> ReadKeptFile(HostPid pid, CallRunner& runner, const Vma& vma,
                              const std::vector<MemoryRun>& changed);

// Gives up the process's own pages of a private mapping: it shows its file.
void AddGiveUp(CallBatch& batch, const MemoryRun& run);

}  // namespace ssi

#endif  // SSI_DEPUTY_KEPT_FILE_H_
