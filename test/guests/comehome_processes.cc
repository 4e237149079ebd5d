// Looking at processes: pidfds, reading and writing another's memory, telling
// whether two things are one, threads that cannot be made. Argument: SECONDS.
#include <fcntl.h>
#include <linux/kcmp.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/uio.h>

#include "guest.h"

namespace {

constexpr int kPidfd = 3;  // P_PIDFD

int PidfdOpen(pid_t pid) {
  return SSI_OK(syscall(SYS_pidfd_open, pid, 0));
}

void WaitForever() {
  for (;;) {
    pause();
  }
}

void Pidfds() {
  const int self = PidfdOpen(getpid());
  SSI_OK(syscall(SYS_pidfd_send_signal, self, 0, nullptr, 0));
  const pid_t child = guest::Fork(WaitForever);
  const int fd = PidfdOpen(child);
  pollfd wait{fd, POLLIN, 0};
  SSI_EQ(poll(&wait, 1, 0), 0);
  guest::Compute(2);
  SSI_OK(syscall(SYS_pidfd_send_signal, fd, SIGKILL, nullptr, 0));
  SSI_EQ(poll(&wait, 1, 10'000), 1);  // it has ended
  siginfo_t info{};
  SSI_OK(syscall(SYS_waitid, kPidfd, fd, &info, WEXITED, nullptr));
  SSI_EQ(info.si_pid, child);
  SSI_EQ(info.si_status, SIGKILL);
  SSI_FAILS(syscall(SYS_pidfd_send_signal, fd, 0, nullptr, 0), ESRCH);
  // A descriptor of one's own, through the process.
  int ends[2];
  SSI_OK(pipe(ends));
  const int copy = SSI_OK(syscall(SYS_pidfd_getfd, self, ends[1], 0));
  SSI_EQ(write(copy, "x", 1), 1);
  char byte = 0;
  SSI_EQ(read(ends[0], &byte, 1), 1);
  SSI_FAILS(syscall(SYS_pidfd_open, 0x7ffffffe, 0), ESRCH);
  SSI_FAILS(syscall(SYS_pidfd_open, -1, 0), EINVAL);
  for (const int each : {self, fd, copy, ends[0], ends[1]}) {
    SSI_OK(close(each));
  }
}

unsigned char area[20'000];
unsigned char copy_of_area[20'000];

void OtherMemory() {
  int ready[2];
  int go[2];
  SSI_OK(pipe(ready));
  SSI_OK(pipe(go));
  guest::Fill(area, sizeof area, 1);
  const pid_t child = guest::Fork([=] {
    guest::Fill(area, sizeof area, 2);
    SSI_EQ(write(ready[1], "r", 1), 1);
    char byte = 0;
    SSI_EQ(read(go[0], &byte, 1), 1);
    SSI_TRUE(guest::Holds(area, 10'000, 3));
  });
  char byte = 0;
  SSI_EQ(read(ready[0], &byte, 1), 1);
  for (const pid_t pid : {child, getpid()}) {
    const iovec mine{copy_of_area, sizeof copy_of_area};
    iovec theirs{area, sizeof area};
    guest::Compute(2);
    SSI_EQ(process_vm_readv(pid, &mine, 1, &theirs, 1, 0), sizeof area);
    SSI_TRUE(guest::Holds(copy_of_area, sizeof area, pid == child ? 2 : 1));
    guest::Fill(copy_of_area, 10'000, 3);
    theirs.iov_len = 10'000;
    const iovec part{copy_of_area, 10'000};
    SSI_EQ(process_vm_writev(pid, &part, 1, &theirs, 1, 0), 10'000);
  }
  SSI_TRUE(guest::Holds(area, 10'000, 3));
  SSI_TRUE(guest::Holds(area + 10'000, 10'000, 1, 10'000));
  SSI_EQ(write(go[1], "g", 1), 1);
  SSI_EQ(guest::Reap(child), 0);
  for (const int fd : {ready[0], ready[1], go[0], go[1]}) {
    SSI_OK(close(fd));
  }
}

void Comparing() {
  const pid_t self = getpid();
  const int fd = SSI_OK(open("/dev/null", O_RDWR));
  const int copy = SSI_OK(dup(fd));
  const int other = SSI_OK(open("/dev/null", O_RDWR));
  const long same = syscall(SYS_kcmp, self, self, KCMP_FILE, fd, copy);
  if (same == -1 && errno == ENOSYS) {
    guest::skip_reason = "no kcmp in this kernel";
  } else {
    SSI_EQ(same, 0);
    SSI_TRUE(syscall(SYS_kcmp, self, self, KCMP_FILE, fd, other) > 0);
    const pid_t child = guest::Fork(WaitForever);
    guest::Compute(2);
    SSI_TRUE(syscall(SYS_kcmp, self, child, KCMP_VM, 0, 0) > 0);
    SSI_EQ(syscall(SYS_kcmp, self, child, KCMP_FILE, fd, fd), 0);
    SSI_TRUE(syscall(SYS_kcmp, self, child, KCMP_FILES, 0, 0) > 0);
    SSI_OK(kill(child, SIGKILL));
    SSI_EQ(WTERMSIG(guest::Reap(child)), SIGKILL);
  }
  for (const int each : {fd, copy, other}) {
    SSI_OK(close(each));
  }
}

// Flags that go with no thread, and arguments that are none.
void Refused() {
  clone_args args{};
  args.flags = CLONE_THREAD | CLONE_VM;  // without CLONE_SIGHAND
  SSI_FAILS(syscall(SYS_clone3, &args, sizeof args), EINVAL);
  args.flags = CLONE_THREAD | CLONE_VM | CLONE_SIGHAND;
  args.exit_signal = SIGCHLD;
  SSI_FAILS(syscall(SYS_clone3, &args, sizeof args), EINVAL);
  SSI_FAILS(syscall(SYS_clone3, 16, sizeof args), EFAULT);
  SSI_FAILS(syscall(SYS_clone3, &args, 8), EINVAL);
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv), {{"pidfds", Pidfds},
                                                 {"other memory", OtherMemory},
                                                 {"comparing", Comparing},
                                                 {"refused", Refused}});
}
