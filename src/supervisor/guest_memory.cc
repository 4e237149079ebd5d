#include "supervisor/guest_memory.h"

#include <algorithm>

namespace ssi::supervisor {

std::size_t GuestMemory::ReadAll(std::span<const GuestRange> ranges,
                                 std::span<std::byte> into) {
  std::size_t done = 0;
  for (const GuestRange& range : ranges) {
    std::size_t n = Read(range.address, into.subspan(done, range.length));
    done += n;
    if (n < range.length) {
      break;
    }
  }
  return done;
}

std::size_t GuestMemory::WriteAll(std::span<const GuestRange> ranges,
                                  std::span<const std::byte> data) {
  std::size_t done = 0;
  for (const GuestRange& range : ranges) {
    std::size_t n = Write(range.address, data.subspan(done, range.length));
    done += n;
    if (n < range.length) {
      break;
    }
  }
  return done;
}

void SliceRanges(std::span<const GuestRange> ranges, std::uint64_t offset,
                 std::uint64_t length, std::vector<GuestRange>& slice) {
  slice.clear();
  for (const GuestRange& range : ranges) {
    if (length == 0) {
      return;
    }
    if (offset >= range.length) {
      offset -= range.length;
      continue;
    }
    std::uint64_t part = std::min(range.length - offset, length);
    slice.push_back({range.address + offset, part});
    length -= part;
    offset = 0;
  }
}

}  // namespace ssi::supervisor
