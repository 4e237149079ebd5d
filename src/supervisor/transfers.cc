#include "supervisor/transfers.h"

#include <sys/syscall.h>

#include "supervisor/iovec.h"

namespace ssi::supervisor {

std::vector<GuestRange> RangesToWrite(int nr, const CallArgs& args,
                                      GuestMemory& memory) {
  if (nr == SYS_write) {
    return {{RemoteAddr{args[1]}, args[2]}};
  }
  std::vector<GuestRange> ranges;
  if (nr == SYS_writev && args[2] <= kMaxVectors &&
      ReadVectors(memory, RemoteAddr{args[1]}, args[2], ranges) < args[2]) {
    ranges.clear();
  }
  return ranges;
}

}  // namespace ssi::supervisor
