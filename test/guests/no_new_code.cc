// A process that has forbidden itself new code (PR_SET_MDWE): the ban stays,
// and what was code before still runs. Argument: SECONDS.
#include <sys/mman.h>
#include <sys/prctl.h>

#include "guest.h"

namespace {

constexpr int kSetMdwe = 65;  // Linux 6.3
constexpr int kGetMdwe = 66;
constexpr int kPrivate = MAP_PRIVATE | MAP_ANONYMOUS;

unsigned char* Map(int protection) {
  void* memory = mmap(nullptr, 4096, protection, kPrivate, -1, 0);
  SSI_TRUE(memory != MAP_FAILED);
  return static_cast<unsigned char*>(memory);
}

void Ban() {
  static int (*answer)() = nullptr;
  if (guest::first_round) {
    // mov $imm32, %eax; ret
    constexpr unsigned char kCode[] = {0xb8, 0x2a, 0, 0, 0, 0xc3};
    unsigned char* code = Map(PROT_READ | PROT_WRITE);
    memcpy(code, kCode, sizeof kCode);
    SSI_OK(mprotect(code, 4096, PROT_READ | PROT_EXEC));
    answer = reinterpret_cast<int (*)()>(code);
    if (prctl(kSetMdwe, 1, 0, 0, 0) != 0) {
      guest::skip_reason = "no PR_SET_MDWE in this kernel";
    }
  }
  guest::Compute(3);
  SSI_EQ(answer(), 42);
  if (prctl(kGetMdwe, 0, 0, 0, 0) != 1) {
    SSI_TRUE(guest::skip_reason != nullptr || !guest::first_round);
    return;
  }
  SSI_TRUE(mmap(nullptr, 4096, PROT_WRITE | PROT_EXEC, kPrivate, -1, 0) ==
           MAP_FAILED);
  SSI_EQ(errno, EACCES);
  unsigned char* page = Map(PROT_READ | PROT_WRITE);
  SSI_FAILS(mprotect(page, 4096, PROT_READ | PROT_EXEC), EACCES);
  SSI_OK(munmap(page, 4096));
  SSI_FAILS(prctl(kSetMdwe, 0, 0, 0, 0), EPERM);
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv), {{"ban", Ban}});
}
