// Handlers inside handlers, on other stacks, left by a jump, and handlers
// that change what they return to. Argument: SECONDS.
#include <setjmp.h>
#include <signal.h>
#include <ucontext.h>

#include "guest.h"

namespace {

alignas(64) unsigned char alternate[65536];
volatile int calls = 0;
volatile int level = 0;
volatile bool on_alternate = false;

void Set(int number, void (*handler)(int, siginfo_t*, void*), int flags) {
  struct sigaction action {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | flags;
  SSI_OK(sigaction(number, &action, nullptr));
}

bool IsAlternate(const void* address) {
  const auto* at = static_cast<const unsigned char*>(address);
  return at >= alternate && at < alternate + sizeof alternate;
}

// Calls itself 20 deep by signals; each level's own data must be intact.
void Nest(int number, siginfo_t*, void*) {
  unsigned char mine[512];
  const int my_level = level;
  level = level + 1;
  calls = calls + 1;
  guest::Fill(mine, sizeof mine, static_cast<std::uint64_t>(my_level));
  if (my_level < 20) {
    SSI_OK(kill(getpid(), number == SIGUSR1 ? SIGUSR2 : SIGUSR1));
  } else {
    guest::Compute(5);  // a hop at the deepest point
  }
  SSI_TRUE(
      guest::Holds(mine, sizeof mine, static_cast<std::uint64_t>(my_level)));
  level = level - 1;
  SSI_EQ(level, my_level);
}

void Nested() {
  Set(SIGUSR1, Nest, SA_NODEFER);
  Set(SIGUSR2, Nest, SA_NODEFER);
  calls = 0;
  SSI_OK(kill(getpid(), SIGUSR1));
  SSI_EQ(calls, 21);
  SSI_EQ(level, 0);
}

sigjmp_buf jump;
void Leave(int, siginfo_t*, void*) {
  siglongjmp(jump, 5);
}

std::uint64_t Mask() {
  std::uint64_t mask = 0;
  SSI_OK(syscall(SYS_rt_sigprocmask, SIG_BLOCK, nullptr, &mask, 8));
  return mask;
}

void Jumps() {
  Set(SIGUSR1, Leave, 0);
  const std::uint64_t before = Mask();
  volatile int jumps = 0;
  while (jumps < 50) {
    if (sigsetjmp(jump, 1) == 0) {
      SSI_OK(kill(getpid(), SIGUSR1));
      SSI_TRUE(false);
    }
    jumps = jumps + 1;
    SSI_EQ(Mask(), before);  // put back by the jump
  }
  if (sigsetjmp(jump, 0) == 0) {
    SSI_OK(kill(getpid(), SIGUSR1));
  }
  SSI_EQ(Mask(), before | 1UL << (SIGUSR1 - 1));  // not put back
  SSI_OK(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, nullptr, 8));
}

void OnStack(int, siginfo_t*, void*) {
  unsigned char here = 0;
  on_alternate = IsAlternate(&here);
  stack_t now{};
  SSI_OK(sigaltstack(nullptr, &now));
  if (on_alternate) {
    SSI_EQ(now.ss_flags, SS_ONSTACK);
    const stack_t other{alternate, 0, 20000};
    SSI_FAILS(sigaltstack(&other, nullptr), EPERM);  // it stands on it
  }
  guest::Compute(1);
  calls = calls + 1;
}

void OtherStack() {
  const stack_t stack{alternate, 0, sizeof alternate};
  SSI_OK(sigaltstack(&stack, nullptr));
  Set(SIGUSR1, OnStack, SA_ONSTACK);
  Set(SIGUSR2, OnStack, 0);
  for (int i = 0; i < 5; ++i) {
    SSI_OK(kill(getpid(), SIGUSR1));
    SSI_TRUE(on_alternate);
    SSI_OK(kill(getpid(), SIGUSR2));
    SSI_TRUE(!on_alternate);
  }
  guest::Compute(2);
  stack_t got{};
  SSI_OK(sigaltstack(nullptr, &got));
  SSI_TRUE(got.ss_sp == alternate && got.ss_size == sizeof alternate);
  SSI_EQ(got.ss_flags, 0);
  const stack_t small{alternate, 0, 100};
  SSI_FAILS(sigaltstack(&small, nullptr), ENOMEM);
  const stack_t strange{alternate, 77, sizeof alternate};
  SSI_FAILS(sigaltstack(&strange, nullptr), EINVAL);
  // SS_AUTODISARM: free for others while a handler stands on it.
  const int disarm = static_cast<int>(1U << 31);
  const stack_t disarmed{alternate, disarm, sizeof alternate};
  SSI_OK(sigaltstack(&disarmed, nullptr));
  Set(
      SIGUSR1,
      [](int, siginfo_t*, void*) {
        stack_t now{};
        SSI_OK(sigaltstack(nullptr, &now));
        SSI_EQ(now.ss_flags, SS_DISABLE);
        guest::Compute(1);
      },
      SA_ONSTACK);
  SSI_OK(kill(getpid(), SIGUSR1));
  SSI_OK(sigaltstack(nullptr, &got));
  SSI_EQ(got.ss_flags, disarm);
  SSI_TRUE(got.ss_sp == alternate);
  const stack_t off{nullptr, SS_DISABLE, 0};
  SSI_OK(sigaltstack(&off, &got));
  SSI_OK(sigaltstack(nullptr, &got));
  SSI_EQ(got.ss_flags, SS_DISABLE);
}

// The handler changes the mask and a register of what it returns to.
void Change(int, siginfo_t*, void* context) {
  auto* saved = static_cast<ucontext_t*>(context);
  sigaddset(&saved->uc_sigmask, SIGHUP);
  saved->uc_mcontext.gregs[REG_RBX] = 0x123456789abcdef;
  saved->uc_mcontext.gregs[REG_RIP] += 2;  // over the ud2
}

void ReturnElsewhere() {
  Set(SIGILL, Change, 0);
  const std::uint64_t before = Mask();
  for (int i = 0; i < 5; ++i) {
    std::uint64_t value = 1;
    __asm__ volatile("ud2" : "+b"(value)::"memory");
    SSI_EQ(value, 0x123456789abcdef);
    SSI_EQ(Mask(), before | 1UL << (SIGHUP - 1));
    SSI_OK(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, nullptr, 8));
  }
  signal(SIGILL, SIG_DFL);
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv),
                    {{"nested", Nested},
                     {"jumps", Jumps},
                     {"other stack", OtherStack},
                     {"return elsewhere", ReturnElsewhere}});
}
