// Blocked and pending signals: what is let in has been handled when the call
// returns, in the order of the numbers; what is not stays pending, with what
// it carries. Argument: SECONDS.
#include <signal.h>

#include "guest.h"

namespace {

// Pending from one round to the next: never let in before that.
constexpr std::uint64_t kLasting = 1UL << (SIGVTALRM - 1) | 1UL << 63;

int order[64];
volatile int calls = 0;

void Record(int number) {
  order[calls % 64] = number;
  calls = calls + 1;
}

sigset_t SetOf(std::initializer_list<int> numbers) {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : numbers) {
    sigaddset(&set, number);
  }
  return set;
}

// The mask as the kernel has it.
std::uint64_t Mask() {
  std::uint64_t mask = 0;
  SSI_OK(syscall(SYS_rt_sigprocmask, SIG_BLOCK, nullptr, &mask, 8));
  return mask;
}

void Change(int how, const sigset_t& set) {
  SSI_OK(syscall(SYS_rt_sigprocmask, how, &set, nullptr, 8));
}

bool IsPending(int number) {
  std::uint64_t pending = 0;
  SSI_OK(syscall(SYS_rt_sigpending, &pending, 8));
  return (pending >> (number - 1) & 1) != 0;
}

void SetHandlers(std::initializer_list<int> numbers) {
  struct sigaction action {};
  action.sa_handler = Record;
  sigfillset(&action.sa_mask);  // one after the other
  for (const int number : numbers) {
    SSI_OK(sigaction(number, &action, nullptr));
  }
}

void Masks() {
  constexpr std::uint64_t kUnblockable =
      1UL << (SIGKILL - 1) | 1UL << (SIGSTOP - 1);
  const std::uint64_t before = Mask();
  for (std::uint64_t seed = 1; seed < 20; ++seed) {
    // SIGINT and SIGTERM stay as they are: somebody may want to end us.
    const std::uint64_t want = (guest::Mix(seed) | kLasting) &
                               ~(1UL << (SIGINT - 1) | 1UL << (SIGTERM - 1));
    std::uint64_t old = 0;
    SSI_OK(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &want, nullptr, 8));
    SSI_EQ(Mask(), want & ~kUnblockable);
    if (seed % 5 == 0) {
      guest::Compute(2);
    }
    const std::uint64_t more = guest::Mix(~seed) & 0xfcff0000;
    SSI_OK(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &more, &old, 8));
    SSI_EQ(old, want & ~kUnblockable);
    SSI_EQ(Mask(), (want & ~kUnblockable) | (more & ~kUnblockable));
    SSI_OK(syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &more, nullptr, 8));
    SSI_EQ(Mask(), want & ~kUnblockable & ~more);
  }
  SSI_OK(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, nullptr, 8));
  SSI_FAILS(syscall(SYS_rt_sigprocmask, 3, &before, nullptr, 8), EINVAL);
  SSI_FAILS(syscall(SYS_rt_sigprocmask, 0, &before, nullptr, 4), EINVAL);
}

void LetIn() {
  SetHandlers({SIGUSR1, SIGUSR2, SIGHUP, SIGRTMIN, SIGRTMIN + 5});
  const sigset_t set =
      SetOf({SIGUSR1, SIGUSR2, SIGHUP, SIGRTMIN, SIGRTMIN + 5});
  for (int step = 0; step < 10; ++step) {
    Change(SIG_BLOCK, set);
    calls = 0;
    for (const int number :
         {SIGRTMIN + 5, SIGUSR2, SIGHUP, SIGRTMIN, SIGUSR1}) {
      SSI_OK(kill(getpid(), number));
      SSI_TRUE(IsPending(number));
    }
    if (step % 3 == 0) {
      guest::Compute(2);
    }
    SSI_EQ(calls, 0);
    if (step % 2 == 0) {
      Change(SIG_UNBLOCK, set);
    } else {
      Change(SIG_SETMASK, SetOf({SIGVTALRM, SIGRTMAX}));
    }
    SSI_EQ(calls, 5);
    SSI_EQ(order[0], SIGHUP);
    SSI_EQ(order[1], SIGUSR1);
    SSI_EQ(order[2], SIGUSR2);
    SSI_EQ(order[3], SIGRTMIN);
    SSI_EQ(order[4], SIGRTMIN + 5);
    SSI_TRUE(!IsPending(SIGUSR1));
  }
}

