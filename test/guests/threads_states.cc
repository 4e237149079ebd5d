// What the kernel keeps for each thread and prctl and its kind set:
// personality, time stamp counter, timer slack, protection keys, and memory of
// all kinds that threads share. Argument: SECONDS.
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <x86intrin.h>

#include <thread>
#include <vector>

#include "guest.h"
#include "guest_threads.h"

namespace {

constexpr int kThreads = 6;
constexpr std::size_t kPage = 4096;
constexpr int kGuardInstall = 102;  // MADV_GUARD_INSTALL, Linux 6.13

// No clock: the vdso's read the counter too.
void Work() {
  volatile std::uint64_t value = 1;
  for (int i = 0; i < 8'000'000; ++i) {
    value = guest::Mix(value);
  }
}

thread_local sigjmp_buf after_fault;
void OnFault(int) {
  siglongjmp(after_fault, 1);
}

template <typename Access>
bool Works(Access access) {
  volatile bool works = false;
  if (sigsetjmp(after_fault, 1) == 0) {
    access();
    works = true;
  }
  return works;
}

void Personality() {
  const long before = SSI_OK(syscall(SYS_personality, 0xffffffff));
  guest::InThreads<kThreads>([before](int id) {
    const long mine = before | (id % 2 == 0 ? UNAME26 : ADDR_NO_RANDOMIZE);
    SSI_EQ(syscall(SYS_personality, mine), before);
    guest::Compute(40);
    SSI_EQ(syscall(SYS_personality, 0xffffffff), mine);
  });
  SSI_EQ(syscall(SYS_personality, 0xffffffff), before);
}

void TimeStampCounter() {
  guest::InThreads<kThreads>([](int id) {
    const bool may = id % 2 == 0;
    SSI_OK(prctl(PR_SET_TSC, may ? PR_TSC_ENABLE : PR_TSC_SIGSEGV));
    Work();
    SSI_EQ(Works([] { static_cast<void>(__rdtsc()); }), may);
    SSI_OK(prctl(PR_SET_TSC, PR_TSC_ENABLE));
  });
  SSI_TRUE(Works([] { static_cast<void>(__rdtsc()); }));
}

void TimerSlack() {
  guest::InThreads<kThreads>([](int id) {
    SSI_OK(prctl(PR_SET_TIMERSLACK, 100'000 + id));
    guest::Compute(20);
    SSI_EQ(prctl(PR_GET_TIMERSLACK), 100'000 + id);
  });
}

void Keys() {
  const int key = pkey_alloc(0, 0);
  if (key < 0) {
    guest::skip_reason = "no protection keys on this processor";
    return;
  }
  static unsigned char* page = nullptr;
  page =
      static_cast<unsigned char*>(mmap(nullptr, kPage, PROT_READ | PROT_WRITE,
                                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  SSI_TRUE(page != MAP_FAILED);
  SSI_OK(pkey_mprotect(page, kPage, PROT_READ | PROT_WRITE, key));
  guest::InThreads<kThreads>([key](int id) {
    SSI_OK(pkey_set(key, id % 2 == 0 ? 0 : PKEY_DISABLE_ACCESS));
    guest::Compute(20);
    SSI_EQ(pkey_get(key), id % 2 == 0 ? 0 : PKEY_DISABLE_ACCESS);
    SSI_EQ(Works([] { static_cast<void>(*(volatile unsigned char*)page); }),
           id % 2 == 0);
  });
  SSI_OK(munmap(page, kPage));
  SSI_OK(pkey_free(key));
}

// Each thread has its own of every kind, while all of them hop together.
void Areas() {
  guest::InThreads<kThreads>([](int id) {
    const auto seed = static_cast<std::uint64_t>(id);
    auto* area = static_cast<unsigned char*>(
        mmap(nullptr, 16 * kPage, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    SSI_TRUE(area != MAP_FAILED);
    guest::Fill(area, 16 * kPage, seed);
    const bool guards = madvise(area + 4 * kPage, kPage, kGuardInstall) == 0;
    SSI_OK(mprotect(area + 8 * kPage, kPage, PROT_NONE));
    SSI_OK(mlock2(area + 10 * kPage, kPage, id % 2 == 0 ? 0 : MLOCK_ONFAULT));
    guest::Compute(20);
    volatile unsigned char* at = area;
    SSI_EQ(Works([at] { static_cast<void>(at[4 * kPage]); }), !guards);
    SSI_TRUE(!Works([at] { static_cast<void>(at[8 * kPage]); }));
    SSI_FAILS(madvise(area + 10 * kPage, kPage, MADV_DONTNEED), EINVAL);
    SSI_OK(mprotect(area + 8 * kPage, kPage, PROT_READ));
    SSI_TRUE(guest::Holds(area, 4 * kPage, seed));
    SSI_TRUE(guest::Holds(area + 5 * kPage, 11 * kPage, seed, 5 * kPage));
    SSI_OK(munmap(area, 16 * kPage));
  });
}

}  // namespace

int main(int argc, char** argv) {
  struct sigaction action {};
  action.sa_handler = OnFault;
  SSI_OK(sigaction(SIGSEGV, &action, nullptr));
  return guest::Run(guest::Seconds(argc, argv),
                    {{"personality", Personality},
                     {"time stamp counter", TimeStampCounter},
                     {"timer slack", TimerSlack},
                     {"keys", Keys},
                     {"areas", Areas}});
}
