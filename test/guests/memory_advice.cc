// What is said about memory, and what it then holds: advice, residence,
// locks, guard pages, keys, seals. Argument: SECONDS.
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#include "guest.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

namespace {

constexpr std::size_t kPage = 4096;
constexpr int kGuardInstall = 102;  // MADV_GUARD_INSTALL, Linux 6.13
constexpr int kGuardRemove = 103;
constexpr long kMseal = 462;  // Linux 6.10

unsigned char* Map(std::size_t pages, int flags = 0) {
  void* memory = mmap(nullptr, pages * kPage, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  SSI_TRUE(memory != MAP_FAILED);
  return static_cast<unsigned char*>(memory);
}

sigjmp_buf after_fault;
int fault_code = 0;

void OnFault(int, siginfo_t* info, void*) {
  fault_code = info->si_code;
  siglongjmp(after_fault, 1);
}

// The si_code of a read of `page`, 0 if it can be read.
int FaultOf(volatile unsigned char* page) {
  struct sigaction action {};
  action.sa_sigaction = OnFault;
  action.sa_flags = SA_SIGINFO;
  SSI_OK(sigaction(SIGSEGV, &action, nullptr));
  fault_code = 0;
  if (sigsetjmp(after_fault, 1) == 0) {
    static_cast<void>(page[0]);
  }
  signal(SIGSEGV, SIG_DFL);
  return fault_code;
}

void Contents() {
  unsigned char* area = Map(64);
  guest::Fill(area, 64 * kPage, 1);
  SSI_OK(madvise(area + 8 * kPage, 8 * kPage, MADV_DONTNEED));
  SSI_OK(madvise(area, 64 * kPage, MADV_WILLNEED));
  SSI_OK(madvise(area, 64 * kPage, MADV_SEQUENTIAL));
  SSI_OK(madvise(area, 64 * kPage, MADV_NORMAL));
  guest::Compute(5);
  SSI_TRUE(guest::Holds(area, 8 * kPage, 1));
  SSI_TRUE(guest::IsZero(area + 8 * kPage, 8 * kPage));
  SSI_TRUE(guest::Holds(area + 16 * kPage, 48 * kPage, 1, 16 * kPage));
  // MADV_FREE: the old bytes or zeros, page by page, until written again.
  SSI_OK(madvise(area + 32 * kPage, 16 * kPage, MADV_FREE));
  area[33 * kPage] = 0x5a;
  guest::Compute(5);
  for (std::size_t i = 32; i < 48; ++i) {
    unsigned char* page = area + i * kPage;
    if (i == 33) {
      SSI_EQ(page[0], 0x5a);
    } else {
      SSI_TRUE(guest::IsZero(page, kPage) ||
               guest::Holds(page, kPage, 1, i * kPage));
    }
  }
  const int out = madvise(area, 16 * kPage, MADV_PAGEOUT);  // may do nothing
  SSI_TRUE(out == 0 || errno == EINVAL);
  SSI_TRUE(guest::Holds(area, 8 * kPage, 1));
  SSI_FAILS(madvise(area, 64 * kPage, 9999), EINVAL);
  SSI_FAILS(madvise(area + 1, kPage, MADV_DONTNEED), EINVAL);
  SSI_OK(munmap(area + 4 * kPage, kPage));
  SSI_FAILS(madvise(area, 8 * kPage, MADV_DONTNEED), ENOMEM);  // a hole
  SSI_TRUE(guest::IsZero(area, kPage));  // it did the rest all the same
  SSI_OK(munmap(area, 64 * kPage));
}

void Residence() {
  unsigned char core[16];
  unsigned char* area = Map(16);
  SSI_OK(madvise(area, 16 * kPage, MADV_NOHUGEPAGE));
  SSI_OK(madvise(area, 4 * kPage, MADV_POPULATE_WRITE));
  SSI_OK(madvise(area + 4 * kPage, 4 * kPage, MADV_POPULATE_READ));
  area[9 * kPage] = 1;
  SSI_OK(mincore(area, 16 * kPage, core));
  SSI_EQ(core[0] & 1, 1);
  SSI_EQ(core[9] & 1, 1);
  SSI_EQ(core[10] & 1, 0);
  SSI_FAILS(mincore(area + 1, kPage, core), EINVAL);
  SSI_OK(mlock(area + 12 * kPage, 2 * kPage));  // brings it in
  SSI_OK(mlock2(area + 14 * kPage, kPage, MLOCK_ONFAULT));
  guest::Compute(2);
  SSI_OK(mincore(area, 16 * kPage, core));
  SSI_EQ(core[12] & 1, 1);
  SSI_EQ(core[13] & 1, 1);
  SSI_FAILS(madvise(area + 12 * kPage, kPage, MADV_DONTNEED), EINVAL);
  SSI_OK(munlock(area + 12 * kPage, 3 * kPage));
  SSI_OK(madvise(area + 12 * kPage, kPage, MADV_DONTNEED));
  SSI_FAILS(mlock2(area, kPage, 99), EINVAL);
  SSI_OK(munmap(area, 16 * kPage));
  SSI_OK(mlockall(MCL_FUTURE | MCL_ONFAULT));
  area = Map(4);
  area[0] = 1;
  guest::Compute(2);
  SSI_FAILS(madvise(area, kPage, MADV_DONTNEED), EINVAL);  // it is locked
  SSI_OK(munlockall());
  SSI_OK(madvise(area, kPage, MADV_DONTNEED));
  SSI_OK(munmap(area, 4 * kPage));
}

void Guards() {
  unsigned char* area = Map(16);
  guest::Fill(area, 16 * kPage, 2);
  if (madvise(area + 4 * kPage, 2 * kPage, kGuardInstall) != 0) {
    SSI_EQ(errno, EINVAL);
    guest::skip_reason = "no guard pages in this kernel";
  } else {
    guest::Compute(5);
    SSI_EQ(FaultOf(area + 3 * kPage), 0);
    SSI_EQ(FaultOf(area + 4 * kPage), SEGV_MAPERR);
    SSI_EQ(FaultOf(area + 5 * kPage), SEGV_MAPERR);
    SSI_EQ(FaultOf(area + 6 * kPage), 0);
    SSI_OK(mprotect(area, 16 * kPage, PROT_READ));
    SSI_EQ(FaultOf(area + 5 * kPage), SEGV_MAPERR);  // no protection of its own
    SSI_OK(mprotect(area, 16 * kPage, PROT_READ | PROT_WRITE));
    SSI_OK(madvise(area + 4 * kPage, 2 * kPage, kGuardRemove));
    SSI_TRUE(guest::IsZero(area + 4 * kPage, 2 * kPage));
    SSI_TRUE(guest::Holds(area, 4 * kPage, 2));
    SSI_TRUE(guest::Holds(area + 6 * kPage, 10 * kPage, 2, 6 * kPage));
  }
  SSI_OK(munmap(area, 16 * kPage));
}

void Keys() {
  const int key = pkey_alloc(0, 0);
  if (key < 0) {
    SSI_TRUE(errno == ENOSPC || errno == ENOSYS || errno == EINVAL);
    guest::skip_reason = "no protection keys on this processor";
    return;
  }
  unsigned char* area = Map(4);
  guest::Fill(area, 4 * kPage, 3);
  SSI_OK(pkey_mprotect(area, 2 * kPage, PROT_READ | PROT_WRITE, key));
  SSI_OK(pkey_set(key, PKEY_DISABLE_ACCESS));
  guest::Compute(5);
  SSI_EQ(pkey_get(key), PKEY_DISABLE_ACCESS);
  SSI_EQ(FaultOf(area), SEGV_PKUERR);
  SSI_EQ(FaultOf(area + 2 * kPage), 0);
  SSI_OK(pkey_set(key, 0));
  SSI_EQ(FaultOf(area), 0);
  SSI_TRUE(guest::Holds(area, 4 * kPage, 3));
  SSI_OK(munmap(area, 4 * kPage));
  SSI_OK(pkey_free(key));
}

// There is no way back from a seal, so one page for the whole run.
void Seals() {
  static unsigned char* page = nullptr;
  static bool sealed = false;
  if (guest::first_round) {
    page = Map(1);
    guest::Fill(page, kPage, 4);
    SSI_OK(mprotect(page, kPage, PROT_READ));
    sealed = syscall(kMseal, page, kPage, 0) == 0;
    SSI_TRUE(sealed || errno == ENOSYS);
  }
  SSI_TRUE(guest::Holds(page, kPage, 4));
  if (!sealed) {
    guest::skip_reason = "no mseal in this kernel";
    return;
  }
  SSI_FAILS(munmap(page, kPage), EPERM);
  SSI_FAILS(mprotect(page, kPage, PROT_READ | PROT_WRITE), EPERM);
  SSI_TRUE(mremap(page, kPage, 2 * kPage, MREMAP_MAYMOVE) == MAP_FAILED);
  SSI_EQ(errno, EPERM);
  SSI_TRUE(mmap(page, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                -1, 0) == MAP_FAILED);
  SSI_EQ(errno, EPERM);
  SSI_FAILS(madvise(page, kPage, MADV_DONTNEED), EPERM);
}

// Whatever the node's policy about huge pages: the bytes are the same.
void HugePages() {
  constexpr std::size_t kHuge = 512;  // pages
  unsigned char* area = Map(8 * kHuge);
  const int huge = madvise(area, 8 * kHuge * kPage, MADV_HUGEPAGE);
  SSI_TRUE(huge == 0 || errno == EINVAL);
  for (std::size_t i = 0; i < 8 * kHuge; i += 97) {
    guest::Fill(area + i * kPage, 100, i);
  }
  SSI_OK(madvise(area + 700 * kPage, 3 * kPage, MADV_DONTNEED));
  guest::Compute(5);
  for (std::size_t i = 0; i < 8 * kHuge; i += 97) {
    SSI_TRUE(guest::Holds(area + i * kPage, 100, i));
    SSI_EQ(area[i * kPage + 100], 0);
  }
  SSI_OK(munmap(area, 8 * kHuge * kPage));
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv), {{"contents", Contents},
                                                 {"residence", Residence},
                                                 {"guards", Guards},
                                                 {"keys", Keys},
                                                 {"seals", Seals},
                                                 {"huge pages", HugePages}});
}
