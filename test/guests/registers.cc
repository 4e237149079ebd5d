// Every register keeps its value while the program computes and makes no
// call: general, flags, x87, SSE, AVX, AVX-512 with its masks, the control
// words, segment selectors and bases. Argument: SECONDS.
#include <asm/prctl.h>

#include "guest.h"

// Each function loads registers from `in`, spins `spins` times, and stores
// them to `out`. Names in assembly, so they are not in the namespace.
extern "C" {
void SpinGeneral(const void* in, void* out, std::uint64_t spins);
std::uint64_t SpinFlags(std::uint64_t flags, std::uint64_t spins);
void SpinX87(const void* in, void* out, std::uint64_t spins);
void SpinSse(const void* in, void* out, std::uint64_t spins);
void SpinAvx(const void* in, void* out, std::uint64_t spins);
void SpinAvx512(const void* in, void* out, std::uint64_t spins);
void SpinMasks(const void* in, void* out, std::uint64_t spins);
}

__asm__(R"(
        .text
# The counter is on the stack: all 15 registers but rsp hold a value.
SpinGeneral:
        push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15
        push %rsi; push %rdx
        mov 0(%rdi), %rax;   mov 8(%rdi), %rbx;   mov 16(%rdi), %rcx
        mov 24(%rdi), %rdx;  mov 32(%rdi), %rsi;  mov 40(%rdi), %rbp
        mov 48(%rdi), %r8;   mov 56(%rdi), %r9;   mov 64(%rdi), %r10
        mov 72(%rdi), %r11;  mov 80(%rdi), %r12;  mov 88(%rdi), %r13
        mov 96(%rdi), %r14;  mov 104(%rdi), %r15; mov 112(%rdi), %rdi
1:      decq (%rsp)
        jnz 1b
        push %rdi
        mov 16(%rsp), %rdi
        mov %rax, 0(%rdi);   mov %rbx, 8(%rdi);   mov %rcx, 16(%rdi)
        mov %rdx, 24(%rdi);  mov %rsi, 32(%rdi);  mov %rbp, 40(%rdi)
        mov %r8, 48(%rdi);   mov %r9, 56(%rdi);   mov %r10, 64(%rdi)
        mov %r11, 72(%rdi);  mov %r12, 80(%rdi);  mov %r13, 88(%rdi)
        mov %r14, 96(%rdi);  mov %r15, 104(%rdi)
        pop %rax; mov %rax, 112(%rdi)
        add $16, %rsp
        pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx
        ret
# `loop` is the counting that leaves the flags alone.
SpinFlags:
        mov %rsi, %rcx
        push %rdi; popfq
1:      loop 1b
        pushfq; pop %rax
        push $0x202; popfq
        ret
SpinX87:
        .irp at, 0, 16, 32, 48, 64, 80, 96, 112
        fldt \at(%rdi)
        .endr
1:      dec %rdx
        jnz 1b
        .irp at, 112, 96, 80, 64, 48, 32, 16, 0
        fstpt \at(%rsi)
        .endr
        ret
)");

// One block of loads, a spin, one block of stores; the register names are
// counted by the assembler.
#define SSI_SPIN_VECTORS(name, load, store, prefix, size, count, after) \
  __asm__("        .text\n" #name                                       \
          ":\n"                                                         \
          "        .altmacro\n"                                         \
          "        .macro load_" #name                                  \
          " number\n"                                                   \
          "        " load " \\number*" #size "(%rdi), %" prefix         \
          "\\number\n"                                                  \
          "        .endm\n"                                             \
          "        .macro store_" #name                                 \
          " number\n"                                                   \
          "        " store " %" prefix "\\number, \\number*" #size      \
          "(%rsi)\n"                                                    \
          "        .endm\n"                                             \
          "        number = 0\n"                                        \
          "        .rept " #count                                       \
          "\n"                                                          \
          "        load_" #name                                         \
          " %number\n"                                                  \
          "        number = number + 1\n"                               \
          "        .endr\n"                                             \
          "1:      dec %rdx\n"                                          \
          "        jnz 1b\n"                                            \
          "        number = 0\n"                                        \
          "        .rept " #count                                       \
          "\n"                                                          \
          "        store_" #name                                        \
          " %number\n"                                                  \
          "        number = number + 1\n"                               \
          "        .endr\n"                                             \
          "        .noaltmacro\n"                                       \
          "        " after                                              \
          "\n"                                                          \
          "        ret\n")

SSI_SPIN_VECTORS(SpinSse, "movups", "movups", "xmm", 16, 16, "nop");
SSI_SPIN_VECTORS(SpinAvx, "vmovups", "vmovups", "ymm", 32, 16, "vzeroupper");
SSI_SPIN_VECTORS(SpinAvx512, "vmovups", "vmovups", "zmm", 64, 32, "vzeroupper");
SSI_SPIN_VECTORS(SpinMasks, "kmovq", "kmovq", "k", 8, 8, "nop");

