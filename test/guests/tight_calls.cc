// Makes calls as fast as it can, and compares what they say with what they
// said first. If one ever says something else, the program leaves a witness in
// its memory and computes for ever: whoever looks into its memory from outside
// sees which call it was, even where no call works any more. Argument: SECONDS.
#include <fcntl.h>
#include <signal.h>
#include <sys/utsname.h>

#include "guest.h"

namespace {

// Read from outside, at the address that is printed.
struct Witness {
  volatile std::uint64_t rounds;
  volatile std::uint64_t wrong;  // number of the call, plus 1
  volatile std::int64_t result;
};
Witness witness = {};

void Check(long number, long got, long want) {
  if (got != want) {
    witness.result = got == -1 ? -errno : got;
    witness.wrong = static_cast<std::uint64_t>(number) + 1;
    for (;;) {
      __asm__ volatile("pause");
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  setvbuf(stdout, nullptr, _IOLBF, 0);
  const long parent = getppid();
  const long group = getpgid(0);
  static utsname at_first;
  static utsname now;
  SSI_OK(syscall(SYS_uname, &at_first));
  const int fd = SSI_OK(open("/proc/self/exe", O_RDONLY));
  const std::int64_t end =
      guest::Nanoseconds() +
      static_cast<std::int64_t>(guest::Seconds(argc, argv) * 1e9);
  printf("%p\n", static_cast<void*>(&witness));
  sigset_t none;
  sigemptyset(&none);
  do {
    Check(SYS_getppid, syscall(SYS_getppid), parent);
    Check(SYS_getpgid, syscall(SYS_getpgid, 0), group);
    char magic[4] = {};
    Check(SYS_pread64, syscall(SYS_pread64, fd, magic, 4, 0), 4);
    Check(SYS_pread64, memcmp(magic, "\177ELF", 4), 0);
    Check(SYS_lseek, syscall(SYS_lseek, fd, 7, SEEK_SET), 7);
    Check(SYS_uname, syscall(SYS_uname, &now), 0);
    Check(SYS_uname, memcmp(&now, &at_first, sizeof now), 0);
    Check(SYS_close, syscall(SYS_close, 777), -1);
    Check(SYS_close, errno, EBADF);
    Check(SYS_rt_sigprocmask,
          syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, nullptr, 8), 0);
    const timespec moment{0, 1};
    Check(SYS_nanosleep, syscall(SYS_nanosleep, &moment, nullptr), 0);
    witness.rounds = witness.rounds + 1;
  } while (guest::Nanoseconds() < end);
  puts("PASS");
}
