// What is to happen at a signal: all 64 actions as set, the flags one by one,
// what the handler is told. Argument: SECONDS.
#include <signal.h>
#include <sys/wait.h>

#include "guest.h"

namespace {

constexpr int kSignals = 64;

struct KernelAction {
  void (*handler)(int);
  unsigned long flags;
  void (*restorer)();
  std::uint64_t mask;
};

long RawAction(int number, const KernelAction* set, KernelAction* get) {
  return syscall(SYS_rt_sigaction, number, set, get, 8);
}

volatile int calls = 0;
volatile int depth = 0;
volatile int deepest = 0;
siginfo_t last_info;
sigset_t mask_in_handler;

void Count(int) {
  calls = calls + 1;
}

void Record(int, siginfo_t* info, void*) {
  calls = calls + 1;
  last_info = *info;
  sigprocmask(SIG_BLOCK, nullptr, &mask_in_handler);
}

// Sends itself the same signal again, three times over.
void Again(int number) {
  depth = depth + 1;
  deepest = depth > deepest ? depth : deepest;
  calls = calls + 1;
  if (calls < 3) {
    SSI_OK(kill(getpid(), number));
  }
  depth = depth - 1;
}

struct sigaction Action(void (*handler)(int), int flags) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  return action;
}

void Set(int number, const struct sigaction& action) {
  SSI_OK(sigaction(number, &action, nullptr));
}

void AllOfThem() {
  // The restorer is libc's: taken from an action that libc has set.
  Set(SIGUSR1, Action(Count, 0));
  KernelAction libc{};
  SSI_OK(RawAction(SIGUSR1, nullptr, &libc));
  KernelAction before[kSignals + 1];
  KernelAction set[kSignals + 1];
  constexpr unsigned long kFlags[] = {0,          SA_RESTART,   SA_NODEFER,
                                      SA_ONSTACK, SA_RESETHAND, SA_NOCLDSTOP};
  constexpr std::uint64_t kUnblockable =
      1UL << (SIGKILL - 1) | 1UL << (SIGSTOP - 1);
  for (int i = 1; i <= kSignals; ++i) {
    if (i == SIGKILL || i == SIGSTOP) {
      SSI_FAILS(RawAction(i, &libc, nullptr), EINVAL);
      continue;
    }
    const auto seed = static_cast<std::uint64_t>(i);
    set[i] = {Count, libc.flags | kFlags[i % 6], libc.restorer,
              guest::Mix(seed) & ~kUnblockable};
    SSI_OK(RawAction(i, &set[i], &before[i]));
  }
  guest::Compute(5);
  for (int i = 1; i <= kSignals; ++i) {
    if (i == SIGKILL || i == SIGSTOP || i == SIGCONT) {
      continue;  // a SIGCONT from outside may have reset its own
    }
    KernelAction got{};
    SSI_OK(RawAction(i, &before[i], &got));
    SSI_TRUE(got.handler == set[i].handler);
    SSI_EQ(got.flags, set[i].flags);
    SSI_TRUE(got.restorer == set[i].restorer);
    SSI_EQ(got.mask, set[i].mask);
  }
  SSI_OK(RawAction(SIGCONT, &before[SIGCONT], nullptr));
  SSI_FAILS(RawAction(0, nullptr, &libc), EINVAL);
  SSI_FAILS(RawAction(65, nullptr, &libc), EINVAL);
  SSI_FAILS(syscall(SYS_rt_sigaction, 1, nullptr, &libc, 4), EINVAL);
}

void WhatItIsTold() {
  struct sigaction action = Action(nullptr, SA_SIGINFO);
  action.sa_sigaction = Record;
  sigaddset(&action.sa_mask, SIGUSR2);
  Set(SIGUSR1, action);
  calls = 0;
  SSI_OK(syscall(SYS_kill, getpid(), SIGUSR1));
  SSI_EQ(calls, 1);  // it has run when the call returns
  SSI_EQ(last_info.si_signo, SIGUSR1);
  SSI_EQ(last_info.si_code, SI_USER);
  SSI_EQ(last_info.si_pid, getpid());
  SSI_EQ(last_info.si_uid, getuid());
  SSI_TRUE(sigismember(&mask_in_handler, SIGUSR1) == 1);
  SSI_TRUE(sigismember(&mask_in_handler, SIGUSR2) == 1);
  SSI_TRUE(sigismember(&mask_in_handler, SIGTERM) == 0);
  SSI_OK(syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1));
  SSI_EQ(calls, 2);
  SSI_EQ(last_info.si_code, SI_TKILL);
  SSI_EQ(last_info.si_pid, getpid());
  SSI_OK(syscall(SYS_tkill, gettid(), SIGUSR1));
  SSI_EQ(calls, 3);
  SSI_EQ(raise(SIGUSR1), 0);
  SSI_EQ(calls, 4);
  SSI_OK(kill(0 - getpgid(0), 0));  // may it? yes
  SSI_OK(kill(getpid(), 0));
  SSI_EQ(calls, 4);
}

