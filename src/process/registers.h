#ifndef SSI_PROCESS_REGISTERS_H_
#define SSI_PROCESS_REGISTERS_H_

#include <sys/user.h>

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/ids.h"

namespace ssi {

// The six arguments of a system call, in the kernel's order.
using CallArgs = std::array<std::uint64_t, 6>;

// The general registers of a stopped thread, by what they mean to a system
// call. Only this class knows orig_rax.
//
// A thread that was stopped while it was in a system call shows that call's
// number, and in result() one of the restart codes of kernel.h or a result.
// When such a thread runs on from a stop inside the kernel's signal path (an
// interrupt or a signal stop, not a seccomp stop), the kernel itself restarts
// the call or makes it EINTR, exactly as it would have without us
// (arch/x86/kernel/signal.c, arch_do_signal_or_restart).
class Registers {
 public:
  Registers() = default;
  explicit Registers(const user_regs_struct& raw) : raw_(raw) {}

  [[nodiscard]] bool InCall() const {
    return static_cast<std::int64_t>(raw_.orig_rax) >= 0;
  }
  // Of the call it is in, or was stopped at the entry of.
  [[nodiscard]] std::uint64_t call_number() const { return raw_.orig_rax; }
  [[nodiscard]] CallArgs args() const {
    return {raw_.rdi, raw_.rsi, raw_.rdx, raw_.r10, raw_.r8, raw_.r9};
  }
  [[nodiscard]] bool InThis(std::uint64_t number, const CallArgs& args) const {
    return InCall() && call_number() == number && this->args() == args;
  }
  [[nodiscard]] std::int64_t result() const {
    return static_cast<std::int64_t>(raw_.rax);
  }
  [[nodiscard]] RemoteAddr ip() const { return RemoteAddr{raw_.rip}; }
  [[nodiscard]] RemoteAddr sp() const { return RemoteAddr{raw_.rsp}; }
  void set_ip(RemoteAddr address) { raw_.rip = Raw(address); }

  // What may hold an address: the instruction pointer and the general ones.
  template <typename Change>
  void ForEachAddress(const Change& change) {
    for (auto* value :
         {&raw_.rip, &raw_.rax, &raw_.rbx, &raw_.rcx, &raw_.rdx, &raw_.rsi,
          &raw_.rdi, &raw_.rbp, &raw_.r8, &raw_.r9, &raw_.r10, &raw_.r11,
          &raw_.r12, &raw_.r13, &raw_.r14, &raw_.r15}) {
      change(*value);
    }
  }

  // At a signal-path stop: the stop has ended a getrandom in the middle, where
  // only a signal may (getrandom(2)).
  [[nodiscard]] bool RandomCutShort() const;

  // Makes the thread, which is at the instruction after `syscall`, execute
  // that call again, as if it had not begun it.
  void RewindCall(std::uint64_t number) {
    raw_.rax = number;
    raw_.rip -= kSyscallLength;
    raw_.orig_rax = kNoCall;
  }
  // The kernel has set the thread up to execute `number` instead of the call
  // that was interrupted, which it still counts as in
  // (arch_do_signal_or_restart, arch/x86/kernel/signal.c).
  [[nodiscard]] bool AboutToRestart(std::uint64_t number) const {
    return InCall() && raw_.rax == number;
  }
  // Takes that back: interrupted just now with restart code `code`.
  void BackIntoCall(std::int64_t code) {
    raw_.rip += kSyscallLength;
    raw_.rax = static_cast<std::uint64_t>(code);
  }
  // At a seccomp or syscall-entry stop: the kernel skips the call and the
  // thread sees `result`.
  void SkipCall(std::int64_t result) {
    raw_.orig_rax = kNoCall;
    raw_.rax = static_cast<std::uint64_t>(result);
  }
  // Of a call that is to be made again: with other arguments.
  void SetArgs(const CallArgs& args) {
    raw_.rdi = args[0];
    raw_.rsi = args[1];
    raw_.rdx = args[2];
    raw_.r10 = args[3];
    raw_.r8 = args[4];
    raw_.r9 = args[5];
  }
  // At a seccomp stop: another call is made instead.
  void ReplaceCall(std::uint64_t number, std::uint64_t first,
                   std::uint64_t second) {
    raw_.orig_rax = number;
    raw_.rdi = first;
    raw_.rsi = second;
  }
  // Afterwards, in whoever came out of that call: as if it had been its own.
  void ReturnTo(const Registers& before) {
    raw_.rdi = before.raw_.rdi;
    raw_.rsi = before.raw_.rsi;
    raw_.orig_rax = kNoCall;
  }
  // At a signal-path stop: the interrupted call is over and gave `result`.
  void FinishCall(std::int64_t result) { SkipCall(result); }
  // As if a call had been interrupted just now with restart code `code`.
  void SetInterrupted(std::uint64_t number, std::int64_t code) {
    raw_.orig_rax = number;
    raw_.rax = static_cast<std::uint64_t>(code);
  }

  // Registers for executing `number(args)` at a `syscall` instruction.
  [[nodiscard]] Registers ForCall(RemoteAddr syscall_instruction,
                                  std::uint64_t number,
                                  const CallArgs& args) const;
  // Registers for jumping to `entry` with rbx = `argument`, no stack and no
  // call under way.
  [[nodiscard]] Registers ForJump(RemoteAddr entry, RemoteAddr argument) const;

  [[nodiscard]] const user_regs_struct& raw() const { return raw_; }
  [[nodiscard]] std::span<const std::byte> Bytes() const {
    return std::as_bytes(std::span(&raw_, 1));
  }

  // Of one that is at the instruction after `syscall`: for executing another
  // call there.
  [[nodiscard]] Registers ForOtherCall(std::uint64_t number,
                                       const CallArgs& args) const {
    return ForCall(RemoteAddr{raw_.rip - kSyscallLength}, number, args);
  }

 private:
  static constexpr std::uint64_t kSyscallLength = 2;  // 0f 05
  static constexpr std::uint64_t kNoCall = ~std::uint64_t{0};
  user_regs_struct raw_{};
};

}  // namespace ssi

#endif  // SSI_PROCESS_REGISTERS_H_
