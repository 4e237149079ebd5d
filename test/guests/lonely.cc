// A process with no children: what wait and kill say. Argument: SECONDS.
// Left out: kill(-1), which is for everybody, even with signal 0.
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "guest.h"

namespace {

constexpr pid_t kNobody = 0x7ffffffe;

void Waiting() {
  int status = 77;
  rusage usage{};
  for (const pid_t pid : {-1, 0, getpid(), 1, kNobody, -kNobody, getppid()}) {
    for (const int options :
         {0, WNOHANG, WUNTRACED | WCONTINUED, static_cast<int>(__WALL),
          static_cast<int>(__WCLONE | WNOHANG)}) {
      SSI_FAILS(syscall(SYS_wait4, pid, &status, options, &usage), ECHILD);
    }
  }
  SSI_EQ(status, 77);
  SSI_FAILS(syscall(SYS_wait4, -1, &status, 0x10000, nullptr), EINVAL);
  // INT_MIN has no positive counterpart.
  SSI_FAILS(syscall(SYS_wait4, -2147483647 - 1, &status, 0, nullptr), ESRCH);
  siginfo_t info{};
  SSI_FAILS(waitid(P_ALL, 0, &info, WEXITED), ECHILD);
  SSI_FAILS(waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT), ECHILD);
  SSI_FAILS(waitid(P_PID, 1, &info, WEXITED), ECHILD);
  SSI_FAILS(waitid(P_PGID, 0, &info, WSTOPPED), ECHILD);
  SSI_FAILS(waitid(P_ALL, 0, &info, 0), EINVAL);
  SSI_FAILS(waitid(P_PID, 0, &info, WEXITED), EINVAL);
  SSI_FAILS(waitid(P_PIDFD, 99, &info, WEXITED), EBADF);
  SSI_FAILS(syscall(SYS_waitid, 77, 0, &info, WEXITED, nullptr), EINVAL);
}

void Killing() {
  SSI_FAILS(kill(kNobody, SIGTERM), ESRCH);
  SSI_FAILS(kill(-kNobody, SIGTERM), ESRCH);
  SSI_FAILS(kill(kNobody, 0), ESRCH);
  SSI_FAILS(kill(getpid(), 65), EINVAL);
  SSI_FAILS(kill(getpid(), -1), EINVAL);
  SSI_FAILS(kill(kNobody, 65), ESRCH);
  SSI_FAILS(kill(-2147483647 - 1, 0), ESRCH);
  SSI_FAILS(syscall(SYS_tkill, kNobody, 0), ESRCH);
  SSI_FAILS(syscall(SYS_tkill, 0, 0), EINVAL);
  SSI_FAILS(syscall(SYS_tgkill, getpid(), kNobody, 0), ESRCH);
  SSI_FAILS(syscall(SYS_tgkill, kNobody, getpid(), 0), ESRCH);
  SSI_FAILS(syscall(SYS_tgkill, -1, getpid(), 0), EINVAL);
  SSI_FAILS(syscall(SYS_tgkill, getpid(), 0, 0), EINVAL);
  SSI_OK(syscall(SYS_tgkill, getpid(), gettid(), 0));
  SSI_OK(kill(getpid(), 0));
  SSI_OK(kill(0, 0));  // the whole group: may it?
  if (geteuid() == 0) {
    SSI_OK(kill(1, 0));
  } else {
    SSI_FAILS(kill(1, 0), EPERM);
    SSI_FAILS(syscall(SYS_tkill, 1, SIGTERM), EPERM);
    SSI_FAILS(kill(-1000000, 0), ESRCH);
  }
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv),
                    {{"waiting", Waiting}, {"killing", Killing}});
}
