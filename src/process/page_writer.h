#ifndef SSI_PROCESS_PAGE_WRITER_H_
#define SSI_PROCESS_PAGE_WRITER_H_

#include <optional>
#include <span>

#include "base/ids.h"
#include "base/result.h"
#include "process/memory.h"

namespace ssi {

// Writes pages into a process under construction.
//
// Threads: any one.
class PageWriter {
 public:
  explicit PageWriter(HostPid pid) : pid_(pid) {}
  // Into writable areas directly; into others through /proc/PID/mem, which
  // makes private copies of file pages as a debugger does.
  Status Write(std::span<const MemoryRun> runs,
               std::span<const std::byte> data);

 private:
  HostPid pid_;
  std::optional<MemoryFile> forced_;
};

}  // namespace ssi

#endif  // SSI_PROCESS_PAGE_WRITER_H_
