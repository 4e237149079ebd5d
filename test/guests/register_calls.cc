// A call changes rax, rcx and r11 and nothing else: all other registers, the
// flags and the vectors are as before, whether the call is local, forwarded,
// told, fails or waits. Argument: SECONDS.
#include <poll.h>

#include "guest.h"

// The registers in the order of `in` and `out`; rcx and r11 are missing, rax
// is the number going in and the result coming out.
enum Register {
  kRax,
  kRbx,
  kRdx,
  kRsi,
  kRdi,
  kRbp,
  kR8,
  kR9,
  kR10,
  kR12,
  kR13,
  kR14,
  kR15,
  kFlags,
  kRegisters
};

extern "C" void Call(const std::uint64_t* in, std::uint64_t* out,
                     const void* vectors_in, void* vectors_out);

// Loads xmm0-15 and everything else, calls, stores.
__asm__(R"(
        .text
Call:
        push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15
        push %rcx; push %rsi
        .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        movups \n*16(%rdx), %xmm\n
        .endr
        push 104(%rdi); popfq
        mov 0(%rdi), %rax;  mov 8(%rdi), %rbx;   mov 16(%rdi), %rdx
        mov 24(%rdi), %rsi; mov 40(%rdi), %rbp;  mov 48(%rdi), %r8
        mov 56(%rdi), %r9;  mov 64(%rdi), %r10;  mov 72(%rdi), %r12
        mov 80(%rdi), %r13; mov 88(%rdi), %r14;  mov 96(%rdi), %r15
        mov 32(%rdi), %rdi
        syscall
        pushfq; push %rdi
        push $0x202; popfq
        mov 16(%rsp), %rdi
        mov %rax, 0(%rdi);  mov %rbx, 8(%rdi);   mov %rdx, 16(%rdi)
        mov %rsi, 24(%rdi); mov %rbp, 40(%rdi);  mov %r8, 48(%rdi)
        mov %r9, 56(%rdi);  mov %r10, 64(%rdi);  mov %r12, 72(%rdi)
        mov %r13, 80(%rdi); mov %r14, 88(%rdi);  mov %r15, 96(%rdi)
        pop %rax; mov %rax, 32(%rdi)
        pop %rax; mov %rax, 104(%rdi)
        pop %rsi; pop %rcx
        .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        movups %xmm\n, \n*16(%rcx)
        .endr
        pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx
        ret
)");

