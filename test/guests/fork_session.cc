// Families of processes: sessions, groups, orphans and who takes them in,
// signals to a group, children that stop and go on. Argument: SECONDS.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>

#include "guest.h"

namespace {

void WaitForever() {
  for (;;) {
    pause();
  }
}

void Sessions() {
  const pid_t child = guest::Fork([] {
    const pid_t self = getpid();
    SSI_EQ(setsid(), self);
    SSI_EQ(getsid(0), self);
    SSI_EQ(getpgrp(), self);
    SSI_FAILS(setsid(), EPERM);
    SSI_FAILS(setpgid(0, 0), EPERM);
    const pid_t grandchild = guest::Fork([self] {
      SSI_EQ(getsid(0), self);
      SSI_EQ(getpgrp(), self);
      SSI_OK(setpgid(0, 0));
      SSI_EQ(getpgrp(), getpid());
      SSI_EQ(getsid(0), self);
    });
    SSI_EQ(guest::Reap(grandchild), 0);
  });
  SSI_EQ(guest::Reap(child), 0);
}

void Groups() {
  pid_t leader = 0;
  pid_t members[3];
  for (int i = 0; i < 3; ++i) {
    members[i] = guest::Fork(WaitForever);
    leader = i == 0 ? members[0] : leader;
    SSI_OK(setpgid(members[i], leader));
    SSI_EQ(getpgid(members[i]), leader);
  }
  SSI_FAILS(setpgid(members[1], 0x7ffffffe), EPERM);
  guest::Compute(2);
  SSI_EQ(waitpid(-leader, nullptr, WNOHANG), 0);
  SSI_OK(kill(-leader, 0));
  SSI_OK(kill(-leader, SIGTERM));
  for (int i = 0; i < 3; ++i) {
    int status = 0;
    SSI_TRUE(waitpid(-leader, &status, 0) > 0);
    SSI_EQ(WTERMSIG(status), SIGTERM);
  }
  SSI_FAILS(waitpid(-leader, nullptr, 0), ECHILD);
  SSI_FAILS(kill(-leader, 0), ESRCH);
  // A child that has executed a program is on its own.
  int ends[2];
  SSI_OK(pipe2(ends, O_CLOEXEC));
  const pid_t child = guest::Fork([] {
    execl("/bin/sleep", "sleep", "1000", nullptr);
    _exit(126);
  });
  SSI_OK(close(ends[1]));
  char byte = 0;
  SSI_EQ(read(ends[0], &byte, 1), 0);  // closed by the exec
  SSI_OK(close(ends[0]));
  SSI_FAILS(setpgid(child, child), EACCES);
  SSI_OK(kill(child, SIGKILL));
  SSI_EQ(WTERMSIG(guest::Reap(child)), SIGKILL);
}

// An orphan comes to the nearest ancestor that has asked for them.
void Orphans() {
  SSI_OK(prctl(PR_SET_CHILD_SUBREAPER, 1));
  const pid_t self = getpid();
  int ends[2];
  SSI_OK(pipe(ends));
  const pid_t child = guest::Fork([=] {
    const pid_t parent = getpid();
    const pid_t grandchild = guest::Fork([=] {
      while (getppid() == parent) {
        guest::Pace(5);
      }
      SSI_EQ(getppid(), self);
      _exit(77);
    });
    SSI_EQ(write(ends[1], &grandchild, sizeof grandchild), sizeof grandchild);
  });
  SSI_EQ(guest::Reap(child), 0);
  pid_t grandchild = 0;
  SSI_EQ(read(ends[0], &grandchild, sizeof grandchild), sizeof grandchild);
  guest::Compute(2);
  SSI_EQ(WEXITSTATUS(guest::Reap(grandchild)), 77);
  SSI_OK(close(ends[0]));
  SSI_OK(close(ends[1]));
  SSI_OK(prctl(PR_SET_CHILD_SUBREAPER, 0));
}

void DeathOfTheParent() {
  int ends[2];
  SSI_OK(pipe(ends));
  const pid_t child = guest::Fork([=] {
    int ready[2];
    SSI_OK(pipe(ready));
    guest::Fork([=] {
      SSI_OK(prctl(PR_SET_PDEATHSIG, SIGUSR1));
      sigset_t set;
      sigemptyset(&set);
      sigaddset(&set, SIGUSR1);
      SSI_OK(sigprocmask(SIG_BLOCK, &set, nullptr));
      SSI_EQ(write(ready[1], "r", 1), 1);
      int number = 0;
      while ((number = sigwaitinfo(&set, nullptr)) == -1) {
        SSI_EQ(errno, EINTR);
      }
      SSI_EQ(number, SIGUSR1);
      SSI_EQ(write(ends[1], "d", 1), 1);
    });
    char byte = 0;
    SSI_EQ(read(ready[0], &byte, 1), 1);
  });
  SSI_EQ(guest::Reap(child), 0);
  char byte = 0;
  SSI_EQ(read(ends[0], &byte, 1), 1);
  SSI_EQ(byte, 'd');
  SSI_OK(close(ends[0]));
  SSI_OK(close(ends[1]));
}

void StopAndGoOn() {
  for (const int number : {SIGSTOP, SIGTSTP, SIGTTIN}) {
    int ends[2];
    SSI_OK(pipe(ends));
    // In a group of its own, so that only SIGSTOP works on an orphan; its
    // parent is in the same session, so it is none.
    const pid_t child = guest::Fork([=] {
      SSI_OK(setpgid(0, 0));
      SSI_OK(kill(getpid(), number));
      SSI_EQ(write(ends[1], "c", 1), 1);
    });
    int status = 0;
    SSI_EQ(waitpid(child, &status, WUNTRACED), child);
    SSI_TRUE(WIFSTOPPED(status));
    SSI_EQ(WSTOPSIG(status), number);
    SSI_EQ(waitpid(child, &status, WUNTRACED | WNOHANG), 0);  // told once
    guest::Compute(2);
    SSI_OK(kill(child, SIGCONT));
    char byte = 0;
    SSI_EQ(read(ends[0], &byte, 1), 1);
    SSI_EQ(guest::Reap(child), 0);
    SSI_OK(close(ends[0]));
    SSI_OK(close(ends[1]));
  }
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv),
                    {{"sessions", Sessions},
                     {"groups", Groups},
                     {"orphans", Orphans},
                     {"death of the parent", DeathOfTheParent},
                     {"stop and go on", StopAndGoOn}});
}
