#include "process/signal_state.h"

namespace ssi {

namespace {

// sa_flags bits as the kernel has them (uapi/asm-generic/signal-defs.h).
constexpr std::uint64_t kNoDefer = 0x40000000;
constexpr std::uint64_t kResetHandler = 0x80000000;

bool IsSignal(int signal) {
  return signal >= 1 && signal <= kSignalCount;
}

}  // namespace

DefaultAction DefaultActionOf(int signal) {
  switch (signal) {
    case SIGCHLD:
    case SIGURG:
    case SIGWINCH:
      return DefaultAction::kIgnore;
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
      return DefaultAction::kStop;
    case SIGCONT:
      return DefaultAction::kContinue;
    default:
      return DefaultAction::kTerminate;
  }
}

bool IsThreadDirected(const siginfo_t& info) {
  return info.si_code == SI_TKILL;
}

bool SignalState::Ignored(int signal) const {
  if (!IsSignal(signal) || signal == SIGKILL || signal == SIGSTOP) {
    return false;
  }
  std::uint64_t handler = action(signal).handler;
  if (handler == kSigIgnore) {
    return true;
  }
  DefaultAction by_default = DefaultActionOf(signal);
  return handler == kSigDefault && (by_default == DefaultAction::kIgnore ||
                                    by_default == DefaultAction::kContinue);
}

bool SignalState::Stops(int signal) const {
  return IsSignal(signal) &&
         (signal == SIGSTOP ||
          (DefaultActionOf(signal) == DefaultAction::kStop &&
           action(signal).handler == kSigDefault));
}

bool SignalState::HasHandler(int signal) const {
  return IsSignal(signal) && action(signal).handler > kSigIgnore;
}

bool SignalState::SetAction(int signal, const KernelSigaction& action) {
  if (!IsSignal(signal) || signal == SIGKILL || signal == SIGSTOP) {
    return false;
  }
  KernelSigaction& slot = actions_.at(static_cast<std::size_t>(signal - 1));
  slot = action;
  slot.mask &= ~kNeverBlocked;  // kernel/signal.c, do_sigaction
  return true;
}

std::optional<std::uint64_t> MaskAfter(std::uint64_t mask, int how,
                                       std::uint64_t set) {
  switch (how) {
    case SIG_BLOCK:
      return (mask | set) & ~kNeverBlocked;
    case SIG_UNBLOCK:
      return mask & ~set;
    case SIG_SETMASK:
      return set & ~kNeverBlocked;
    default:
      return std::nullopt;
  }
}

std::uint64_t SignalState::EnterHandler(int signal, std::uint64_t under) {
  KernelSigaction& taken = actions_.at(static_cast<std::size_t>(signal - 1));
  std::uint64_t mask = under | taken.mask;
  if ((taken.flags & kNoDefer) == 0) {
    mask |= SignalBit(signal);
  }
  if ((taken.flags & kResetHandler) != 0) {
    taken.handler = kSigDefault;
  }
  return mask & ~kNeverBlocked;
}

}  // namespace ssi
