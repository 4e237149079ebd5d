// Futexes in the program's own memory, with nobody to wake it: values, time
// limits, requeueing, locks; robust list and thread id. Argument: SECONDS.
#include <linux/futex.h>
#include <sys/prctl.h>

#include "guest.h"

namespace {

using Time = std::int64_t;
constexpr Time kSecond = 1'000'000'000;
constexpr long kFutexWaitv = 449;

alignas(64) unsigned words[4];

long Futex(unsigned* word, int operation, unsigned value,
           const void* limit_or_count = nullptr, unsigned* second = nullptr,
           unsigned third = 0) {
  return syscall(SYS_futex, word, operation, value, limit_or_count, second,
                 third);
}

timespec Spec(Time time) {
  return {time / kSecond, time % kSecond};
}

void CheckWaited(Time start, Time want, clockid_t clock = CLOCK_MONOTONIC) {
  const Time waited = guest::Nanoseconds(clock) - start;
  SSI_TRUE(waited >= want);
  SSI_TRUE(waited < want + want * 3 / 10 + kSecond / 2);
}

void Values() {
  words[0] = 5;
  SSI_FAILS(Futex(words, FUTEX_WAIT, 6), EAGAIN);
  SSI_FAILS(Futex(words, FUTEX_WAIT_PRIVATE, 6), EAGAIN);
  SSI_EQ(Futex(words, FUTEX_WAKE, 1), 0);
  SSI_EQ(Futex(words, FUTEX_WAKE_PRIVATE, 1000), 0);
  SSI_EQ(Futex(words, FUTEX_WAKE_BITSET_PRIVATE, 1, nullptr, nullptr, 7), 0);
  SSI_FAILS(Futex(words, FUTEX_WAKE_BITSET_PRIVATE, 1, nullptr, nullptr, 0),
            EINVAL);
  const void* all = reinterpret_cast<void*>(100);
  SSI_EQ(Futex(words, FUTEX_REQUEUE_PRIVATE, 1, all, words + 1), 0);
  SSI_EQ(Futex(words, FUTEX_CMP_REQUEUE_PRIVATE, 1, all, words + 1, 5), 0);
  SSI_FAILS(Futex(words, FUTEX_CMP_REQUEUE_PRIVATE, 1, all, words + 1, 6),
            EAGAIN);
  words[1] = 10;
  const unsigned add_three =
      static_cast<unsigned>(FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 10));
  SSI_EQ(Futex(words, FUTEX_WAKE_OP_PRIVATE, 1, all, words + 1, add_three), 0);
  SSI_EQ(words[1], 13);
  SSI_EQ(words[0], 5);
}

void TimeLimits() {
  words[0] = 5;
  for (const int operation : {FUTEX_WAIT, FUTEX_WAIT_PRIVATE}) {
    const timespec limit = Spec(kSecond / 10);
    const Time start = guest::Nanoseconds();
    SSI_FAILS(Futex(words, operation, 5, &limit), ETIMEDOUT);
    CheckWaited(start, kSecond / 10);
  }
  for (const int clock : {0, FUTEX_CLOCK_REALTIME}) {
    const clockid_t id = clock != 0 ? CLOCK_REALTIME : CLOCK_MONOTONIC;
    const Time start = guest::Nanoseconds(id);
    const timespec limit = Spec(start + kSecond / 10);
    SSI_FAILS(Futex(words, FUTEX_WAIT_BITSET_PRIVATE | clock, 5, &limit,
                    nullptr, FUTEX_BITSET_MATCH_ANY),
              ETIMEDOUT);
    CheckWaited(start, kSecond / 10, id);
    const timespec past = Spec(start);
    SSI_FAILS(Futex(words, FUTEX_WAIT_BITSET_PRIVATE | clock, 5, &past, nullptr,
                    FUTEX_BITSET_MATCH_ANY),
              ETIMEDOUT);
  }
  const timespec bad{0, kSecond};
  SSI_FAILS(Futex(words, FUTEX_WAIT_PRIVATE, 5, &bad), EINVAL);
}

