// Calls that no table knows: unknown numbers, 32-bit ones by int 0x80, those
// with x32's bit, unknown ioctls and prctl options. They do what they do at
// home, and the program goes on. Argument: SECONDS.
#include <setjmp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/time.h>

#include "guest.h"

namespace {

// With nothing of libc's in between.
long Raw(std::uint64_t number, long first = 0) {
  long result = 0;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(first), "S"(0), "d"(0)
                   : "rcx", "r11", "memory");
  return result;
}

void Unknown() {
  for (const std::uint64_t number :
       {500UL, 511UL, 548UL, 999UL, 1UL << 20, 0x3fffffffUL, 0xffffffffUL}) {
    SSI_EQ(Raw(number), -ENOSYS);
    guest::Compute(1);
    SSI_EQ(getpid(), Raw(SYS_getpid));
  }
  // The upper half of rax does not count.
  SSI_EQ(Raw(0x100000000UL | SYS_getpid), getpid());
}

void X32() {
  // On a kernel without x32 they are ENOSYS, with it they are what they are.
  const long result = Raw(0x40000000UL | SYS_getpid);
  SSI_TRUE(result == -ENOSYS || result == getpid());
  guest::Compute(1);
}

sigjmp_buf after_fault;
void OnFault(int) {
  siglongjmp(after_fault, 1);
}

void Int80() {
  struct sigaction action {};
  action.sa_handler = OnFault;
  SSI_OK(sigaction(SIGSEGV, &action, nullptr));
  if (sigsetjmp(after_fault, 1) == 0) {
    long result = 0;
    for (int i = 0; i < 3; ++i) {
      // 20 is getpid there; 64-bit number 20 would be writev.
      __asm__ volatile("int $0x80"
                       : "=a"(result)
                       : "a"(20), "b"(0), "c"(0), "d"(0)
                       : "r8", "r9", "r10", "r11", "memory");
      SSI_EQ(result, getpid());
      guest::Compute(2);
      __asm__ volatile("int $0x80"
                       : "=a"(result)
                       : "a"(64), "b"(0), "c"(0), "d"(0)  // getppid
                       : "r8", "r9", "r10", "r11", "memory");
      SSI_EQ(result, getppid());
    }
  } else {
    guest::skip_reason = "no 32-bit calls in this kernel";
  }
  signal(SIGSEGV, SIG_DFL);
}

void Options() {
  int ends[2];
  SSI_OK(pipe(ends));
  int word = 0;
  for (const unsigned long request : {0x12345678UL, 0x8004f999UL, 0UL, ~0UL}) {
    SSI_FAILS(ioctl(ends[0], request, &word), ENOTTY);
    guest::Compute(1);
  }
  SSI_FAILS(ioctl(-1, 0x12345678UL, &word), EBADF);
  SSI_FAILS(prctl(9999, 1, 2, 3, 4), EINVAL);
  SSI_FAILS(prctl(-1, 1, 2, 3, 4), EINVAL);
  SSI_OK(close(ends[0]));
  SSI_OK(close(ends[1]));
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv), {{"unknown", Unknown},
                                                 {"x32", X32},
                                                 {"int 0x80", Int80},
                                                 {"options", Options}});
}
