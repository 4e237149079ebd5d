#ifndef SSI_PROCESS_PAGE_READER_H_
#define SSI_PROCESS_PAGE_READER_H_

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "process/memory.h"
#include "process/vmas.h"

namespace ssi {

// Pieces of memory and their contents, one after the other.
struct PageBatch {
  std::vector<MemoryRun> runs;
  std::span<const std::byte> data;  // valid until the next call of Next
};

// Reads the pages that must travel, in batches, and leaves out those that are
// all zero and lie over no file: the other side has zeros there already.
//
// Threads: any one; the process must stay stopped (or parked in its agent).
class PageReader {
 public:
  // process_vm_readv is fastest at 256 KiB to 1 MiB (design, section 5); the
  // smaller one stays in the cache for the checksum and the encryption.
  static constexpr std::size_t kBatchSize = std::size_t{256} << 10;

  // What is unreadable comes through /proc/PID/mem.
  PageReader(HostPid pid, const CapturedMemory& memory);
  // The next batch; nothing at the end.
  Result<std::optional<PageBatch>> Next();
  [[nodiscard]] std::uint64_t bytes_read() const { return bytes_read_; }

 private:
  // Takes runs of `pending` up to kBatchSize into wanted_.
  void Gather(std::vector<MemoryRun>& pending, std::size_t& at);
  void DropZeroPages();
  [[nodiscard]] bool IsOverFile(std::uint64_t address) const;

  HostPid pid_;
  std::vector<MemoryRun> readable_;
  std::vector<MemoryRun> unreadable_;
  std::vector<MemoryRun> over_files_;
  std::size_t next_readable_ = 0;
  std::size_t next_unreadable_ = 0;
  std::vector<std::byte> buffer_;
  std::vector<MemoryRun> wanted_;
  std::vector<MemoryRun> kept_;
  std::size_t kept_bytes_ = 0;
  std::uint64_t bytes_read_ = 0;
};

// Of `contents`, in order of address, which parts are special.
CapturedMemory SortContents(const std::vector<Vma>& vmas,
                            std::vector<MemoryRun> contents);

// True where all of it is zero.
bool IsZero(std::span<const std::byte> data);

}  // namespace ssi

#endif  // SSI_PROCESS_PAGE_READER_H_
