// Makes calls that can be counted by hand, in rounds: waits for a byte on its
// standard input (poll, read), then 100 reads, 50 getppid, 25 getuid and 4
// changes of the signal mask that only block, 0.2 s of CPU time, one write.
// Ends at the end of its input.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace {

long CpuMillis() {
  timespec now{};
  (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

}  // namespace

int main() {
  int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
  char buffer[64];
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  volatile unsigned long sum = 0;
  for (;;) {
    pollfd input{0, POLLIN, 0};
    poll(&input, 1, -1);
    if (read(0, buffer, 1) != 1) {
      _exit(0);
    }
    for (int i = 0; i < 100; ++i) {
      read(zero, buffer, sizeof buffer);
    }
    for (int i = 0; i < 50; ++i) {
      syscall(SYS_getppid);
    }
    for (int i = 0; i < 25; ++i) {
      syscall(SYS_getuid);
    }
    for (int i = 0; i < 4; ++i) {
      sigprocmask(SIG_BLOCK, &set, nullptr);
    }
    long end = CpuMillis() + 200;
    do {
      for (int i = 0; i < 5000000; ++i) {
        sum = sum * 31 + static_cast<unsigned long>(i);
      }
    } while (CpuMillis() < end);
    write(1, "round\n", 6);
  }
}