namespace {

constexpr std::uint64_t kSpins = 5'000'000;

using Spin = void(const void*, void*, std::uint64_t);

// A pattern of its own for each round and each register.
void Check(Spin* spin, std::size_t size) {
  static std::uint64_t seed = 0;
  unsigned char in[2048];
  unsigned char out[2048] = {};
  seed += 1UL << 32;
  guest::Fill(in, size, seed);
  spin(in, out, kSpins);
  SSI_TRUE(guest::Holds(out, size, seed));
}

void General() {
  Check(SpinGeneral, 15 * 8);
}
void Sse() {
  Check(SpinSse, 16 * 16);
}

void Avx() {
  if (!__builtin_cpu_supports("avx")) {
    guest::skip_reason = "no AVX on this processor";
    return;
  }
  Check(SpinAvx, 16 * 32);
}

void Avx512() {
  if (!__builtin_cpu_supports("avx512bw")) {
    guest::skip_reason = "no AVX-512 on this processor";
    return;
  }
  Check(SpinAvx512, 32 * 64);
  Check(SpinMasks, 8 * 8);
  Check(SpinSse, 16 * 16);  // with the upper halves clean
}

void Flags() {
  // Carry, parity, adjust, zero, sign, direction, overflow; interrupts are
  // always on, bit 1 always set; alignment checks. Bit 21, ID, is left out: it
  // only shows that there is a CPUID instruction, and nobody but the program
  // itself can set it.
  for (const std::uint64_t flags :
       {0x202UL, 0x202UL | 0x8d5, 0x202UL | 0x400, 0x202UL | 0x40811}) {
    SSI_EQ(SpinFlags(flags, kSpins), flags);
  }
}

void X87() {
  unsigned char in[128] = {};
  unsigned char out[128] = {};
  static long double value = 1.0L / 3;
  for (int i = 0; i < 8; ++i) {
    value = value * -3.7L + 1e-9L;
    value = value > 1e300L || value < -1e300L ? 1.0L / 3 : value;
    memcpy(in + 16 * i, &value, 10);
  }
  SpinX87(in, out, kSpins);
  SSI_EQ(memcmp(in, out, sizeof in), 0);
}

// Rounding and masks of both units.
void ControlWords() {
  for (const unsigned rounding : {0U, 1U, 2U, 3U}) {
    const unsigned mxcsr = 0x1f80 | rounding << 13 | 0x8000;
    const unsigned short x87 =
        static_cast<unsigned short>(0x037f | rounding << 10);
    unsigned got_mxcsr = 0;
    unsigned short got_x87 = 0;
    unsigned short status = 0;
    std::uint64_t spins = kSpins;
    __asm__ volatile(
        "ldmxcsr %[mxcsr]\n fldcw %[x87]\n fld1\n fldz\n"
        "1: dec %[spins]\n jnz 1b\n"
        "fnstsw %[status]\n stmxcsr %[got_mxcsr]\n fnstcw %[got_x87]\n fninit\n"
        : [spins] "+r"(spins), [status] "=m"(status),
          [got_mxcsr] "=m"(got_mxcsr), [got_x87] "=m"(got_x87)
        : [mxcsr] "m"(mxcsr), [x87] "m"(x87)
        : "cc");
    const unsigned usual = 0x1f80;
    __asm__ volatile("ldmxcsr %0" ::"m"(usual));
    SSI_EQ(got_mxcsr, mxcsr);
    SSI_EQ(got_x87, x87);
    SSI_EQ(status >> 11 & 7, 6);  // two values are on its stack
  }
}

// GS is free for the program: its base by a call, a selector by a move.
void Segments() {
  static std::uint64_t words[4] = {11, 22, 33, 44};
  std::uint64_t base = 0;
  std::uint64_t through = 0;
  SSI_OK(syscall(SYS_arch_prctl, ARCH_SET_GS, words));
  for (int i = 0; i < 3; ++i) {
    std::uint64_t spins = kSpins;
    __asm__ volatile("1: dec %0\n jnz 1b\n mov %%gs:16, %1"
                     : "+r"(spins), "=r"(through)::"cc");
    SSI_EQ(through, 33);
    SSI_OK(syscall(SYS_arch_prctl, ARCH_GET_GS, &base));
    SSI_EQ(base, reinterpret_cast<std::uint64_t>(words));
  }
  // User data is 0x2b; a null selector with a low bit is as good.
  unsigned selectors[2] = {0, 0};
  std::uint64_t spins = kSpins;
  __asm__ volatile(
      "mov %[data], %%ds\n mov %[data], %%es\n"
      "1: dec %[spins]\n jnz 1b\n"
      "mov %%ds, %[ds]\n mov %%es, %[es]\n"
      "mov %[null], %%ds\n mov %[null], %%es\n"
      : [spins] "+r"(spins), [ds] "=&r"(selectors[0]), [es] "=&r"(selectors[1])
      : [data] "r"(0x2b), [null] "r"(0)
      : "cc");
  SSI_EQ(selectors[0], 0x2b);
  SSI_EQ(selectors[1], 0x2b);
  SSI_OK(syscall(SYS_arch_prctl, ARCH_SET_GS, 0));
  SSI_OK(syscall(SYS_arch_prctl, ARCH_GET_GS, &base));
  SSI_EQ(base, 0);
  SSI_OK(syscall(SYS_arch_prctl, ARCH_GET_FS, &base));
  __asm__("mov %%fs:0, %0" : "=r"(through));
  SSI_EQ(through, base);  // x86-64 ABI: the first word points to itself
  SSI_FAILS(syscall(SYS_arch_prctl, ARCH_SET_GS, ~0UL), EPERM);
  SSI_FAILS(syscall(SYS_arch_prctl, 0x9999, 0), EINVAL);
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv),
                    {{"general", General},
                     {"flags", Flags},
                     {"x87", X87},
                     {"SSE", Sse},
                     {"AVX", Avx},
                     {"AVX-512", Avx512},
                     {"control words", ControlWords},
                     {"segments", Segments}});
}
