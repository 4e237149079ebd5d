// Writes that a freeze can cut short.
#ifndef SSI_SUPERVISOR_TRANSFERS_H_
#define SSI_SUPERVISOR_TRANSFERS_H_

#include <vector>

#include "supervisor/args.h"
#include "supervisor/guest_memory.h"

namespace ssi::supervisor {

// What a write or writev was asked to write; nothing for another call, and
// where that cannot be read.
std::vector<GuestRange> RangesToWrite(int nr, const CallArgs& args,
                                      GuestMemory& memory);

}  // namespace ssi::supervisor

#endif  // SSI_SUPERVISOR_TRANSFERS_H_
