#include "supervisor/transfers.h"

#include <sys/syscall.h>
#include <sys/uio.h>

#include <bit>
#include <span>
#include <vector>

#include <climits>

namespace ssi::supervisor {

std::vector<GuestRange> RangesToWrite(int nr, const CallArgs& args,
                                      GuestMemory& memory) {
  if (nr == SYS_write) {
    return {{RemoteAddr{args[1]}, args[2]}};
  }
  if (nr != SYS_writev || args[2] > IOV_MAX) {
    return {};
  }
  std::vector<iovec> vectors(args[2]);
  auto bytes = std::as_writable_bytes(std::span(vectors));
  if (memory.Read(RemoteAddr{args[1]}, bytes) != bytes.size()) {
    return {};
  }
  std::vector<GuestRange> ranges;
  ranges.reserve(vectors.size());
  for (const auto& vector : vectors) {
    ranges.push_back({RemoteAddr{std::bit_cast<std::uint64_t>(vector.iov_base)},
                      vector.iov_len});
  }
  return ranges;
}

}  // namespace ssi::supervisor
