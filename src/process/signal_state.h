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

// What SIGKILL and SIGSTOP are exempt from, in a mask.
constexpr std::uint64_t kNeverBlocked = SignalBit(SIGKILL) | SignalBit(SIGSTOP);

// The mask of a thread after rt_sigprocmask(how, set); nothing where the
// kernel says EINVAL.
std::optional<std::uint64_t> MaskAfter(std::uint64_t mask, int how,
                                       std::uint64_t set);

// The signal actions of a process, and what they make of a thread's mask, as a
// model that both ends of a moved process follow: pure, checked against the
// kernel by a property test.
//
// Where the process computes, the kernel holds the truth; this is what is
// known of it elsewhere, and what decides about a signal without asking.
class SignalState {
 public:
  SignalState() = default;
  explicit SignalState(const SignalActions& actions) : actions_(actions) {}

  [[nodiscard]] const SignalActions& actions() const { return actions_; }

  // Discarded when it arrives unblocked: SIG_IGN, or SIG_DFL and the default
  // is to ignore it.
  [[nodiscard]] bool Ignored(int signal) const;
  // Stops the process: SIGSTOP, or a terminal stop signal with SIG_DFL.
  [[nodiscard]] bool Stops(int signal) const;
  [[nodiscard]] bool HasHandler(int signal) const;

  // rt_sigaction(signal, action): false where the kernel says EINVAL.
  bool SetAction(int signal, const KernelSigaction& action);
  // A thread enters the handler of `signal`: its mask then, by SA_NODEFER and
  // sa_mask; SA_RESETHAND changes the action. `under` is its mask while the
  // signal came in, the temporary one where a call had one.
  std::uint64_t EnterHandler(int signal, std::uint64_t under);

 private:
  [[nodiscard]] const KernelSigaction& action(int signal) const {
    return actions_.at(static_cast<std::size_t>(signal - 1));
  }

  SignalActions actions_{};
};

// One thread's part of it: the actions of its process, and its own mask.
struct ThreadSignals {
  SignalState& process;
  std::uint64_t mask = 0;
};

}  // namespace ssi

#endif  // SSI_PROCESS_SIGNAL_STATE_H_
