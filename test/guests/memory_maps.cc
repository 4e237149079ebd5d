// Areas of memory: made, cut, moved, protected, grown; some of them made once
// and then found as they were in every round. Argument: SECONDS.
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#include "guest.h"

namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kMib = 1UL << 20;
constexpr int kPrivate = MAP_PRIVATE | MAP_ANONYMOUS;

unsigned char* Map(std::size_t size, int protection = PROT_READ | PROT_WRITE,
                   int flags = kPrivate, void* at = nullptr) {
  void* memory = mmap(at, size, protection, flags, -1, 0);
  SSI_TRUE(memory != MAP_FAILED);
  return static_cast<unsigned char*>(memory);
}

// Is there a page at all?
bool IsMapped(const unsigned char* page) {
  unsigned char core = 0;
  const int result = mincore(const_cast<unsigned char*>(page), kPage, &core);
  SSI_TRUE(result == 0 || errno == ENOMEM);
  return result == 0;
}

sigjmp_buf after_fault;
void OnFault(int) {
  siglongjmp(after_fault, 1);
}

enum class Access { kNone, kRead, kReadWrite };

// What may be done with a page, found out by doing it.
Access Of(volatile unsigned char* page) {
  struct sigaction action {};
  action.sa_handler = OnFault;
  SSI_OK(sigaction(SIGSEGV, &action, nullptr));
  volatile Access access = Access::kNone;
  if (sigsetjmp(after_fault, 1) == 0) {
    const unsigned char value = page[0];
    access = Access::kRead;
    page[0] = value;
    access = Access::kReadWrite;
  }
  signal(SIGSEGV, SIG_DFL);
  return access;
}

void CutAndProtect() {
  constexpr std::size_t kPages = 64;
  unsigned char* area = Map(kPages * kPage);
  guest::Fill(area, kPages * kPage, 1);
  for (std::size_t i = 0; i < kPages; ++i) {
    unsigned char* page = area + i * kPage;
    if (i % 8 == 3) {
      SSI_OK(munmap(page, kPage));
    } else if (i % 8 == 5) {
      SSI_OK(mprotect(page, kPage, PROT_READ));
    } else if (i % 8 == 6) {
      SSI_OK(mprotect(page, kPage, PROT_NONE));
    }
  }
  guest::Compute(5);
  for (std::size_t i = 0; i < kPages; ++i) {
    unsigned char* page = area + i * kPage;
    SSI_EQ(IsMapped(page), i % 8 != 3);
    if (i % 8 == 6) {
      SSI_TRUE(Of(page) == Access::kNone);
      SSI_OK(mprotect(page, kPage, PROT_READ));
    }
    if (i % 8 != 3) {
      SSI_TRUE(guest::Holds(page, kPage, 1, i * kPage));
      SSI_TRUE((Of(page) == Access::kReadWrite) == (i % 8 != 5 && i % 8 != 6));
    }
  }
  SSI_FAILS(mprotect(area, kPages * kPage, PROT_READ), ENOMEM);  // holes
  SSI_OK(munmap(area, kPages * kPage));
  SSI_FAILS(mprotect(area + 1, kPage, PROT_READ), EINVAL);
  SSI_FAILS(munmap(area + 1, kPage), EINVAL);
}

void Moving() {
  unsigned char* area = Map(kMib);
  guest::Fill(area, kMib, 2);
  auto* larger =
      static_cast<unsigned char*>(mremap(area, kMib, 5 * kMib, MREMAP_MAYMOVE));
  SSI_TRUE(larger != MAP_FAILED);
  SSI_TRUE(guest::Holds(larger, kMib, 2));
  SSI_TRUE(guest::IsZero(larger + kMib, 4 * kMib));
  unsigned char* place = Map(8 * kMib, PROT_NONE);
  auto* fixed = static_cast<unsigned char*>(mremap(
      larger, 5 * kMib, 2 * kMib, MREMAP_MAYMOVE | MREMAP_FIXED, place + kMib));
  SSI_TRUE(fixed == place + kMib);
  SSI_TRUE(!IsMapped(larger));
  guest::Compute(2);
  SSI_TRUE(guest::Holds(fixed, kMib, 2));
  SSI_TRUE(mremap(fixed, 2 * kMib, kMib, 0) == fixed);
  SSI_TRUE(!IsMapped(fixed + kMib));
  SSI_TRUE(mremap(fixed, kMib, 3 * kMib, 0) == fixed ||
           errno == ENOMEM);  // in place, if there is room
  // MREMAP_DONTUNMAP leaves an empty area behind.
  auto* moved = static_cast<unsigned char*>(
      mremap(fixed, kMib, kMib, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, nullptr));
  SSI_TRUE(moved != MAP_FAILED);
  SSI_TRUE(guest::Holds(moved, kMib, 2));
  SSI_TRUE(guest::IsZero(fixed, kMib));
  SSI_OK(munmap(moved, kMib));
  SSI_OK(munmap(place, 8 * kMib));
  SSI_TRUE(mremap(place, kPage, kMib, MREMAP_MAYMOVE) == MAP_FAILED);
  SSI_EQ(errno, EFAULT);
}

