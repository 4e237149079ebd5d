// Memory that grows downwards: the stack by deep recursion, an area made to
// grow, and its limits. Argument: SECONDS.
#include <alloca.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "guest.h"

namespace {

constexpr std::size_t kPage = 4096;

// Each level fills a page of its own and checks it on the way back.
[[gnu::noinline]] std::uint64_t Recurse(std::size_t depth) {
  unsigned char frame[4000];
  guest::Fill(frame, sizeof frame, depth);
  std::uint64_t sum = 0;
  if (depth > 0) {
    sum = Recurse(depth - 1);
  } else {
    guest::Compute(5);  // a hop at the deepest point
  }
  SSI_TRUE(guest::Holds(frame, sizeof frame, depth));
  return sum + depth;
}

void Recursion() {
  rlimit limit{};
  SSI_OK(getrlimit(RLIMIT_STACK, &limit));
  // Three quarters of the stack, at most 12 MiB.
  constexpr rlim_t kMost = 16 << 20;
  const rlim_t size = limit.rlim_cur < kMost ? limit.rlim_cur : kMost;
  const std::size_t depth = size / 4 * 3 / 4200;
  SSI_EQ(Recurse(depth), depth * (depth + 1) / 2);
}

[[gnu::noinline]] void FarDown(std::size_t size) {
  auto* far = static_cast<volatile unsigned char*>(alloca(size));
  far[0] = 1;  // one access far below what there is: it grows all the way
  far[size / 2] = 2;
  SSI_TRUE(far[0] == 1 && far[size / 2] == 2);
}

void OneStep() {
  for (std::size_t size = 100'000; size < 6'000'000; size += 700'000) {
    FarDown(size);
  }
}

sigjmp_buf after_fault;
void OnFault(int) {
  siglongjmp(after_fault, 1);
}

bool Touches(volatile unsigned char* page) {
  static unsigned char alternate[65536];
  const stack_t stack{alternate, 0, sizeof alternate};
  SSI_OK(sigaltstack(&stack, nullptr));
  struct sigaction action {};
  action.sa_handler = OnFault;
  action.sa_flags = SA_ONSTACK;
  SSI_OK(sigaction(SIGSEGV, &action, nullptr));
  volatile bool touched = false;
  if (sigsetjmp(after_fault, 1) == 0) {
    page[0] = 1;
    touched = true;
  }
  signal(SIGSEGV, SIG_DFL);
  return touched;
}

// A guard below, 4 MiB of room, then a page that grows down into it. The
// kernel keeps a gap of 256 pages to what lies below.
void GrowingArea() {
  constexpr std::size_t kRoom = 1024 * kPage;
  auto* below = static_cast<unsigned char*>(
      mmap(nullptr, kRoom + 2 * kPage, PROT_READ,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  SSI_TRUE(below != MAP_FAILED);
  SSI_OK(munmap(below + kPage, kRoom + kPage));
  unsigned char* top = below + kPage + kRoom;
  SSI_TRUE(mmap(top, kPage, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1,
                0) == top);
  guest::Fill(top, kPage, 1);
  for (std::size_t i = 1; i <= 300; ++i) {
    if (i % 100 == 0) {
      guest::Compute(3);
    }
    SSI_TRUE(Touches(top - i * kPage));
  }
  SSI_TRUE(Touches(top - 700 * kPage));    // several at once
  SSI_TRUE(!Touches(top - 1000 * kPage));  // inside the gap
  guest::Compute(3);
  SSI_TRUE(guest::Holds(top, kPage, 1));
  SSI_EQ(top[-300 * static_cast<long>(kPage)], 1);
  SSI_EQ(top[-500 * static_cast<long>(kPage)], 0);
  SSI_OK(munmap(below, kRoom + 2 * kPage));
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv),
                    {{"recursion", Recursion},
                     {"one step", OneStep},
                     {"growing area", GrowingArea}});
}
