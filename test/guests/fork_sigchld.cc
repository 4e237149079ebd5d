// SIGCHLD: what it says of each child, that it may be unwanted, and children
// that nobody needs to wait for. Argument: SECONDS.
#include <signal.h>

#include "guest.h"

namespace {

siginfo_t last;
volatile int calls = 0;

void Record(int, siginfo_t* info, void*) {
  last = *info;
  calls = calls + 1;
}

void Set(int flags) {
  struct sigaction action {};
  action.sa_sigaction = Record;
  action.sa_flags = SA_SIGINFO | flags;
  SSI_OK(sigaction(SIGCHLD, &action, nullptr));
}

sigset_t Block() {
  sigset_t set;
  sigset_t old;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  SSI_OK(sigprocmask(SIG_BLOCK, &set, &old));
  sigdelset(&old, SIGCHLD);
  return old;  // a mask that lets it in
}

// Waits for one more SIGCHLD, and checks it.
void Expect(const sigset_t& open_mask, pid_t child, int code, int status) {
  const int before = calls;
  while (calls == before) {
    SSI_FAILS(sigsuspend(&open_mask), EINTR);
  }
  SSI_EQ(calls, before + 1);
  SSI_EQ(last.si_signo, SIGCHLD);
  SSI_EQ(last.si_pid, child);
  SSI_EQ(last.si_uid, getuid());
  SSI_EQ(last.si_code, code);
  SSI_EQ(last.si_status, status);
}

void WaitForever() {
  for (;;) {
    pause();
  }
}

void Kinds() {
  Set(0);
  const sigset_t open_mask = Block();
  pid_t child = guest::Fork([] { _exit(33); });
  Expect(open_mask, child, CLD_EXITED, 33);
  SSI_EQ(WEXITSTATUS(guest::Reap(child)), 33);
  child = guest::Fork(WaitForever);
  SSI_OK(kill(child, SIGSTOP));
  Expect(open_mask, child, CLD_STOPPED, SIGSTOP);
  int status = 0;
  SSI_EQ(waitpid(child, &status, WUNTRACED), child);
  SSI_TRUE(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
  guest::Compute(2);
  SSI_OK(kill(child, SIGCONT));
  Expect(open_mask, child, CLD_CONTINUED, SIGCONT);
  SSI_EQ(waitpid(child, &status, WCONTINUED), child);
  SSI_TRUE(WIFCONTINUED(status));
  SSI_OK(kill(child, SIGKILL));
  Expect(open_mask, child, CLD_KILLED, SIGKILL);
  SSI_EQ(WTERMSIG(guest::Reap(child)), SIGKILL);
  // Stops unwanted: the end alone is told.
  Set(SA_NOCLDSTOP);
  child = guest::Fork(WaitForever);
  const int before = calls;
  SSI_OK(kill(child, SIGSTOP));
  SSI_EQ(waitpid(child, &status, WUNTRACED), child);
  SSI_OK(kill(child, SIGCONT));
  SSI_EQ(waitpid(child, &status, WCONTINUED), child);
  SSI_EQ(calls, before);
  SSI_OK(kill(child, SIGKILL));
  Expect(open_mask, child, CLD_KILLED, SIGKILL);
  SSI_EQ(WTERMSIG(guest::Reap(child)), SIGKILL);
  SSI_OK(sigprocmask(SIG_SETMASK, &open_mask, nullptr));
}

// Sent to a process that waits in waitpid: the handler runs, the child is
// still there to be waited for.
void WhileWaiting() {
  Set(SA_RESTART);
  for (int i = 0; i < 3; ++i) {
    const int before = calls;
    const pid_t child = guest::Fork([] {
      guest::Pace();
      _exit(9);
    });
    int status = 0;
    SSI_EQ(waitpid(child, &status, 0), child);
    SSI_EQ(WEXITSTATUS(status), 9);
    SSI_EQ(calls, before + 1);
    SSI_EQ(last.si_pid, child);
  }
}

void NobodyWaits() {
  struct sigaction action {};
  action.sa_handler = SIG_IGN;
  SSI_OK(sigaction(SIGCHLD, &action, nullptr));
  pid_t child = guest::Fork([] { guest::Pace(); });
  SSI_FAILS(waitpid(child, nullptr, 0), ECHILD);  // after its end
  while (kill(child, 0) == 0) {  // its number is given up a little later
  }
  SSI_EQ(errno, ESRCH);
  Set(SA_NOCLDWAIT);
  const int before = calls;
  child = guest::Fork([] { guest::Pace(); });
  while (waitpid(child, nullptr, 0) != -1 || errno != ECHILD) {
    SSI_EQ(errno, EINTR);
  }
  SSI_EQ(calls, before + 1);  // it is told all the same
  signal(SIGCHLD, SIG_DFL);
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv),
                    {{"kinds", Kinds},
                     {"while waiting", WhileWaiting},
                     {"nobody waits", NobodyWaits}});
}
