// A handler may use every register; what it interrupted finds its own again:
// x87, SSE, AVX, AVX-512, flags, control words. Argument: SECONDS.
#include <signal.h>
#include <ucontext.h>

#include "guest.h"

namespace {

alignas(64) unsigned char before[32 * 64];
alignas(64) unsigned char after[32 * 64];
volatile int calls = 0;

// Clobbers all vector and x87 registers and both control words.
void Clobber(int) {
  calls = calls + 1;
  const unsigned mxcsr = 0x7f80;  // round to zero
  const unsigned short control = 0x0f7f;
  __asm__ volatile(
      "ldmxcsr %0\n fldcw %1\n"
      "fldpi\n fldpi\n fldpi\n fldpi\n fldpi\n fldpi\n fldpi\n fldpi\n"
      "pcmpeqd %%xmm0, %%xmm0\n pcmpeqd %%xmm1, %%xmm1\n"
      "pcmpeqd %%xmm2, %%xmm2\n pcmpeqd %%xmm3, %%xmm3\n"
      "pcmpeqd %%xmm8, %%xmm8\n pcmpeqd %%xmm15, %%xmm15\n" ::"m"(mxcsr),
      "m"(control));
  if (__builtin_cpu_supports("avx2")) {
    __asm__ volatile("vzeroall");
  }
  if (__builtin_cpu_supports("avx512f")) {
    __asm__ volatile(
        "vpternlogd $255, %zmm16, %zmm16, %zmm16\n"
        "vpternlogd $255, %zmm31, %zmm31, %zmm31\n"
        "kxnorw %k1, %k1, %k1\n kxnorw %k7, %k7, %k7\n");
  }
  guest::Compute(1);
  __asm__ volatile("fninit\n");
}

// tgkill(self) by hand, with vector registers loaded before and stored after,
// so that the handler runs in between and nothing else does.
#define SSI_CALL                \
  "mov %[call], %%eax\n"        \
  "mov %[pid], %%edi\n"         \
  "mov %[tid], %%esi\n"         \
  "mov $10, %%edx\n" /* USR1 */ \
  "syscall\n"

#define SSI_OPERANDS                                                     \
  : [result] "=&a"(result)                                                  \
  : [from] "r"(before), [to] "r"(after), [call] "i"(SYS_tgkill),            \
    [pid] "m"(pid), [tid] "m"(tid)                                          \
  : "rcx", "rdx", "rsi", "rdi", "r11", "memory", "xmm0", "xmm1", "xmm2",    \
    "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",        \
    "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

void Check(std::size_t size) {
  SSI_EQ(memcmp(before, after, size), 0);
  memset(after, 0, sizeof after);
}

void Vectors(int step) {
  const int pid = getpid();
  const int tid = gettid();
  long result = 0;
  guest::Fill(before, sizeof before, static_cast<std::uint64_t>(step) << 32);
  __asm__ volatile(
      "movaps (%[from]), %%xmm0\n movaps 16(%[from]), %%xmm1\n"
      "movaps 32(%[from]), %%xmm2\n movaps 48(%[from]), %%xmm3\n"
      "movaps 64(%[from]), %%xmm8\n movaps 80(%[from]), %%xmm15\n" SSI_CALL
      "movaps %%xmm0, (%[to])\n movaps %%xmm1, 16(%[to])\n"
      "movaps %%xmm2, 32(%[to])\n movaps %%xmm3, 48(%[to])\n"
      "movaps %%xmm8, 64(%[to])\n movaps %%xmm15, 80(%[to])\n" SSI_OPERANDS);
  SSI_EQ(result, 0);
  Check(96);
  if (__builtin_cpu_supports("avx2")) {
    __asm__ volatile(
        "vmovaps (%[from]), %%ymm0\n vmovaps 32(%[from]), %%ymm7\n"
        "vmovaps 64(%[from]), %%ymm15\n" SSI_CALL
        "vmovaps %%ymm0, (%[to])\n vmovaps %%ymm7, 32(%[to])\n"
        "vmovaps %%ymm15, 64(%[to])\n vzeroupper\n" SSI_OPERANDS);
    SSI_EQ(result, 0);
    Check(96);
  }
  if (__builtin_cpu_supports("avx512bw")) {
    __asm__ volatile(
        "vmovaps (%[from]), %%zmm0\n vmovaps 64(%[from]), %%zmm16\n"
        "vmovaps 128(%[from]), %%zmm31\n kmovq 192(%[from]), %%k1\n"
        "kmovq 200(%[from]), %%k7\n" SSI_CALL
        "vmovaps %%zmm0, (%[to])\n vmovaps %%zmm16, 64(%[to])\n"
        "vmovaps %%zmm31, 128(%[to])\n kmovq %%k1, 192(%[to])\n"
        "kmovq %%k7, 200(%[to])\n vzeroupper\n" SSI_OPERANDS);
    SSI_EQ(result, 0);
    Check(208);
  }
}

void FloatingPoint() {
  const int pid = getpid();
  const int tid = gettid();
  long result = 0;
  const long double values[3] = {1.25L, -3.0L / 7, 1e4000L};
  long double got[3] = {};
  const unsigned mxcsr = 0x3f80;  // round down
  unsigned got_mxcsr = 0;
  const unsigned short control = 0x0b7f;  // round up
  unsigned short got_control = 0;
  memcpy(before, values, sizeof values);
  __asm__ volatile(
      "fldt (%[from])\n fldt 16(%[from])\n fldt 32(%[from])\n" SSI_CALL
      "fstpt 32(%[to])\n fstpt 16(%[to])\n fstpt (%[to])\n" SSI_OPERANDS);
  SSI_EQ(result, 0);
  memcpy(got, after, sizeof got);
  for (int i = 0; i < 3; ++i) {
    SSI_TRUE(got[i] == values[i]);
  }
  memcpy(before, &mxcsr, 4);
  memcpy(before + 4, &control, 2);
  __asm__ volatile("ldmxcsr (%[from])\n fldcw 4(%[from])\n" SSI_CALL
                   "stmxcsr (%[to])\n fnstcw 4(%[to])\n" SSI_OPERANDS);
  memcpy(&got_mxcsr, after, 4);
  memcpy(&got_control, after + 4, 2);
  const unsigned usual = 0x1f80;
  __asm__ volatile("ldmxcsr %0\n fninit\n" ::"m"(usual));
  SSI_EQ(got_mxcsr & 0xffc0, mxcsr);
  SSI_EQ(got_control, control);
}

void Kept() {
  struct sigaction action {};
  action.sa_handler = Clobber;
  SSI_OK(sigaction(SIGUSR1, &action, nullptr));
  for (int step = 1; step <= 4; ++step) {
    Vectors(step);
    FloatingPoint();
  }
}

// A handler starts with the control words of a new program.
void Fresh(int) {
  unsigned mxcsr = 0;
  unsigned short control = 0;
  __asm__ volatile("stmxcsr %0\n fnstcw %1" : "=m"(mxcsr), "=m"(control));
  SSI_EQ(mxcsr, 0x1f80);
  SSI_EQ(control, 0x037f);
  calls = calls + 1;
}

void StartsFresh() {
  struct sigaction action {};
  action.sa_handler = Fresh;
  SSI_OK(sigaction(SIGUSR2, &action, nullptr));
  const unsigned mxcsr = 0x7f80;
  const unsigned usual = 0x1f80;
  calls = 0;
  __asm__ volatile("ldmxcsr %0" ::"m"(mxcsr));
  SSI_OK(kill(getpid(), SIGUSR2));
  __asm__ volatile("ldmxcsr %0" ::"m"(usual));
  SSI_EQ(calls, 1);
}

// What the handler writes into the saved state is there afterwards.
void Write(int, siginfo_t*, void* context) {
  auto* saved = static_cast<ucontext_t*>(context);
  saved->uc_mcontext.fpregs->_xmm[8].element[0] = 0x87654321;
  saved->uc_mcontext.fpregs->mxcsr = 0x5f80;
}

void Rewritten() {
  const int pid = getpid();
  const int tid = gettid();
  long result = 0;
  struct sigaction action {};
  action.sa_sigaction = Write;
  action.sa_flags = SA_SIGINFO;
  SSI_OK(sigaction(SIGUSR1, &action, nullptr));
  guest::Fill(before, sizeof before, 5);
  __asm__ volatile("movaps (%[from]), %%xmm8\n" SSI_CALL
                   "movaps %%xmm8, (%[to])\n stmxcsr 16(%[to])\n" SSI_OPERANDS);
  const unsigned usual = 0x1f80;
  __asm__ volatile("ldmxcsr %0" ::"m"(usual));
  unsigned got[5];
  memcpy(got, after, sizeof got);
  SSI_EQ(got[0], 0x87654321);
  SSI_EQ(memcmp(after + 4, before + 4, 12), 0);
  SSI_EQ(got[4] & 0xffc0, 0x5f80);
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv), {{"kept", Kept},
                                                 {"starts fresh", StartsFresh},
                                                 {"rewritten", Rewritten}});
}
