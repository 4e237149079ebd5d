// Process groups and sessions of one process. It makes itself the leader of
// its group, so a terminal's ^C no longer reaches it. Argument: SECONDS.
#include "guest.h"

namespace {

void Leader() {
  const pid_t self = getpid();
  if (guest::first_round && getsid(0) != self) {
    SSI_OK(setpgid(0, 0));
  }
  SSI_EQ(getpgid(0), self);
  SSI_EQ(syscall(SYS_getpgrp), self);
  guest::Compute(2);
  SSI_FAILS(syscall(SYS_setsid), EPERM);  // a group leader cannot
  SSI_EQ(getpgid(self), self);
  if (getsid(0) != self) {
    SSI_OK(setpgid(self, self));  // again: no change
  } else {
    SSI_FAILS(setpgid(0, 0), EPERM);  // a session leader cannot
  }
}

void Parent() {
  const pid_t parent = getppid();
  SSI_TRUE(parent > 0);
  SSI_TRUE(getpgid(parent) > 0 || parent == 1);
  SSI_FAILS(setpgid(parent, 0), ESRCH);  // not a child
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv),
                    {{"leader", Leader}, {"parent", Parent}});
}
