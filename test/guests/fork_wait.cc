// Children: their ids, their ends as wait4 and waitid tell them, what they
// used, when there are none left. Argument: SECONDS.
#include <signal.h>
#include <sys/resource.h>

#include <set>

#include "guest.h"

namespace {

void ExitStatus() {
  for (const int code : {0, 1, 7, 127, 128, 255, 256 + 5}) {
    const pid_t child = guest::Fork([code] { _exit(code); });
    int status = -1;
    SSI_EQ(syscall(SYS_wait4, child, &status, 0, nullptr), child);
    SSI_TRUE(WIFEXITED(status));
    SSI_EQ(WEXITSTATUS(status), code & 0xff);
  }
  SSI_FAILS(wait(nullptr), ECHILD);
}

void Signals() {
  for (const int number : {SIGTERM, SIGKILL, SIGHUP, SIGRTMIN + 3}) {
    const pid_t child = guest::Fork([number] {
      signal(number, SIG_DFL);
      kill(getpid(), number);
      pause();
    });
    const int status = guest::Reap(child);
    SSI_TRUE(WIFSIGNALED(status));
    SSI_EQ(WTERMSIG(status), number);
  }
  // One that waits, killed from here.
  const pid_t child = guest::Fork([] {
    for (;;) {
      pause();
    }
  });
  SSI_EQ(waitpid(child, nullptr, WNOHANG), 0);
  guest::Compute(2);
  SSI_OK(kill(child, 0));
  SSI_OK(kill(child, SIGKILL));
  SSI_EQ(WTERMSIG(guest::Reap(child)), SIGKILL);
  SSI_FAILS(kill(child, 0), ESRCH);
}

void Ids() {
  const pid_t self = getpid();
  const pid_t group = getpgrp();
  const pid_t session = getsid(0);
  int ends[2];
  SSI_OK(pipe(ends));
  const pid_t child = guest::Fork([=] {
    SSI_EQ(getppid(), self);
    SSI_TRUE(getpid() != self);
    SSI_EQ(getpid(), gettid());
    SSI_EQ(getpgrp(), group);
    SSI_EQ(getsid(0), session);
    const pid_t mine = getpid();
    SSI_EQ(write(ends[1], &mine, sizeof mine), sizeof mine);
    guest::Compute(2);
    SSI_EQ(getpid(), mine);
  });
  pid_t told = 0;
  SSI_EQ(read(ends[0], &told, sizeof told), sizeof told);
  SSI_EQ(told, child);
  SSI_EQ(getpid(), self);
  SSI_EQ(guest::Reap(child), 0);
  SSI_OK(close(ends[0]));
  SSI_OK(close(ends[1]));
}

// Many at once, waited for in the order they end in.
void Many() {
  std::set<pid_t> children;
  for (int i = 0; i < 20; ++i) {
    const pid_t child = guest::Fork([i] {
      guest::Compute(i % 4);
      _exit(i);
    });
    SSI_TRUE(children.insert(child).second);
  }
  guest::Compute(3);
  int sum = 0;
  while (!children.empty()) {
    int status = -1;
    const pid_t child = wait(&status);
    SSI_EQ(children.erase(child), 1);
    SSI_TRUE(WIFEXITED(status));
    sum += WEXITSTATUS(status);
  }
  SSI_EQ(sum, 190);
  SSI_FAILS(wait(nullptr), ECHILD);
}

void WaitId() {
  const pid_t child = guest::Fork([] { _exit(42); });
  siginfo_t info{};
  for (int i = 0; i < 2; ++i) {  // looked at, and still there
    info = {};
    SSI_OK(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT));
    SSI_EQ(info.si_signo, SIGCHLD);
    SSI_EQ(info.si_code, CLD_EXITED);
    SSI_EQ(info.si_status, 42);
    SSI_EQ(info.si_pid, child);
    SSI_EQ(info.si_uid, getuid());
  }
  rusage usage{};
  SSI_OK(syscall(SYS_waitid, P_ALL, 0, &info, WEXITED, &usage));
  SSI_EQ(info.si_pid, child);
  SSI_TRUE(usage.ru_maxrss > 0);
  SSI_FAILS(waitid(P_ALL, 0, &info, WEXITED), ECHILD);
  const pid_t killed = guest::Fork([] {
    for (;;) {
      pause();
    }
  });
  info = {};
  SSI_OK(waitid(P_PID, static_cast<id_t>(killed), &info, WEXITED | WNOHANG));
  SSI_EQ(info.si_pid, 0);  // not yet
  SSI_OK(kill(killed, SIGKILL));
  SSI_OK(waitid(P_PGID, 0, &info, WEXITED));
  SSI_EQ(info.si_code, CLD_KILLED);
  SSI_EQ(info.si_status, SIGKILL);
}

// What a child used counts for its parent once it has been waited for.
void Usage() {
  rusage before{};
  rusage of_child{};
  rusage after{};
  SSI_OK(getrusage(RUSAGE_CHILDREN, &before));
  const pid_t child = guest::Fork([] {
    timespec used{};
    volatile std::uint64_t value = 1;
    while (used.tv_nsec < 50'000'000 && used.tv_sec == 0) {
      for (int i = 0; i < 100'000; ++i) {
        value = guest::Mix(value);
      }
      SSI_OK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used));
    }
  });
  int status = -1;
  while (wait4(child, &status, 0, &of_child) != child) {
    SSI_EQ(errno, EINTR);
  }
  SSI_EQ(status, 0);
  SSI_OK(getrusage(RUSAGE_CHILDREN, &after));
  const auto total = [](const rusage& usage) {
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1'000'000 +
           usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
  };
  SSI_TRUE(total(of_child) >= 40'000);
  SSI_TRUE(total(after) - total(before) >= 40'000);
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv), {{"exit status", ExitStatus},
                                                 {"signals", Signals},
                                                 {"ids", Ids},
                                                 {"many", Many},
                                                 {"waitid", WaitId},
                                                 {"usage", Usage}});
}
