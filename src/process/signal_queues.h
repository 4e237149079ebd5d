#ifndef SSI_PROCESS_SIGNAL_QUEUES_H_
#define SSI_PROCESS_SIGNAL_QUEUES_H_

#include <signal.h>

#include <cstdint>
#include <optional>

#include "base/ids.h"
#include "process/kernel.h"

namespace ssi {

// Of a thread, which need not be stopped.
struct SignalQueues {
  std::uint64_t pending = 0;  // in the thread's queue or the process's
  // In force now: the temporary mask while a call has one, where
  // PTRACE_GETSIGMASK tells the one that comes back.
  std::uint64_t blocked = 0;
  // Natively dropped as it is sent; a traced thread gets to see it.
  std::uint64_t ignored = 0;

  [[nodiscard]] bool Pends(int signal) const {
    return (pending & SignalBit(signal)) != 0;
  }
  [[nodiscard]] bool AnyDeliverable() const {
    return (pending & ~blocked) != 0;
  }
  // One that would be there without a tracer.
  [[nodiscard]] bool AnyNative() const {
    return (pending & ~blocked & ~ignored) != 0;
  }
  [[nodiscard]] bool Ignores(int signal) const {
    return (ignored & SignalBit(signal)) != 0;
  }
  // One of a fault of its own, deliverable.
  [[nodiscard]] bool AnyFault() const {
    constexpr std::uint64_t kFaults = SignalBit(SIGSEGV) | SignalBit(SIGBUS) |
                                      SignalBit(SIGILL) | SignalBit(SIGTRAP) |
                                      SignalBit(SIGFPE) | SignalBit(SIGSYS);
    return (pending & ~blocked & kFaults) != 0;
  }
};

// From /proc/TID/status; nothing where the thread is gone.
std::optional<SignalQueues> ReadSignalQueues(HostPid thread);
// Whether it would natively have been dropped; false where the thread is gone.
bool Ignores(HostPid thread, int signal);

}  // namespace ssi

#endif  // SSI_PROCESS_SIGNAL_QUEUES_H_
