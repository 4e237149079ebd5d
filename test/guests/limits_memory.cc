// Memory limits must bite where the memory is: address space, data, stack,
// locked pages. Argument: SECONDS.
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "guest.h"

namespace {

constexpr std::size_t kMib = 1UL << 20;
constexpr std::size_t kTib = 1UL << 40;

// A soft limit for as long as it lives.
class Limited {
 public:
  Limited(int resource, rlim_t soft) : resource_(resource) {
    SSI_OK(getrlimit(resource, &before_));
    const rlimit limit{soft, before_.rlim_max};
    SSI_OK(setrlimit(resource, &limit));
  }
  ~Limited() { SSI_OK(setrlimit(resource_, &before_)); }
  Limited(const Limited&) = delete;
  Limited& operator=(const Limited&) = delete;

 private:
  int resource_;
  rlimit before_{};
};

void* Map(std::size_t size, int protection = PROT_READ | PROT_WRITE) {
  return mmap(nullptr, size, protection,
              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

// How many pieces of 64 MiB there is room for.
int RoomFor(int protection) {
  void* pieces[64];
  int count = 0;
  while (count < 64 &&
         (pieces[count] = Map(64 * kMib, protection)) != MAP_FAILED) {
    ++count;
  }
  SSI_TRUE(count == 64 || errno == ENOMEM);
  for (int i = 0; i < count; ++i) {
    SSI_OK(munmap(pieces[i], 64 * kMib));
  }
  return count;
}

void AddressSpace() {
  SSI_EQ(RoomFor(PROT_READ), 64);
  {
    const Limited limited(RLIMIT_AS, 1024 * kMib);
    guest::Compute(2);
    SSI_EQ(RoomFor(PROT_READ), 15);  // 16 less the program itself
    SSI_EQ(RoomFor(PROT_NONE), 15);
  }
  {
    const Limited limited(RLIMIT_AS, kTib);
    guest::Compute(2);
    SSI_TRUE(Map(2 * kTib, PROT_NONE) == MAP_FAILED && errno == ENOMEM);
    void* half = Map(kTib / 2, PROT_NONE);
    SSI_TRUE(half != MAP_FAILED);
    SSI_TRUE(mremap(half, kTib / 2, kTib, MREMAP_MAYMOVE) == MAP_FAILED);
    SSI_EQ(errno, ENOMEM);
    SSI_OK(munmap(half, kTib / 2));
  }
  {
    const Limited limited(RLIMIT_AS, 1);  // below what there is
    guest::Compute(2);
    SSI_TRUE(Map(4096) == MAP_FAILED && errno == ENOMEM);
    void* top = sbrk(0);
    SSI_TRUE(sbrk(1 << 20) == reinterpret_cast<void*>(-1));
    SSI_EQ(errno, ENOMEM);
    SSI_TRUE(sbrk(0) == top);
  }
  SSI_EQ(RoomFor(PROT_READ), 64);
}

void Data() {
  const Limited limited(RLIMIT_DATA, 1024 * kMib);
  guest::Compute(2);
  SSI_EQ(RoomFor(PROT_READ | PROT_WRITE), 15);
  SSI_EQ(RoomFor(PROT_READ), 64);  // only what is private and writable counts
  void* readable = Map(1000 * kMib, PROT_READ);
  void* more = Map(1000 * kMib, PROT_READ);
  SSI_TRUE(readable != MAP_FAILED && more != MAP_FAILED);
  SSI_OK(mprotect(readable, 1000 * kMib, PROT_READ | PROT_WRITE));
  SSI_FAILS(mprotect(more, 1000 * kMib, PROT_READ | PROT_WRITE), ENOMEM);
  SSI_OK(munmap(readable, 1000 * kMib));
  SSI_OK(munmap(more, 1000 * kMib));
  void* top = sbrk(0);
  SSI_TRUE(sbrk(static_cast<long>(2000 * kMib)) == reinterpret_cast<void*>(-1));
  SSI_TRUE(sbrk(1 << 20) == top);
  SSI_TRUE(sbrk(-(1 << 20)) != reinterpret_cast<void*>(-1));
}

sigjmp_buf from_fault;
void OnFault(int) {
  siglongjmp(from_fault, 1);
}

[[gnu::noinline]] unsigned Recurse(std::size_t depth) {
  volatile unsigned char frame[4096];
  frame[0] = static_cast<unsigned char>(depth);
  return depth == 0 ? frame[0] : Recurse(depth - 1) + frame[0];
}

// A stack that has not grown beyond the limit cannot; without it, it can.
void Stack() {
  static unsigned char alternate[65536];
  const stack_t stack{alternate, 0, sizeof alternate};
  SSI_OK(sigaltstack(&stack, nullptr));
  struct sigaction action {};
  action.sa_handler = OnFault;
  action.sa_flags = SA_ONSTACK;
  SSI_OK(sigaction(SIGSEGV, &action, nullptr));
  volatile bool faulted = false;
  {
    const Limited limited(RLIMIT_STACK, kMib);
    guest::Compute(2);
    if (sigsetjmp(from_fault, 1) == 0) {
      SSI_TRUE(Recurse(512) == 0);
    } else {
      faulted = true;
    }
    SSI_TRUE(faulted);
    SSI_TRUE(Recurse(64) != 1);
  }
  signal(SIGSEGV, SIG_DFL);
}

void Locked() {
  if (geteuid() == 0) {
    // root may lock what it likes, wherever it has root's rights: not a
    // thing to rely on, so nothing to check. The output is the user's.
    return;
  }
  void* memory = Map(kMib);
  SSI_TRUE(memory != MAP_FAILED);
  const Limited limited(RLIMIT_MEMLOCK, 64 << 10);
  guest::Compute(2);
  SSI_OK(mlock(memory, 64 << 10));
  SSI_FAILS(mlock(memory, 68 << 10), ENOMEM);
  SSI_OK(munlock(memory, 64 << 10));
  SSI_FAILS(mlock(memory, 68 << 10), ENOMEM);
  SSI_OK(munmap(memory, kMib));
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv),
                    {{"address space", AddressSpace},
                     {"data", Data},
                     {"stack", Stack},
                     {"locked", Locked}});
}
