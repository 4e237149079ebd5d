// Computes for a moment, makes one call once, by its number and with nothing
// but -1 for arguments, and says what it answered. Arguments: NUMBER.
// -1 is no descriptor, no address, no id and no valid set of flags, so next to
// nothing happens; what does ends with the program.
#include <sys/mman.h>

#include "guest.h"

int main(int argc, char** argv) {
  const long number = argc > 1 ? atol(argv[1]) : SYS_getppid;
  setvbuf(stdout, nullptr, _IOLBF, 0);
  guest::Compute(20);
  const long result =
      number == SYS_mmap ? syscall(number, 0, 4096, PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_ANONYMOUS, -1, 0)
      // With -1 it would make a queue, which stays.
      : number == SYS_msgget ? syscall(number, 0x7a7a7a7a, 0)
                             : syscall(number, -1, -1, -1, -1, -1, -1);
  const int error = errno;
  if (number == SYS_fork && result == 0) {
    _exit(0);
  }
  if (number == SYS_fork && result > 0) {
    guest::Reap(static_cast<pid_t>(result));
  }
  guest::Compute(20);
  printf("call %ld: %s\nPASS\n", number,
         result == -1 ? strerrorname_np(error) : "done");
}
