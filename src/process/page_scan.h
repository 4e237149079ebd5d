// Which pages of a process have contents that must travel.
#ifndef SSI_PROCESS_PAGE_SCAN_H_
#define SSI_PROCESS_PAGE_SCAN_H_

#include <cstdint>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "process/memory.h"
#include "process/vmas.h"

namespace ssi {

struct ScannedPages {
  std::vector<MemoryRun> contents;  // own pages, present or swapped
  std::vector<MemoryRun> guards;    // lightweight guard pages (Linux 6.13)
};

// Reads /proc/PID/pagemap, by PAGEMAP_SCAN (Linux 6.7) or page by page.
//
// Threads: any. Needs no stopped process, but only a stopped one gives an
// answer that is still true when it is used.
class PageScanner {
 public:
  enum class Method { kBest, kPagemapRead };
  static Result<PageScanner> Open(HostPid pid, Method method = Method::kBest);

  // The pages of `vma` that belong to the process alone: of anonymous memory
  // all that were ever touched, of a private file mapping those that were
  // written to. Pages that map the kernel's zero page are left out. Appends.
  Status Scan(const Vma& vma, ScannedPages& pages) const;

 private:
  PageScanner(UniqueFd fd, HostPid pid, Method method)
      : fd_(std::move(fd)), pid_(pid), method_(method) {}
  Status ScanByIoctl(const Vma& vma, ScannedPages& pages) const;
  Status ScanByRead(const Vma& vma, ScannedPages& pages) const;
  // Where nothing of a large area is in memory or swapped: page by page that
  // would take seconds for a terabyte, of which programs reserve many.
  [[nodiscard]] bool LargeAndEmpty(const Vma& vma) const;

  UniqueFd fd_;
  HostPid pid_;
  Method method_;
};

}  // namespace ssi

#endif  // SSI_PROCESS_PAGE_SCAN_H_
