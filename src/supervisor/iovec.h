#ifndef SSI_SUPERVISOR_IOVEC_H_
#define SSI_SUPERVISOR_IOVEC_H_

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/ids.h"
#include "supervisor/arg.h"
#include "supervisor/guest_memory.h"

namespace ssi::supervisor {

// struct iovec of another process (readv(2)).
struct Iovec {
  std::uint64_t base;
  std::uint64_t length;
};

// Appends what `count` of them at `at`, at most kMaxVectors, point to; how many
// could be read.
inline std::size_t ReadVectors(GuestMemory& memory, RemoteAddr at,
                               std::size_t count,
                               std::vector<GuestRange>& ranges) {
  std::array<Iovec, kMaxVectors> vectors;  // NOLINT: 16 KiB, filled below
  auto bytes = std::as_writable_bytes(std::span(vectors).first(count));
  std::size_t read = memory.Read(at, bytes) / sizeof(Iovec);
  for (const Iovec& vector : std::span(vectors).first(read)) {
    ranges.push_back({RemoteAddr{vector.base}, vector.length});
  }
  return read;
}

}  // namespace ssi::supervisor

#endif  // SSI_SUPERVISOR_IOVEC_H_
