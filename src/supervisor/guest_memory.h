// The guest's memory as the away side of a call sees it.
#ifndef SSI_SUPERVISOR_GUEST_MEMORY_H_
#define SSI_SUPERVISOR_GUEST_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/ids.h"

namespace ssi::supervisor {

struct GuestRange {
  RemoteAddr address{};
  std::uint64_t length = 0;
};

// Copies to and from a process that may have unmapped or protected the memory
// at any moment. Counts instead of errors: a prefix is a normal outcome.
//
// Implementations say exactly how far they came, to the byte or to the page:
// process_vm_readv alone stops at the remote iovec that fails, so a range must
// be handed to it page by page.
class GuestMemory {
 public:
  virtual ~GuestMemory() = default;

  // Fills `into` from `from`; returns how many bytes could be read.
  virtual std::size_t Read(RemoteAddr from, std::span<std::byte> into) = 0;
  // Returns how many bytes could be written.
  virtual std::size_t Write(RemoteAddr to, std::span<const std::byte> data) = 0;

  // The same over several ranges in order, up to the first byte that fails;
  // `into` and `data` are as long as all ranges together. An implementation
  // may do each in one system call.
  virtual std::size_t ReadAll(std::span<const GuestRange> ranges,
                              std::span<std::byte> into);
  virtual std::size_t WriteAll(std::span<const GuestRange> ranges,
                               std::span<const std::byte> data);
};

// Sets `slice` to the bytes [offset, offset + length) of what `ranges` hold
// one after another.
void SliceRanges(std::span<const GuestRange> ranges, std::uint64_t offset,
                 std::uint64_t length, std::vector<GuestRange>& slice);

}  // namespace ssi::supervisor

#endif  // SSI_SUPERVISOR_GUEST_MEMORY_H_