void Placing() {
  unsigned char* area = Map(4 * kPage);
  SSI_TRUE(mmap(area + kPage, kPage, PROT_READ, kPrivate | MAP_FIXED_NOREPLACE,
                -1, 0) == MAP_FAILED);
  SSI_EQ(errno, EEXIST);
  area[kPage] = 7;
  SSI_TRUE(Map(kPage, PROT_READ, kPrivate | MAP_FIXED, area + kPage) ==
           area + kPage);
  SSI_EQ(area[kPage], 0);  // replaced
  SSI_OK(munmap(area, 4 * kPage));
  SSI_TRUE(Map(kPage, PROT_READ, kPrivate | MAP_FIXED_NOREPLACE, area) == area);
  SSI_OK(munmap(area, kPage));
  unsigned char* low = Map(kPage, PROT_READ, kPrivate | MAP_32BIT);
  SSI_TRUE(reinterpret_cast<std::uintptr_t>(low) < 1UL << 31);
  SSI_OK(munmap(low, kPage));
  SSI_TRUE(mmap(nullptr, 0, PROT_READ, kPrivate, -1, 0) == MAP_FAILED);
  SSI_EQ(errno, EINVAL);
  SSI_TRUE(mmap(nullptr, ~0UL, PROT_READ, kPrivate, -1, 0) == MAP_FAILED);
  SSI_EQ(errno, ENOMEM);
  SSI_TRUE(mmap(nullptr, kPage, PROT_READ, MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
  SSI_EQ(errno, EINVAL);
}

void Large() {
  // A reservation far beyond what there is, used here and there.
  constexpr std::size_t kGib = 1UL << 30;
  unsigned char* sparse =
      Map(64 * kGib, PROT_READ | PROT_WRITE, kPrivate | MAP_NORESERVE);
  for (std::size_t i = 0; i < 64; ++i) {
    guest::Fill(sparse + i * kGib + i * kPage, 2 * kPage, 100 + i);
  }
  unsigned char* reserved =
      Map(16384 * kGib, PROT_NONE, kPrivate | MAP_NORESERVE);
  unsigned char* used = reserved + 9999 * kGib;
  SSI_OK(mprotect(used, kPage, PROT_READ | PROT_WRITE));
  guest::Fill(used, kPage, 3);
  guest::Compute(5);
  for (std::size_t i = 0; i < 64; ++i) {
    SSI_TRUE(guest::Holds(sparse + i * kGib + i * kPage, 2 * kPage, 100 + i));
    SSI_EQ(sparse[i * kGib + (i + 2) * kPage], 0);
  }
  SSI_TRUE(guest::Holds(used, kPage, 3));
  SSI_TRUE(Of(used + kPage) == Access::kNone);
  SSI_OK(munmap(sparse, 64 * kGib));
  SSI_OK(munmap(reserved, 16384 * kGib));
}

void Code() {
  // mov $imm32, %eax; ret
  constexpr unsigned char kCode[] = {0xb8, 0x78, 0x56, 0x34, 0x12, 0xc3};
  unsigned char* page = Map(kPage);
  memcpy(page, kCode, sizeof kCode);
  SSI_OK(mprotect(page, kPage, PROT_READ | PROT_EXEC));
  guest::Compute(1);
  SSI_EQ(reinterpret_cast<int (*)()>(page)(), 0x12345678);
  SSI_TRUE(Of(page) == Access::kRead);
  SSI_OK(munmap(page, kPage));
}

void Heap() {
  unsigned char* start = static_cast<unsigned char*>(sbrk(0));
  SSI_TRUE(sbrk(3 * static_cast<long>(kMib)) == start);
  guest::Fill(start, 3 * kMib, 4);
  SSI_EQ(syscall(SYS_brk, 0), reinterpret_cast<long>(start + 3 * kMib));
  guest::Compute(2);
  SSI_TRUE(guest::Holds(start, 3 * kMib, 4));
  SSI_TRUE(sbrk(-2 * static_cast<long>(kMib)) == start + 3 * kMib);
  SSI_TRUE(sbrk(static_cast<long>(kMib)) == start + kMib);
  SSI_TRUE(guest::IsZero(start + 2 * kMib - kPage, kPage));  // fresh again
  SSI_TRUE(guest::Holds(start, kMib - kPage, 4));
  SSI_TRUE(sbrk(-2 * static_cast<long>(kMib)) == start + 2 * kMib);
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv),
                    {{"cut and protect", CutAndProtect},
                     {"moving", Moving},
                     {"placing", Placing},
                     {"large", Large},
                     {"code", Code},
                     {"heap", Heap}});
}
