// Classic BPF as the kernel runs it for seccomp, for tests without a kernel.
#ifndef SSI_TEST_UNIT_SUPERVISOR_BPF_H_
#define SSI_TEST_UNIT_SUPERVISOR_BPF_H_

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstring>
#include <optional>
#include <span>

namespace ssi::supervisor {

// One step that depends only on the accumulator. Nothing for what the kernel's
// seccomp_check_filter refuses.
struct BpfMachine {
  std::uint32_t a = 0;
  std::size_t pc = 0;

  bool Jump(const sock_filter& op) {
    bool taken = false;
    switch (op.code & 0xf0) {
      case BPF_JA:
        pc += op.k;
        return true;
      case BPF_JEQ:
        taken = a == op.k;
        break;
      case BPF_JGT:
        taken = a > op.k;
        break;
      case BPF_JGE:
        taken = a >= op.k;
        break;
      case BPF_JSET:
        taken = (a & op.k) != 0;
        break;
      default:
        return false;
    }
    pc += taken ? op.jt : op.jf;
    return true;
  }
};

// The action for a call, or nothing where the program is not valid.
inline std::optional<std::uint32_t> RunBpf(std::span<const sock_filter> program,
                                           const seccomp_data& data) {
  BpfMachine m;
  while (m.pc < program.size()) {
    const sock_filter& op = program[m.pc++];
    if (op.code == (BPF_LD | BPF_W | BPF_ABS)) {
      if (op.k % 4 != 0 || op.k >= sizeof(data)) {
        return std::nullopt;
      }
      std::memcpy(&m.a, reinterpret_cast<const char*>(&data) + op.k, 4);
    } else if (op.code == (BPF_ALU | BPF_AND | BPF_K)) {
      m.a &= op.k;
    } else if (op.code == (BPF_RET | BPF_K)) {
      return op.k;
    } else if ((op.code & 7) != BPF_JMP || (op.code & 8) != BPF_K ||
               !m.Jump(op)) {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

// As the kernel's seccomp_is_const_allow: whether a number is ALLOWed by
// looking at it and the architecture alone. Such numbers skip the filter.
inline bool IsConstantAllow(std::span<const sock_filter> program,
                            const seccomp_data& data) {
  BpfMachine m;
  while (m.pc < program.size()) {
    const sock_filter& op = program[m.pc++];
    if (op.code == (BPF_LD | BPF_W | BPF_ABS)) {
      if (op.k == offsetof(seccomp_data, nr)) {
        m.a = static_cast<std::uint32_t>(data.nr);
      } else if (op.k == offsetof(seccomp_data, arch)) {
        m.a = data.arch;
      } else {
        return false;
      }
    } else if (op.code == (BPF_RET | BPF_K)) {
      return op.k == SECCOMP_RET_ALLOW;
    } else if (op.code == (BPF_ALU | BPF_AND | BPF_K)) {
      m.a &= op.k;
    } else if ((op.code & 7) != BPF_JMP || !m.Jump(op)) {
      return false;
    }
  }
  return false;
}

}  // namespace ssi::supervisor

#endif  // SSI_TEST_UNIT_SUPERVISOR_BPF_H_