namespace {

// Calls `number` and checks all registers; those in `arguments` get the
// given values, the others a pattern. Returns the result.
struct Argument {
  Register where;
  std::uint64_t value;
};
long CheckedCall(long number, std::initializer_list<Argument> arguments) {
  static std::uint64_t seed = 0;
  std::uint64_t in[kRegisters];
  std::uint64_t out[kRegisters] = {};
  unsigned char vectors_in[256];
  unsigned char vectors_out[256] = {};
  seed += 1UL << 32;
  guest::Fill(in, sizeof in, seed);
  guest::Fill(vectors_in, sizeof vectors_in, ~seed);
  in[kRax] = static_cast<std::uint64_t>(number);
  for (const Argument& argument : arguments) {
    in[argument.where] = argument.value;
  }
  // Any of the arithmetic flags, and now and then the direction flag.
  in[kFlags] = 0x202 | (guest::Mix(seed) & 0xcd5);
  Call(in, out, vectors_in, vectors_out);
  for (int i = kRbx; i < kRegisters; ++i) {
    SSI_EQ(out[i], in[i]);
  }
  SSI_EQ(memcmp(vectors_in, vectors_out, sizeof vectors_in), 0);
  return static_cast<long>(out[kRax]);
}

std::uint64_t Address(const void* to) {
  return reinterpret_cast<std::uint64_t>(to);
}

// Calls that take no arguments: whatever is in the registers.
void NoArguments() {
  const long pid = syscall(SYS_getpid);
  const long parent = syscall(SYS_getppid);
  const long uid = syscall(SYS_getuid);
  for (int i = 0; i < 50; ++i) {
    SSI_EQ(CheckedCall(SYS_getpid, {}), pid);
    SSI_EQ(CheckedCall(SYS_gettid, {}), pid);
    SSI_EQ(CheckedCall(SYS_getppid, {}), parent);
    SSI_EQ(CheckedCall(SYS_getuid, {}), uid);
    SSI_EQ(CheckedCall(SYS_sched_yield, {}), 0);
    SSI_EQ(CheckedCall(SYS_sync_file_range, {{kRdi, ~0UL}}), -EBADF);
  }
}

// Calls that fail, with patterns for the other arguments.
void Failing() {
  const std::uint64_t nobody = 999;
  for (int i = 0; i < 20; ++i) {
    SSI_EQ(CheckedCall(SYS_read, {{kRdi, nobody}}), -EBADF);
    SSI_EQ(CheckedCall(SYS_write, {{kRdi, nobody}}), -EBADF);
    SSI_EQ(CheckedCall(SYS_lseek, {{kRdi, nobody}}), -EBADF);
    SSI_EQ(CheckedCall(SYS_close, {{kRdi, nobody}}), -EBADF);
    SSI_EQ(CheckedCall(SYS_fstat, {{kRdi, nobody}, {kRsi, 8}}), -EBADF);
    SSI_EQ(CheckedCall(SYS_stat, {{kRdi, 8}, {kRsi, 8}}), -EFAULT);
    SSI_EQ(CheckedCall(SYS_nanosleep, {{kRdi, 8}}), -EFAULT);
    SSI_EQ(CheckedCall(SYS_rt_sigaction, {{kRdi, 0}, {kRsi, 0}, {kR10, 8}}),
           -EINVAL);
    SSI_EQ(CheckedCall(SYS_rt_sigprocmask, {{kRsi, 8}, {kR10, 8}}), -EFAULT);
    SSI_EQ(CheckedCall(SYS_munmap, {{kRdi, 1}}), -EINVAL);
    SSI_EQ(CheckedCall(SYS_prctl, {{kRdi, 44}}), -EINVAL);
  }
}

// Calls that work, and write somewhere.
void Working() {
  int ends[2];
  SSI_OK(pipe(ends));
  const auto reader = static_cast<std::uint64_t>(ends[0]);
  const auto writer = static_cast<std::uint64_t>(ends[1]);
  for (int i = 0; i < 20; ++i) {
    char text[8] = {};
    SSI_EQ(CheckedCall(SYS_write,
                       {{kRdi, writer}, {kRsi, Address("abc")}, {kRdx, 3}}),
           3);
    SSI_EQ(CheckedCall(SYS_read,
                       {{kRdi, reader}, {kRsi, Address(text)}, {kRdx, 8}}),
           3);
    SSI_EQ(memcmp(text, "abc", 4), 0);
    std::uint64_t mask = 0;
    SSI_EQ(CheckedCall(SYS_rt_sigprocmask, {{kRdi, 0},
                                            {kRsi, Address(&mask)},
                                            {kRdx, Address(&mask)},
                                            {kR10, 8}}),
           0);
    timespec time{};
    SSI_EQ(CheckedCall(SYS_clock_gettime, {{kRdi, 1}, {kRsi, Address(&time)}}),
           0);
    SSI_TRUE(time.tv_sec > 0);
  }
  SSI_OK(close(ends[0]));
  SSI_OK(close(ends[1]));
}

// Calls that wait: this is where a hop finds it most of the time.
void Waiting() {
  const timespec nap{0, 40'000'000};
  SSI_EQ(CheckedCall(SYS_nanosleep, {{kRdi, Address(&nap)}, {kRsi, 0}}), 0);
  SSI_EQ(CheckedCall(SYS_clock_nanosleep,
                     {{kRdi, 1}, {kRsi, 0}, {kRdx, Address(&nap)}, {kR10, 0}}),
         0);
  SSI_EQ(CheckedCall(SYS_poll, {{kRdi, 0}, {kRsi, 0}, {kRdx, 40}}), 0);
  timeval limit{0, 40'000};
  SSI_EQ(
      CheckedCall(
          SYS_select,
          {{kRdi, 0}, {kRsi, 0}, {kRdx, 0}, {kR10, 0}, {kR8, Address(&limit)}}),
      0);
  timespec left{0, 40'000'000};
  SSI_EQ(
      CheckedCall(
          SYS_ppoll,
          {{kRdi, 0}, {kRsi, 0}, {kRdx, Address(&left)}, {kR10, 0}, {kR8, 8}}),
      0);
  unsigned word = 7;
  const timespec short_time{0, 40'000'000};
  constexpr std::uint64_t kWaitPrivate = 128;
  SSI_EQ(CheckedCall(SYS_futex, {{kRdi, Address(&word)},
                                 {kRsi, kWaitPrivate},
                                 {kRdx, 7},
                                 {kR10, Address(&short_time)}}),
         -ETIMEDOUT);
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv), {{"no arguments", NoArguments},
                                                 {"failing", Failing},
                                                 {"working", Working},
                                                 {"waiting", Waiting}});
}
