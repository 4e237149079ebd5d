// Signals that carry something: queued in order, taken by a handler or by
// sigtimedwait, with codes of every kind; waiting with a time limit.
// Argument: SECONDS; with GUEST_STOPPED in the environment a wait may be cut
// short by SIGCONT, as signal(7) says of sigtimedwait.
#include <signal.h>
#include <sys/resource.h>

#include "guest.h"

namespace {

siginfo_t seen[256];
volatile int calls = 0;

void Record(int, siginfo_t* info, void*) {
  seen[calls % 256] = *info;
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

void Handle(std::initializer_list<int> numbers) {
  struct sigaction action {};
  action.sa_sigaction = Record;
  action.sa_flags = SA_SIGINFO;
  sigfillset(&action.sa_mask);
  for (const int number : numbers) {
    SSI_OK(sigaction(number, &action, nullptr));
  }
}

void Queue(int number, int value) {
  sigval with{};
  with.sival_int = value;
  SSI_OK(sigqueue(getpid(), number, with));
}

int Take(const sigset_t& set, siginfo_t* info, timespec limit) {
  return static_cast<int>(syscall(SYS_rt_sigtimedwait, &set, info, &limit, 8));
}

void InOrder() {
  const int low = SIGRTMIN + 1;
  const int high = SIGRTMIN + 2;
  Handle({low, high});
  const sigset_t set = SetOf({low, high});
  SSI_OK(sigprocmask(SIG_BLOCK, &set, nullptr));
  calls = 0;
  for (int i = 0; i < 50; ++i) {
    Queue(high, 1000 + i);
    Queue(low, i);
  }
  guest::Compute(2);
  SSI_EQ(calls, 0);
  SSI_OK(sigprocmask(SIG_UNBLOCK, &set, nullptr));
  SSI_EQ(calls, 100);
  for (int i = 0; i < 50; ++i) {  // lower numbers first, each in order
    SSI_EQ(seen[i].si_signo, low);
    SSI_EQ(seen[i].si_value.sival_int, i);
    SSI_EQ(seen[i].si_code, SI_QUEUE);
    SSI_EQ(seen[i].si_pid, getpid());
    SSI_EQ(seen[i].si_uid, getuid());
    SSI_EQ(seen[50 + i].si_signo, high);
    SSI_EQ(seen[50 + i].si_value.sival_int, 1000 + i);
  }
  calls = 0;
  for (int i = 0; i < 20; ++i) {  // not blocked: each at once
    Queue(low, i);
    SSI_EQ(calls, i + 1);
    SSI_EQ(seen[i].si_value.sival_int, i);
  }
}

void Taken() {
  const int low = SIGRTMIN + 1;
  const int high = SIGRTMIN + 2;
  const sigset_t set = SetOf({low, high, SIGUSR1});
  SSI_OK(sigprocmask(SIG_BLOCK, &set, nullptr));
  Queue(high, 3);
  Queue(low, 1);
  Queue(low, 2);
  SSI_OK(kill(getpid(), SIGUSR1));
  SSI_OK(kill(getpid(), SIGUSR1));  // a standard signal does not queue
  Queue(SIGUSR1, 9);                // whatever it carries
  guest::Compute(2);
  siginfo_t info{};
  SSI_EQ(Take(set, &info, {0, 0}), SIGUSR1);
  SSI_EQ(info.si_code, SI_USER);
  SSI_EQ(Take(SetOf({high}), &info, {0, 0}), high);
  SSI_EQ(info.si_value.sival_int, 3);
  SSI_EQ(Take(set, &info, {100, 0}), low);
  SSI_EQ(info.si_value.sival_int, 1);
  SSI_EQ(Take(set, nullptr, {100, 0}), low);
  SSI_FAILS(Take(set, &info, {0, 0}), EAGAIN);
  SSI_OK(sigprocmask(SIG_UNBLOCK, &set, nullptr));
}

// To itself a process may say anything, also what only the kernel says.
void AnyCode() {
  Handle({SIGRTMIN + 1, SIGUSR2});
  calls = 0;
  // SI_USER, SI_QUEUE, SI_TIMER, SI_MESGQ, SI_ASYNCIO, one's own, the kernel's
  for (const int code : {0, -1, -2, -3, -4, -50, 1}) {
    siginfo_t info{};
    info.si_signo = SIGRTMIN + 1;
    info.si_code = code;
    info.si_errno = 77;
    info.si_pid = 1234;
    info.si_uid = 5678;
    info.si_value.sival_ptr = reinterpret_cast<void*>(0x123456789abcdef);
    const int at = calls;
    SSI_OK(syscall(SYS_rt_sigqueueinfo, getpid(), SIGRTMIN + 1, &info));
    SSI_EQ(calls, at + 1);
    SSI_EQ(seen[at].si_signo, SIGRTMIN + 1);
    SSI_EQ(seen[at].si_code, code);
    SSI_EQ(seen[at].si_errno, 77);
    SSI_EQ(seen[at].si_pid, 1234);
    SSI_EQ(seen[at].si_uid, 5678);
    SSI_TRUE(seen[at].si_value.sival_ptr == info.si_value.sival_ptr);
    info.si_signo = SIGUSR2;
    SSI_OK(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGUSR2, &info));
    SSI_EQ(calls, at + 2);
    SSI_EQ(seen[at + 1].si_signo, SIGUSR2);
    SSI_EQ(seen[at + 1].si_pid, 1234);
  }
  siginfo_t info{};
  info.si_code = SI_QUEUE;
  SSI_FAILS(syscall(SYS_rt_sigqueueinfo, getpid(), 65, &info), EINVAL);
  SSI_FAILS(syscall(SYS_rt_sigqueueinfo, 0x7ffffffe, SIGUSR2, &info), ESRCH);
  info.si_code = SI_USER;
  SSI_FAILS(syscall(SYS_rt_sigqueueinfo, getppid(), SIGUSR2, &info), EPERM);
}

// Sent to the thread comes before sent to the process.
void ThreadFirst() {
  const sigset_t set = SetOf({SIGRTMIN + 1});
  SSI_OK(sigprocmask(SIG_BLOCK, &set, nullptr));
  Queue(SIGRTMIN + 1, 1);
  siginfo_t info{};
  info.si_code = SI_QUEUE;
  info.si_value.sival_int = 2;
  SSI_OK(
      syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGRTMIN + 1, &info));
  guest::Compute(2);
  SSI_EQ(Take(set, &info, {0, 0}), SIGRTMIN + 1);
  SSI_EQ(info.si_value.sival_int, 2);
  SSI_EQ(Take(set, &info, {0, 0}), SIGRTMIN + 1);
  SSI_EQ(info.si_value.sival_int, 1);
  SSI_OK(sigprocmask(SIG_UNBLOCK, &set, nullptr));
}