void Several() {
  struct Waiter {
    std::uint64_t value;
    std::uint64_t address;
    std::uint32_t flags;
    std::uint32_t reserved;
  } waiters[2] = {};
  constexpr std::uint32_t kPrivate32 = 2 | 128;
  for (int i = 0; i < 2; ++i) {
    words[i] = 5;
    waiters[i] = {5, reinterpret_cast<std::uint64_t>(words + i), kPrivate32, 0};
  }
  const Time start = guest::Nanoseconds();
  const timespec limit = Spec(start + kSecond / 10);
  const long result =
      syscall(kFutexWaitv, waiters, 2, 0, &limit, CLOCK_MONOTONIC);
  if (result == -1 && errno == ENOSYS) {
    guest::skip_reason = "no futex_waitv in this kernel";
    return;
  }
  SSI_FAILS(result, ETIMEDOUT);
  CheckWaited(start, kSecond / 10);
  waiters[1].value = 6;
  SSI_FAILS(syscall(kFutexWaitv, waiters, 2, 0, &limit, CLOCK_MONOTONIC),
            EAGAIN);
  SSI_FAILS(syscall(kFutexWaitv, waiters, 0, 0, &limit, CLOCK_MONOTONIC),
            EINVAL);
}

void Errors() {
  auto* odd =
      reinterpret_cast<unsigned*>(reinterpret_cast<unsigned char*>(words) + 1);
  SSI_FAILS(Futex(odd, FUTEX_WAIT_PRIVATE, 5), EINVAL);
  auto* nowhere = reinterpret_cast<unsigned*>(8);
  SSI_FAILS(Futex(nowhere, FUTEX_WAIT_PRIVATE, 5), EFAULT);
  auto* kernel = reinterpret_cast<unsigned*>(0xffff888000000000);
  SSI_FAILS(Futex(kernel, FUTEX_WAIT_PRIVATE, 5), EFAULT);
  SSI_FAILS(Futex(words, 99, 5), ENOSYS);
}

// A lock with priority inheritance holds the owner's thread id.
void Locks() {
  words[2] = 0;
  SSI_OK(Futex(words + 2, FUTEX_LOCK_PI_PRIVATE, 0));
  SSI_EQ(words[2], gettid());
  guest::Compute(2);
  SSI_FAILS(Futex(words + 2, FUTEX_LOCK_PI_PRIVATE, 0), EDEADLK);
  SSI_FAILS(Futex(words + 2, FUTEX_TRYLOCK_PI_PRIVATE, 0), EDEADLK);
  SSI_OK(Futex(words + 2, FUTEX_UNLOCK_PI_PRIVATE, 0));
  SSI_EQ(words[2], 0);
  SSI_FAILS(Futex(words + 2, FUTEX_UNLOCK_PI_PRIVATE, 0), EPERM);
}

void ThreadState() {
  void* head = nullptr;
  std::size_t size = 0;
  SSI_OK(syscall(SYS_get_robust_list, 0, &head, &size));
  SSI_TRUE(head != nullptr);
  SSI_EQ(size, sizeof(robust_list_head));
  static void* first = head;
  SSI_TRUE(head == first);  // libc's, in every round
  static robust_list_head own;
  own.list.next = &own.list;
  SSI_OK(syscall(SYS_set_robust_list, &own, sizeof own));
  guest::Compute(3);
  SSI_OK(syscall(SYS_get_robust_list, 0, &head, &size));
  SSI_TRUE(head == &own);
  SSI_OK(syscall(SYS_get_robust_list, getpid(), &head, &size));
  SSI_TRUE(head == &own);
  SSI_OK(syscall(SYS_set_robust_list, first, sizeof own));
  SSI_FAILS(syscall(SYS_set_robust_list, &own, 1), EINVAL);
  SSI_FAILS(syscall(SYS_get_robust_list, 0x7ffffffe, &head, &size), ESRCH);
  int* clear_at = nullptr;
  SSI_OK(prctl(PR_GET_TID_ADDRESS, &clear_at));
  static int word = 0;
  SSI_EQ(syscall(SYS_set_tid_address, &word), gettid());
  guest::Compute(60);  // long enough for a hop
  int* got = nullptr;
  SSI_OK(prctl(PR_GET_TID_ADDRESS, &got));
  SSI_TRUE(got == &word);
  SSI_EQ(syscall(SYS_set_tid_address, clear_at), gettid());
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv),
                    {{"values", Values},
                     {"time limits", TimeLimits},
                     {"several", Several},
                     {"errors", Errors},
                     {"locks", Locks},
                     {"thread state", ThreadState}});
}
