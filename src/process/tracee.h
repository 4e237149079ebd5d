#ifndef SSI_PROCESS_TRACEE_H_
#define SSI_PROCESS_TRACEE_H_

#include <signal.h>
#include <sys/ptrace.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "process/kernel.h"
#include "process/registers.h"
#include "process/wait_status.h"

namespace ssi {

// One traced thread: ptrace(2) with errors as values.
//
// Owner:   whoever traces it. A value: copying it does not trace twice.
// Threads: only the thread that seized may call anything here (ptrace is bound
//          to it).
// Errors:  kGone where the thread is dead or not stopped (ESRCH is both); the
//          caller stops touching it, its end arrives through waiting.
class Tracee {
 public:
  explicit Tracee(HostPid pid) : pid_(pid) {}
  [[nodiscard]] HostPid pid() const { return pid_; }

  Status Seize(unsigned long options) const;
  Status Interrupt() const;
  // Lets it run on, with `signal` delivered (0: none).
  Status Continue(int signal = 0) const;
  // Keeps it in its group-stop while its parent sees the truth.
  Status Listen() const;
  Status StepToSyscall(int signal = 0) const;
  Status SingleStep(int signal = 0) const;
  Status Detach(int signal = 0) const;
  Status SetOptions(unsigned long options) const;

  // Blocks until this thread changes state. An end is reported but not reaped:
  // reaping is the event loop's, in one place, which must not miss the status.
  Result<Stop> Wait() const;
  // The same with a limit; nothing when it passes. Needs SIGCHLD blocked in
  // this thread; may take a SIGCHLD that was meant for the event loop, which
  // must look for other children afterwards.
  Result<std::optional<Stop>> WaitFor(std::chrono::nanoseconds limit) const;

  Result<Registers> GetRegisters() const;
  Status SetRegisters(const Registers& registers) const;
  // The XSAVE area as NT_X86_XSTATE gives it: x87, SSE, AVX, AVX-512, PKRU.
  Result<std::vector<std::byte>> GetExtendedState() const;
  Status SetExtendedState(std::span<const std::byte> state) const;
  Result<std::uint64_t> GetSignalMask() const;
  Status SetSignalMask(std::uint64_t mask) const;
  Result<siginfo_t> GetSignalInfo() const;
  Status SetSignalInfo(const siginfo_t& info) const;
  // {0,...} area where none is registered; kUnsupported before Linux 5.13.
  Result<RseqConfiguration> GetRseq() const;
  // Whether its calls can be turned into SIGSYS for itself (prctl(2),
  // PR_SET_SYSCALL_USER_DISPATCH), ours among them. Never before Linux 6.4,
  // which does not tell.
  Result<bool> HasUserDispatch() const;
  Result<std::uint64_t> GetEventMessage() const;
  // At a syscall or seccomp stop: which call, or its result (Linux 5.3).
  Result<__ptrace_syscall_info> GetCallInfo() const;

 private:
  Result<std::optional<Stop>> TakeStop(int extra_flags) const;

  HostPid pid_;
};

// All but SIGTRAP, which our own steps and traps raise: where it is blocked the
// kernel, to force it through, takes the program's action for it away
// (kernel/signal.c, force_sig_info_to_task).
constexpr std::uint64_t kAllSignals = ~(std::uint64_t{1} << (5 - 1));

}  // namespace ssi

#endif  // SSI_PROCESS_TRACEE_H_
