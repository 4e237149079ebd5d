#ifndef SSI_PROCESS_INJECTOR_H_
#define SSI_PROCESS_INJECTOR_H_

#include <cstdint>
#include <initializer_list>

#include "base/result.h"
#include "process/registers.h"
#include "process/tracee.h"

namespace ssi {

// Executes single system calls in a stopped tracee and puts its registers and
// signal mask back.
//
// Owner:      on the stack of whoever works on the tracee.
// Threads:    the tracer's.
// Invariants: between construction and End() every signal but SIGKILL and
//             SIGSTOP is blocked in the tracee. A SIGSTOP that comes in between
//             is kept back and sent again by End().
// Errors:     kGone where the tracee died; then it must not be touched again.
class Injector {
 public:
  // `syscall_instruction`: the address of a `syscall` (0f 05) in the tracee.
  static Result<Injector> Begin(const Tracee& tracee,
                                RemoteAddr syscall_instruction);

  // The kernel's answer: a result, or -errno. A RET_TRACE of the tracee's
  // filter is passed.
  Result<std::int64_t> Call(std::uint64_t number, const CallArgs& args);
  // The same, but an -errno becomes an Error that names `what`.
  Result<std::uint64_t> MustCall(const char* what, std::uint64_t number,
                                 const CallArgs& args);

  // clone3 of a thread, with clone_args of `size` at `args`; the tracee is
  // traced with TRACECLONE. The new one is on its way to its first stop.
  Result<HostPid> CloneThread(RemoteAddr args, std::size_t size);

  // Begun in the delivery stop of `signal`: hands it back to the kernel, which
  // puts it on its queue again, behind what is there.
  Status HandBack(int signal);

  // A call that blocks: made, and interrupted at once. What the kernel leaves
  // in rax: a restart code, or a result where it did not block. The caller sets
  // the registers afterwards.
  Result<std::int64_t> CallAndInterrupt(std::uint64_t number,
                                        const CallArgs& args);

  // Registers and mask as they were; it stays stopped, in the signal path.
  Status End();
  // Leaves the registers as they are now (the caller sets its own) and tells
  // the mask that was in force; all signals stay blocked.
  [[nodiscard]] std::uint64_t KeepBlocked();

  [[nodiscard]] const Registers& saved() const { return saved_; }
  [[nodiscard]] std::uint64_t saved_mask() const { return mask_; }
  // A SIGSTOP was kept back, and not sent again yet.
  [[nodiscard]] bool stop_pending() const { return stop_pending_; }

 private:
  Injector(const Tracee& tracee, RemoteAddr syscall_instruction,
           const Registers& saved, std::uint64_t mask)
      : tracee_(tracee),
        instruction_(syscall_instruction),
        saved_(saved),
        mask_(mask) {}
  Status RunToTrap();

  Tracee tracee_;
  RemoteAddr instruction_;
  Registers saved_;
  std::uint64_t mask_;
  bool stop_pending_ = false;
  std::uint64_t cloned_ = 0;
};

// Finds a `syscall` instruction in a process's vdso.
Result<RemoteAddr> FindSyscallInstruction(HostPid pid, std::uint64_t vdso_start,
                                          std::uint64_t vdso_end);

}  // namespace ssi

#endif  // SSI_PROCESS_INJECTOR_H_