// One after the other, each by an unblock of its own.
void OneByOne() {
  const sigset_t both = SetOf({SIGUSR1, SIGUSR2});
  Change(SIG_BLOCK, both);
  calls = 0;
  SSI_OK(kill(getpid(), SIGUSR1));
  SSI_OK(kill(getpid(), SIGUSR2));
  SSI_OK(kill(getpid(), SIGUSR2));  // the second is lost in the first
  Change(SIG_UNBLOCK, SetOf({SIGUSR2}));
  SSI_EQ(calls, 1);
  SSI_EQ(order[0], SIGUSR2);
  SSI_TRUE(IsPending(SIGUSR1) && !IsPending(SIGUSR2));
  guest::Compute(2);
  SSI_TRUE(IsPending(SIGUSR1));
  Change(SIG_UNBLOCK, SetOf({SIGUSR1}));
  SSI_EQ(calls, 2);
  SSI_EQ(order[1], SIGUSR1);
}

void Suspend() {
  SetHandlers({SIGUSR1, SIGUSR2});
  const sigset_t blocked = SetOf({SIGUSR1, SIGUSR2});
  Change(SIG_BLOCK, blocked);
  for (int step = 0; step < 10; ++step) {
    calls = 0;
    SSI_OK(kill(getpid(), SIGUSR1));
    SSI_OK(kill(getpid(), SIGUSR2));
    const sigset_t only = SetOf({SIGUSR1, SIGVTALRM, SIGRTMAX});
    const std::uint64_t before = Mask();
    SSI_FAILS(syscall(SYS_rt_sigsuspend, &only, 8), EINTR);  // USR2 comes
    SSI_EQ(calls, 1);
    SSI_EQ(order[0], SIGUSR2);
    SSI_EQ(Mask(), before);
    SSI_TRUE(IsPending(SIGUSR1));
    const sigset_t none = SetOf({SIGVTALRM, SIGRTMAX});
    SSI_FAILS(syscall(SYS_rt_sigsuspend, &none, 8), EINTR);
    SSI_EQ(calls, 2);
    SSI_EQ(Mask(), before);
  }
  Change(SIG_UNBLOCK, blocked);
  SSI_FAILS(syscall(SYS_rt_sigsuspend, &blocked, 4), EINVAL);
}

// Pending through rounds: sent in one, still there in the next.
void Lasting() {
  const sigset_t set = SetOf({SIGVTALRM, SIGRTMAX});
  if (guest::first_round) {
    Change(SIG_BLOCK, set);
  } else {
    SSI_TRUE(IsPending(SIGVTALRM) && IsPending(SIGRTMAX));
    siginfo_t info{};
    const timespec now{0, 0};
    SSI_EQ(syscall(SYS_rt_sigtimedwait, &set, &info, &now, 8), SIGVTALRM);
    SSI_EQ(info.si_code, SI_USER);
    SSI_EQ(info.si_pid, getpid());
    SSI_EQ(syscall(SYS_rt_sigtimedwait, &set, &info, &now, 8), SIGRTMAX);
    SSI_EQ(info.si_code, SI_QUEUE);
    SSI_EQ(info.si_value.sival_int, 4711);
  }
  SSI_TRUE(!IsPending(SIGVTALRM) && !IsPending(SIGRTMAX));
  SSI_OK(kill(getpid(), SIGVTALRM));
  sigval value{};
  value.sival_int = 4711;
  SSI_OK(sigqueue(getpid(), SIGRTMAX, value));
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv), {{"masks", Masks},
                                                 {"let in", LetIn},
                                                 {"one by one", OneByOne},
                                                 {"suspend", Suspend},
                                                 {"lasting", Lasting}});
}
