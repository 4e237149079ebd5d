#ifndef SSI_PROCESS_WAIT_STATUS_H_
#define SSI_PROCESS_WAIT_STATUS_H_

#include <string>

namespace ssi {

// What a status word of waitpid(2) says about a seized tracee. The one decoder
// of those bits.
struct Stop {
  enum class Kind {
    kExited,       // value = exit code
    kKilled,       // value = signal
    kSignal,       // signal-delivery-stop; value = signal
    kGroupStop,    // stopped by a stop signal; value = that signal
    kInterrupted,  // after PTRACE_INTERRUPT, SIGCONT, or a new child's first
    kSyscall,      // syscall-entry or -exit stop (TRACESYSGOOD)
    kSeccomp,      // SECCOMP_RET_TRACE
    kExec,
    kFork,
    kVfork,
    kVforkDone,
    kClone,
    kExiting,    // PTRACE_EVENT_EXIT
    kContinued,  // WCONTINUED
    kOther,
  };
  Kind kind = Kind::kOther;
  int value = 0;
  int raw = 0;

  [[nodiscard]] bool Dead() const {
    return kind == Kind::kExited || kind == Kind::kKilled;
  }
  [[nodiscard]] std::string Describe() const;
};

// Pure. ptrace(2), "Stopped states".
Stop DecodeWaitStatus(int status);

}  // namespace ssi

#endif  // SSI_PROCESS_WAIT_STATUS_H_
