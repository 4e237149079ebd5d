#ifndef SSI_PROCESS_SIGNAL_STATE_H_
#define SSI_PROCESS_SIGNAL_STATE_H_

#include <signal.h>

#include <array>
#include <cstdint>
#include <optional>

#include "base/result.h"
#include "process/kernel.h"

namespace ssi {

using SignalActions = std::array<KernelSigaction, kSignalCount>;

// What the kernel does with a signal whose action is SIG_DFL (signal(7)).
enum class DefaultAction : std::uint8_t {
  kTerminate,
  kIgnore,
  kStop,
  kContinue
};
DefaultAction DefaultActionOf(int signal);

// Whether a signal with this siginfo lies in the queue of one thread, which the
// kernel empties before that of the process: those of tgkill(2).
bool IsThreadDirected(const siginfo_t& info);

// The signal actions and the mask of a process with one thread, as a model
// that both ends of a moved process follow: pure, checked against the kernel
// by a property test.
//
// Where the process computes, the kernel holds the truth; this is what is
// known of it elsewhere, and what decides about a signal without asking.
class SignalState {
 public:
  SignalState() = default;
  SignalState(const SignalActions& actions, std::uint64_t mask)
      : actions_(actions), mask_(mask) {}

  [[nodiscard]] const SignalActions& actions() const { return actions_; }
  [[nodiscard]] std::uint64_t mask() const { return mask_; }
  void set_mask(std::uint64_t mask) { mask_ = mask & ~kNeverBlocked; }
  [[nodiscard]] bool Blocked(int signal) const {
    return (mask_ & SignalBit(signal)) != 0;
  }

  // Discarded when it arrives unblocked: SIG_IGN, or SIG_DFL and the default
  // is to ignore it.
  [[nodiscard]] bool Ignored(int signal) const;
  // Stops the process: SIGSTOP, or a terminal stop signal with SIG_DFL.
  [[nodiscard]] bool Stops(int signal) const;
  [[nodiscard]] bool HasHandler(int signal) const;

  // rt_sigaction(signal, action): false where the kernel says EINVAL.
  bool SetAction(int signal, const KernelSigaction& action);
  // The mask after rt_sigprocmask(how, set); nothing where it says EINVAL.
  [[nodiscard]] std::optional<std::uint64_t> MaskAfter(int how,
                                                       std::uint64_t set) const;
  // A handler is entered: SA_NODEFER and sa_mask change the mask,
  // SA_RESETHAND the action. `under` is the mask while the signal came in,
  // where a call had a temporary one.
  void EnterHandler(int signal, std::uint64_t under);

  static constexpr std::uint64_t kNeverBlocked =
      SignalBit(9) | SignalBit(19);  // SIGKILL, SIGSTOP

 private:
  [[nodiscard]] const KernelSigaction& action(int signal) const {
    return actions_.at(static_cast<std::size_t>(signal - 1));
  }

  SignalActions actions_{};
  std::uint64_t mask_ = 0;
};

}  // namespace ssi

#endif  // SSI_PROCESS_SIGNAL_STATE_H_
