// The model of a process's signal actions and mask does what the kernel does,
// in random sequences. The kernel's own call and structure are used: the C
// library hides two signals.
#include "process/signal_state.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <random>

#include <catch2/catch.hpp>

namespace ssi {
namespace {

constexpr std::uint64_t kRestorer = 0x04000000;
constexpr std::uint64_t kSigInfo = 4;
constexpr std::uint64_t kFlags[] = {0x10000000, 0x40000000, 0x80000000,
                                    0x08000000};

std::uint64_t mask_in_handler = 0;
int handled = 0;

std::uint64_t KernelMask() {
  std::uint64_t mask = 0;
  ::syscall(SYS_rt_sigprocmask, SIG_BLOCK, nullptr, &mask, sizeof mask);
  return mask;
}

void Handler(int signal, siginfo_t*, void*) {
  mask_in_handler = KernelMask();
  handled = signal;
}

// What the C library uses to return from a handler.
std::uint64_t Restorer() {
  struct sigaction action {};
  action.sa_handler = [](int) {
  };
  ::sigaction(SIGUSR1, &action, nullptr);
  KernelSigaction raw;
  ::syscall(SYS_rt_sigaction, SIGUSR1, nullptr, &raw, 8);
  return raw.restorer;
}

// Everything as it was, whatever a case did.
class Kept {
 public:
  Kept() : mask_(KernelMask()) {
    for (int signal = 1; signal <= kSignalCount; ++signal) {
      ::syscall(SYS_rt_sigaction, signal, nullptr, &actions_[At(signal)], 8);
    }
  }
  ~Kept() {
    for (int signal = 1; signal <= kSignalCount; ++signal) {
      ::syscall(SYS_rt_sigaction, signal, &actions_[At(signal)], nullptr, 8);
    }
    ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask_, nullptr, 8);
  }
  Kept(const Kept&) = delete;
  Kept& operator=(const Kept&) = delete;
  Kept(Kept&&) = delete;
  Kept& operator=(Kept&&) = delete;
  [[nodiscard]] SignalState State() const { return SignalState(actions_); }
  [[nodiscard]] std::uint64_t mask() const { return mask_; }

 private:
  static std::size_t At(int signal) {
    return static_cast<std::size_t>(signal - 1);
  }
  SignalActions actions_{};
  std::uint64_t mask_;
};

class Steps {
 public:
  Steps(unsigned seed, std::uint64_t restorer)
      : random_(seed),
        restorer_(restorer),
        state_(kept_.State()),
        mask_(kept_.mask()) {}

  void Make(int count) {
    for (int i = 0; i < count; ++i) {
      switch (random_() % 3) {
        case 0:
          SetAction();
          break;
        case 1:
          SetMask();
          break;
        default:
          Raise();
          break;
      }
      REQUIRE(KernelMask() == mask_);
    }
  }

 private:
  std::uint64_t Set() {
    // Never all blocked, never SIGABRT and the faults: a failure must show.
    std::uint64_t set = random_();
    set = set << 32 | random_();
    return set & random_() & ~std::uint64_t{0x4f8};
  }

  void SetAction() {
    int signal = static_cast<int>(random_() % 66);  // 0 and 65 are none
    KernelSigaction action;
    action.handler = random_() % 4 == 0
                         ? kSigIgnore
                         : reinterpret_cast<std::uint64_t>(&Handler);
    action.flags = kSigInfo | kRestorer;
    for (std::uint64_t flag : kFlags) {
      action.flags |= random_() % 3 == 0 ? flag : 0;
    }
    action.flags &= ~std::uint64_t{0x08000000};  // no stack of its own here
    action.restorer = restorer_;
    action.mask = Set();
    bool faults = signal == SIGSEGV || signal == SIGABRT || signal == SIGBUS ||
                  signal == SIGILL || signal == SIGFPE || signal == SIGTRAP;
    if (faults) {
      return;
    }
    long result = ::syscall(SYS_rt_sigaction, signal, &action, nullptr, 8);
    CHECK(state_.SetAction(signal, action) == (result == 0));
    if (result == 0) {
      CheckAction(signal);
    }
  }

  void CheckAction(int signal) {
    KernelSigaction kernel;
    ::syscall(SYS_rt_sigaction, signal, nullptr, &kernel, 8);
    CHECK(kernel == state_.actions()[static_cast<std::size_t>(signal - 1)]);
  }

  void SetMask() {
    int how = static_cast<int>(random_() % 4);  // 3: none
    std::uint64_t set = Set();
    auto after = MaskAfter(mask_, how, set);
    long result = ::syscall(SYS_rt_sigprocmask, how, &set, nullptr, 8);
    CHECK(after.has_value() == (result == 0));
    if (after) {
      mask_ = *after;
    }
  }

  void Raise() {
    int signal = static_cast<int>(random_() % kSignalCount) + 1;
    const auto& action = state_.actions()[static_cast<std::size_t>(signal - 1)];
    bool ours = action.handler == reinterpret_cast<std::uint64_t>(&Handler);
    if ((mask_ & SignalBit(signal)) != 0 ||
        (!ours && !state_.Ignored(signal))) {
      return;  // it would wait, end this program, or be the test main's
    }
    handled = 0;
    ::syscall(SYS_tgkill, ::getpid(), ::gettid(), signal);
    CHECK(handled == (state_.HasHandler(signal) ? signal : 0));
    if (handled != 0) {
      CHECK(mask_in_handler == state_.EnterHandler(signal, mask_));
      CheckAction(signal);
    }
  }

  std::mt19937 random_;
  std::uint64_t restorer_;
  Kept kept_;
  SignalState state_;
  std::uint64_t mask_;
};

TEST_CASE("the model of actions and mask follows the kernel") {
  Kept kept;
  std::uint64_t restorer = Restorer();
  for (unsigned seed = 1; seed <= 50; ++seed) {
    INFO("seed " << seed);
    Steps(seed, restorer).Make(400);
  }
}

}  // namespace
}  // namespace ssi