void Flags() {
  Set(SIGUSR1, Action(Again, 0));
  calls = 0;
  deepest = 0;
  SSI_OK(kill(getpid(), SIGUSR1));
  SSI_EQ(calls, 3);
  SSI_EQ(deepest, 1);  // one after the other
  Set(SIGUSR1, Action(Again, SA_NODEFER));
  calls = 0;
  deepest = 0;
  SSI_OK(kill(getpid(), SIGUSR1));
  SSI_EQ(calls, 3);
  SSI_EQ(deepest, 3);  // one inside the other
  Set(SIGURG, Action(Count, static_cast<int>(SA_RESETHAND)));
  calls = 0;
  SSI_OK(kill(getpid(), SIGURG));
  SSI_OK(kill(getpid(), SIGURG));  // the default: nothing
  SSI_EQ(calls, 1);
  struct sigaction got {};
  SSI_OK(sigaction(SIGURG, nullptr, &got));
  SSI_TRUE(got.sa_handler == SIG_DFL);
  SSI_EQ(got.sa_flags & static_cast<int>(SA_RESETHAND),
         static_cast<int>(SA_RESETHAND));
}

void Ignored() {
  Set(SIGUSR1, Action(SIG_IGN, 0));
  calls = 0;
  SSI_OK(kill(getpid(), SIGUSR1));
  for (const int number : {SIGCHLD, SIGURG, SIGWINCH, SIGCONT}) {
    Set(number, Action(SIG_DFL, 0));
    SSI_OK(kill(getpid(), number));
  }
  // To ignore a signal also throws away one that is pending.
  sigset_t set;
  sigset_t pending;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGURG);
  SSI_OK(sigprocmask(SIG_BLOCK, &set, nullptr));
  Set(SIGUSR1, Action(Count, 0));
  SSI_OK(kill(getpid(), SIGUSR1));
  SSI_OK(sigpending(&pending));
  SSI_TRUE(sigismember(&pending, SIGUSR1) == 1);
  Set(SIGUSR1, Action(SIG_IGN, 0));
  SSI_OK(sigpending(&pending));
  SSI_TRUE(sigismember(&pending, SIGUSR1) == 0);
  Set(SIGUSR1, Action(Count, 0));
  // And so does the default of a signal that is ignored by default.
  Set(SIGURG, Action(Count, 0));
  SSI_OK(kill(getpid(), SIGURG));
  Set(SIGURG, Action(SIG_DFL, 0));
  Set(SIGURG, Action(Count, 0));
  SSI_OK(sigprocmask(SIG_UNBLOCK, &set, nullptr));
  SSI_EQ(calls, 0);
  SSI_OK(kill(getpid(), SIGUSR1));
  SSI_EQ(calls, 1);
}

void OldAction() {
  struct sigaction old {};
  struct sigaction first = Action(Count, SA_RESTART);
  sigaddset(&first.sa_mask, SIGHUP);
  Set(SIGUSR2, first);
  const struct sigaction second = Action(Again, 0);
  SSI_OK(sigaction(SIGUSR2, &second, &old));
  SSI_TRUE(old.sa_handler == Count);
  SSI_EQ(old.sa_flags & ~0x04000000, SA_RESTART);  // SA_RESTORER is libc's
  SSI_TRUE(sigismember(&old.sa_mask, SIGHUP) == 1);
  SSI_TRUE(signal(SIGUSR2, SIG_DFL) == Again);
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv),
                    {{"all of them", AllOfThem},
                     {"what it is told", WhatItIsTold},
                     {"flags", Flags},
                     {"ignored", Ignored},
                     {"old action", OldAction}});
}
