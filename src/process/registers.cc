#include "process/registers.h"

#include <sys/syscall.h>

namespace ssi {

bool Registers::RandomCutShort() const {
  auto wanted = static_cast<std::int64_t>(args()[1]);
  return InCall() && call_number() == SYS_getrandom && result() > 0 &&
         result() < wanted;
}

Registers Registers::ForCall(RemoteAddr syscall_instruction,
                             std::uint64_t number, const CallArgs& args) const {
  Registers made = *this;
  made.raw_.rip = Raw(syscall_instruction);
  made.raw_.rax = number;
  made.raw_.orig_rax = kNoCall;
  made.raw_.rdi = args[0];
  made.raw_.rsi = args[1];
  made.raw_.rdx = args[2];
  made.raw_.r10 = args[3];
  made.raw_.r8 = args[4];
  made.raw_.r9 = args[5];
  return made;
}

Registers Registers::ForJump(RemoteAddr entry, RemoteAddr argument) const {
  Registers made = *this;
  made.raw_.rip = Raw(entry);
  made.raw_.rbx = Raw(argument);
  made.raw_.rsp = 0;
  made.raw_.orig_rax = kNoCall;
  made.raw_.rax = 0;
  // Direction and trap flags off; the rest does not matter to the agent.
  made.raw_.eflags &= ~std::uint64_t{0x500};
  return made;
}

}  // namespace ssi
