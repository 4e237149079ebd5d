// Signals of a process as /proc/PID/status shows them.
#ifndef SSI_PROCESS_SIGNALS_OF_H_
#define SSI_PROCESS_SIGNALS_OF_H_

#include <cstdint>

#include "base/ids.h"
#include "base/result.h"

namespace ssi {

// Bit n - 1 stands for signal n (proc(5)).
struct SignalsOf {
  std::uint64_t pending = 0;  // of the thread and of the process
  std::uint64_t blocked = 0;  // of the thread; a temporary mask while one holds

  // The kernel delivers these before the thread executes another instruction.
  [[nodiscard]] std::uint64_t Deliverable() const { return pending & ~blocked; }
};

// Of the main thread, in any state. kGone where there is none.
Result<SignalsOf> ReadSignalsOf(HostPid pid);

}  // namespace ssi

#endif  // SSI_PROCESS_SIGNALS_OF_H_
