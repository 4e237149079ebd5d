// Executes itself again and again, 6 programs deep: arguments, environment,
// ignored and blocked and pending signals, descriptors, umask, limits, nice,
// directory and pid come through; handlers, memory, alternate stacks, the name
// and close-on-exec descriptors do not. Arguments: SECONDS; the rest is its
// own.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <string>

#include "guest.h"

namespace {

constexpr int kDepth = 6;
constexpr int kKept = 50;
constexpr int kClosed = 51;
int only_in_memory = 0;

void Handler(int) {}

sigset_t SetOf(std::initializer_list<int> numbers) {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : numbers) {
    sigaddset(&set, number);
  }
  return set;
}

// Everything that the next program is to find.
void Prepare(int depth) {
  only_in_memory = 1;
  signal(SIGUSR1, SIG_IGN);
  signal(SIGUSR2, Handler);
  const sigset_t blocked = SetOf({SIGHUP, SIGRTMIN + 4, SIGSEGV});
  SSI_OK(sigprocmask(SIG_SETMASK, &blocked, nullptr));
  if (depth == 0) {
    SSI_OK(kill(getpid(), SIGHUP));
    sigval value{};
    value.sival_int = 99;
    SSI_OK(sigqueue(getpid(), SIGRTMIN + 4, value));
  }
  static unsigned char alternate[65536];
  const stack_t stack{alternate, 0, sizeof alternate};
  SSI_OK(sigaltstack(&stack, nullptr));
  const int fd = SSI_OK(open("kept", O_RDWR | O_CREAT, 0600));
  SSI_EQ(dup2(fd, kKept), kKept);
  SSI_EQ(lseek(kKept, 100 + depth, SEEK_SET), 100 + depth);
  SSI_EQ(dup3(fd, kClosed, O_CLOEXEC), kClosed);
  SSI_OK(close(fd));
  umask(0135);
  rlimit limit{};
  SSI_OK(getrlimit(RLIMIT_STACK, &limit));
  limit.rlim_cur = 5 << 20;
  SSI_OK(setrlimit(RLIMIT_STACK, &limit));
  SSI_OK(prctl(PR_SET_NAME, "renamed"));
  SSI_OK(prctl(PR_SET_TIMERSLACK, 77'000));
}

void Check(int depth, pid_t pid, const std::string& cwd) {
  SSI_EQ(getpid(), pid);
  SSI_EQ(only_in_memory, 0);
  struct sigaction action {};
  SSI_OK(sigaction(SIGUSR1, nullptr, &action));
  SSI_TRUE(action.sa_handler == SIG_IGN);
  SSI_OK(sigaction(SIGUSR2, nullptr, &action));
  SSI_TRUE(action.sa_handler == SIG_DFL);
  sigset_t mask;
  sigset_t pending;
  const sigset_t blocked = SetOf({SIGHUP, SIGRTMIN + 4, SIGSEGV});
  SSI_OK(sigprocmask(SIG_BLOCK, nullptr, &mask));
  SSI_EQ(memcmp(&mask, &blocked, 8), 0);
  SSI_OK(sigpending(&pending));
  SSI_TRUE(sigismember(&pending, SIGHUP) == 1);
  SSI_TRUE(sigismember(&pending, SIGRTMIN + 4) == 1);
  stack_t stack{};
  SSI_OK(sigaltstack(nullptr, &stack));
  SSI_EQ(stack.ss_flags, SS_DISABLE);
  SSI_EQ(lseek(kKept, 0, SEEK_CUR), 100 + depth - 1);
  SSI_FAILS(fcntl(kClosed, F_GETFD), EBADF);
  SSI_EQ(umask(0135), 0135);
  rlimit limit{};
  SSI_OK(getrlimit(RLIMIT_STACK, &limit));
  SSI_EQ(limit.rlim_cur, 5 << 20);
  char path[4096];
  SSI_TRUE(syscall(SYS_getcwd, path, sizeof path) > 0);
  SSI_TRUE(cwd == path);
  char name[16] = {};
  SSI_OK(prctl(PR_GET_NAME, name));
  SSI_TRUE(strcmp(name, "renamed") != 0);
  SSI_EQ(prctl(PR_GET_TIMERSLACK), 77'000);
  SSI_EQ(strcmp(getenv("GUEST_DEPTH"), std::to_string(depth).c_str()), 0);
}

[[noreturn]] void Again(int depth, pid_t pid, const std::string& cwd) {
  guest::Compute(2);
  Prepare(depth);
  SSI_OK(setenv("GUEST_DEPTH", std::to_string(depth + 1).c_str(), 1));
  execl("/proc/self/exe", program_invocation_name, "again",
        std::to_string(depth + 1).c_str(), std::to_string(pid).c_str(),
        cwd.c_str(), "with a space", "", nullptr);
  SSI_TRUE(false);
  _exit(1);
}

// The program after an exec.
void Next(char** argv) {
  const int depth = atoi(argv[2]);
  const pid_t pid = atoi(argv[3]);
  const std::string cwd = argv[4];
  SSI_EQ(strcmp(argv[5], "with a space"), 0);
  SSI_EQ(argv[6][0], '\0');
  Check(depth, pid, cwd);
  if (depth < kDepth) {
    Again(depth, pid, cwd);
  }
  // What was sent to the first program, still with what it carried.
  const sigset_t set = SetOf({SIGHUP, SIGRTMIN + 4});
  siginfo_t info{};
  SSI_EQ(sigwaitinfo(&set, &info), SIGHUP);
  SSI_EQ(sigwaitinfo(&set, &info), SIGRTMIN + 4);
  SSI_EQ(info.si_value.sival_int, 99);
  SSI_EQ(info.si_pid, pid);
  SSI_OK(unlink("kept"));
  _exit(44);
}

void Chain() {
  char path[4096];
  SSI_TRUE(syscall(SYS_getcwd, path, sizeof path) > 0);
  const pid_t child = guest::Fork([&path] { Again(0, getpid(), path); });
  SSI_EQ(WEXITSTATUS(guest::Reap(child)), 44);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 6 && strcmp(argv[1], "again") == 0) {
    Next(argv);
  }
  return guest::RunInDirectory(guest::Seconds(argc, argv), {{"chain", Chain}});
}
