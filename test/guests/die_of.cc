// Computes, then dies of a signal. Arguments: SIGNAL (its number), SECONDS,
// and how: kill (default), raise, queue, unblock (pending first), abort, null
// (a write to address 0), overflow (of the stack), divide, illegal, trap, bus,
// blocked (a fault whose signal is blocked and has a handler).
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <string>

#include "guest.h"

namespace {

void Handler(int) {}

void ByCall(const std::string& how, int number) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, number);
  if (how == "kill") {
    kill(getpid(), number);
  } else if (how == "raise") {
    raise(number);
  } else if (how == "queue") {
    sigqueue(getpid(), number, sigval{});
  } else if (how == "unblock") {
    sigprocmask(SIG_BLOCK, &set, nullptr);
    kill(getpid(), number);
    guest::Compute(10);
    sigprocmask(SIG_UNBLOCK, &set, nullptr);
  } else if (how == "abort") {
    abort();
  }
}

[[gnu::noinline]] int Overflow(int depth) {
  volatile unsigned char frame[10'000];
  frame[0] = static_cast<unsigned char>(depth);
  return depth < 0 ? 0 : Overflow(depth + 1) + frame[0];
}

void ByFault(const std::string& how) {
  volatile int zero = 0;
  auto* nowhere = reinterpret_cast<volatile int*>(0);
  __asm__("" : "+r"(nowhere));
  if (how == "null") {
    *nowhere = 1;
  } else if (how == "overflow") {
    zero = Overflow(0);
  } else if (how == "divide") {
    zero = 7 / zero;
  } else if (how == "illegal") {
    __asm__ volatile("ud2");
  } else if (how == "trap") {
    __asm__ volatile("int3");
  } else if (how == "bus") {
    const int fd = SSI_OK(open("/proc/self/exe", O_RDONLY));
    auto* beyond = static_cast<volatile char*>(
        mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, fd, 1L << 40));
    SSI_TRUE(beyond != MAP_FAILED);
    zero = beyond[0];
  } else if (how == "blocked") {
    struct sigaction action {};
    action.sa_handler = Handler;
    SSI_OK(sigaction(SIGSEGV, &action, nullptr));
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGSEGV);
    SSI_OK(sigprocmask(SIG_BLOCK, &set, nullptr));
    *nowhere = 1;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int number = argc > 1 ? atoi(argv[1]) : SIGTERM;
  const std::string how = argc > 3 ? argv[3] : "kill";
  setvbuf(stdout, nullptr, _IOLBF, 0);
  const rlimit no_core{0, 0};
  SSI_OK(setrlimit(RLIMIT_CORE, &no_core));
  signal(number, SIG_DFL);
  guest::Compute(static_cast<int>(guest::Seconds(argc, argv, 2) * 1000));
  puts("PASS");
  ByCall(how, number);
  ByFault(how);
  fprintf(stderr, "FAIL survived\n");
  return 1;
}