void TimeLimits() {
  const bool stopped = getenv("GUEST_STOPPED") != nullptr;
  const sigset_t set = SetOf({SIGUSR1});
  SSI_OK(sigprocmask(SIG_BLOCK, &set, nullptr));
  const std::int64_t start = guest::Nanoseconds();
  siginfo_t info{};
  SSI_EQ(Take(set, &info, {0, 150'000'000}), -1);
  SSI_TRUE(errno == EAGAIN || (stopped && errno == EINTR));
  if (errno == EAGAIN) {
    const std::int64_t waited = guest::Nanoseconds() - start;
    SSI_TRUE(waited >= 150'000'000 && waited < 700'000'000);
  }
  SSI_FAILS(Take(set, &info, {0, 1'000'000'000}), EINVAL);
  SSI_FAILS(Take(set, &info, {-1, 0}), EINVAL);
  SSI_FAILS(syscall(SYS_rt_sigtimedwait, &set, &info, nullptr, 4), EINVAL);
  SSI_OK(sigprocmask(SIG_UNBLOCK, &set, nullptr));
}

// A queue that is full: what must carry something cannot be sent.
void Full() {
  rlimit before{};
  SSI_OK(getrlimit(RLIMIT_SIGPENDING, &before));
  const rlimit none{0, before.rlim_max};
  const sigset_t set = SetOf({SIGRTMIN + 1, SIGUSR1});
  SSI_OK(sigprocmask(SIG_BLOCK, &set, nullptr));
  SSI_OK(setrlimit(RLIMIT_SIGPENDING, &none));
  SSI_FAILS(sigqueue(getpid(), SIGRTMIN + 1, sigval{}), EAGAIN);
  SSI_OK(kill(getpid(), SIGUSR1));
  SSI_OK(setrlimit(RLIMIT_SIGPENDING, &before));
  SSI_EQ(Take(set, nullptr, {0, 0}), SIGUSR1);
  SSI_OK(sigprocmask(SIG_UNBLOCK, &set, nullptr));
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv), {{"in order", InOrder},
                                                 {"taken", Taken},
                                                 {"any code", AnyCode},
                                                 {"thread first", ThreadFirst},
                                                 {"time limits", TimeLimits},
                                                 {"full", Full}});
}
