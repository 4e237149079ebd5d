// fcntl by command, and the ioctls on any descriptor: flags, pipe sizes,
// owners of SIGIO, leases, directory notes, seals, hints. Signals that the
// call itself raises have been handled when it returns. Argument: SECONDS.
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "guest.h"

namespace {

volatile int signals = 0;
volatile int last_fd = -1;
volatile int last_code = 0;

void OnSignal(int, siginfo_t* info, void*) {
  signals = signals + 1;
  last_fd = info->si_fd;
  last_code = info->si_code;
}

void Flags() {
  const int fd = SSI_OK(open("file", O_RDWR | O_CREAT, 0600));
  SSI_EQ(fcntl(fd, F_GETFD), 0);
  SSI_OK(fcntl(fd, F_SETFD, FD_CLOEXEC));
  SSI_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
  SSI_OK(ioctl(fd, FIONCLEX));
  SSI_EQ(fcntl(fd, F_GETFD), 0);
  SSI_OK(ioctl(fd, FIOCLEX));
  SSI_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
  SSI_EQ(fcntl(fd, F_GETFL), O_RDWR | 0100000);
  SSI_OK(fcntl(fd, F_SETFL, O_WRONLY | O_APPEND | O_NONBLOCK | O_CREAT));
  SSI_EQ(fcntl(fd, F_GETFL), O_RDWR | O_APPEND | O_NONBLOCK | 0100000);
  int on = 0;
  SSI_OK(ioctl(fd, FIONBIO, &on));
  SSI_EQ(fcntl(fd, F_GETFL), O_RDWR | O_APPEND | 0100000);
  SSI_OK(fcntl(fd, F_SETFL, O_NOATIME));
  SSI_EQ(fcntl(fd, F_GETFL), O_RDWR | O_NOATIME | 0100000);
  int size = -1;
  SSI_OK(ioctl(fd, FIONREAD, &size));
  SSI_EQ(size, 0);
  SSI_FAILS(fcntl(fd, 9999), EINVAL);
  SSI_FAILS(fcntl(-1, F_GETFD), EBADF);
  SSI_FAILS(fcntl(-1, 9999), EBADF);
  SSI_FAILS(ioctl(fd, TIOCGWINSZ, &size), ENOTTY);
  SSI_FAILS(ioctl(-1, TIOCGWINSZ, &size), EBADF);
  SSI_OK(close(fd));
  const int path = SSI_OK(open("file", O_PATH));
  SSI_FAILS(fcntl(path, F_SETFL, O_APPEND), EBADF);
  SSI_OK(fcntl(path, F_SETFD, FD_CLOEXEC));
  SSI_OK(close(path));
  SSI_OK(unlink("file"));
}

void PipeSizes() {
  int ends[2];
  SSI_OK(pipe2(ends, O_NONBLOCK));
  SSI_EQ(fcntl(ends[0], F_GETPIPE_SZ), 65536);
  SSI_EQ(fcntl(ends[1], F_SETPIPE_SZ, 5000), 8192);
  SSI_EQ(fcntl(ends[0], F_GETPIPE_SZ), 8192);
  static char bytes[65536];
  SSI_EQ(write(ends[1], bytes, sizeof bytes), 8192);
  SSI_FAILS(write(ends[1], bytes, 1), EAGAIN);
  SSI_FAILS(fcntl(ends[1], F_SETPIPE_SZ, 4096), EBUSY);
  SSI_EQ(fcntl(ends[1], F_SETPIPE_SZ, 16384), 16384);
  SSI_EQ(write(ends[1], bytes, sizeof bytes), 8192);
  int queued = 0;
  SSI_OK(ioctl(ends[0], FIONREAD, &queued));
  SSI_EQ(queued, 16384);
  SSI_OK(close(ends[0]));
  SSI_OK(close(ends[1]));
}

// A writer that tells itself of what it wrote.
void Owners() {
  int ends[2];
  SSI_OK(pipe(ends));
  struct sigaction action {};
  action.sa_sigaction = OnSignal;
  action.sa_flags = SA_SIGINFO;
  SSI_OK(sigaction(SIGRTMIN + 1, &action, nullptr));
  SSI_EQ(fcntl(ends[0], F_GETOWN), 0);
  SSI_OK(fcntl(ends[0], F_SETOWN, getpid()));
  SSI_EQ(fcntl(ends[0], F_GETOWN), getpid());
  f_owner_ex owner{};
  owner.type = F_OWNER_TID;
  owner.pid = gettid();
  SSI_OK(fcntl(ends[0], F_SETOWN_EX, &owner));
  owner = {};
  SSI_OK(fcntl(ends[0], F_GETOWN_EX, &owner));
  SSI_EQ(owner.type, F_OWNER_TID);
  SSI_EQ(owner.pid, gettid());
  SSI_OK(fcntl(ends[0], F_SETSIG, SIGRTMIN + 1));
  SSI_EQ(fcntl(ends[0], F_GETSIG), SIGRTMIN + 1);
  SSI_FAILS(fcntl(ends[0], F_SETSIG, 65), EINVAL);
  int on = 1;
  SSI_OK(ioctl(ends[0], FIOASYNC, &on));
  SSI_EQ(fcntl(ends[0], F_GETFL) & O_ASYNC, O_ASYNC);
  const int before = signals;
  SSI_EQ(write(ends[1], "x", 1), 1);
  SSI_EQ(signals, before + 1);
  SSI_EQ(last_fd, ends[0]);
  SSI_EQ(last_code, POLL_IN);
  SSI_OK(fcntl(ends[0], F_SETFL, 0));
  SSI_EQ(write(ends[1], "x", 1), 1);
  SSI_EQ(signals, before + 1);
  SSI_OK(close(ends[0]));
  SSI_OK(close(ends[1]));
}

void Leases() {
  int fd = SSI_OK(open("leased", O_RDWR | O_CREAT, 0600));
  SSI_EQ(fcntl(fd, F_GETLEASE), F_UNLCK);
  if (fcntl(fd, F_SETLEASE, F_WRLCK) != 0) {
    guest::skip_reason = "no leases on this file system";
  } else {
    SSI_EQ(fcntl(fd, F_GETLEASE), F_WRLCK);
    SSI_FAILS(fcntl(fd, F_SETLEASE, F_RDLCK), EAGAIN);  // it is open to write
    SSI_OK(fcntl(fd, F_SETLEASE, F_UNLCK));
    SSI_OK(close(fd));
    fd = SSI_OK(open("leased", O_RDONLY));
    SSI_OK(fcntl(fd, F_SETLEASE, F_RDLCK));
    SSI_EQ(fcntl(fd, F_GETLEASE), F_RDLCK);
    // A second opener is told to wait while the owner is told to give way.
    struct sigaction action {};
    action.sa_sigaction = OnSignal;
    action.sa_flags = SA_SIGINFO;
    SSI_OK(sigaction(SIGIO, &action, nullptr));
    const int before = signals;
    SSI_FAILS(open("leased", O_WRONLY | O_NONBLOCK), EAGAIN);
    SSI_EQ(signals, before + 1);
    SSI_OK(fcntl(fd, F_SETLEASE, F_UNLCK));
    SSI_OK(close(SSI_OK(open("leased", O_WRONLY | O_NONBLOCK))));
  }
  SSI_OK(close(fd));
  SSI_OK(unlink("leased"));
}

void DirectoryNotes() {
  const int dir = SSI_OK(open(".", O_RDONLY | O_DIRECTORY));
  struct sigaction action {};
  action.sa_sigaction = OnSignal;
  action.sa_flags = SA_SIGINFO;
  SSI_OK(sigaction(SIGRTMIN + 2, &action, nullptr));
  SSI_OK(fcntl(dir, F_SETSIG, SIGRTMIN + 2));
  if (fcntl(dir, F_NOTIFY, DN_CREATE | DN_DELETE | DN_MULTISHOT) != 0) {
    SSI_EQ(errno, EINVAL);
    guest::skip_reason = "this kernel has no dnotify";
  } else {
    const int before = signals;
    SSI_OK(close(SSI_OK(open("noted", O_WRONLY | O_CREAT, 0600))));
    SSI_EQ(signals, before + 1);
    SSI_EQ(last_fd, dir);
    SSI_OK(unlink("noted"));
    SSI_EQ(signals, before + 2);
    SSI_OK(fcntl(dir, F_NOTIFY, 0));
    SSI_OK(mkdir("noted", 0700));
    SSI_OK(rmdir("noted"));
    SSI_EQ(signals, before + 2);
  }
  SSI_OK(close(dir));
}

void Seals() {
  const int fd = SSI_OK(memfd_create("sealed", MFD_ALLOW_SEALING));
  SSI_EQ(fcntl(fd, F_GET_SEALS), 0);
  SSI_OK(ftruncate(fd, 100));
  SSI_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
  SSI_FAILS(ftruncate(fd, 50), EPERM);
  SSI_FAILS(ftruncate(fd, 200), EPERM);
  SSI_EQ(write(fd, "abc", 3), 3);
  SSI_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL));
  SSI_FAILS(write(fd, "abc", 3), EPERM);
  SSI_FAILS(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), EPERM);
  SSI_EQ(fcntl(fd, F_GET_SEALS),
         F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
  SSI_OK(close(fd));
  SSI_FAILS(memfd_create("bad", 0x8000), EINVAL);
  const int plain = SSI_OK(open("/dev/null", O_RDWR));
  SSI_FAILS(fcntl(plain, F_GET_SEALS), EINVAL);
  SSI_OK(close(plain));
}

void Hints() {
  const int fd = SSI_OK(open("hints", O_RDWR | O_CREAT, 0600));
  std::uint64_t hint = RWH_WRITE_LIFE_SHORT;
  if (fcntl(fd, F_SET_RW_HINT, &hint) == 0) {
    hint = 77;
    SSI_OK(fcntl(fd, F_GET_RW_HINT, &hint));
    SSI_EQ(hint, RWH_WRITE_LIFE_SHORT);
  }
  hint = 1000;
  SSI_FAILS(fcntl(fd, F_SET_RW_HINT, &hint), EINVAL);
  const int copy = SSI_OK(dup(fd));
  const int same = fcntl(fd, 1027, copy);  // F_DUPFD_QUERY, Linux 6.10
  SSI_TRUE(same == 1 || (same == -1 && errno == EINVAL));
  SSI_OK(close(copy));
  SSI_OK(close(fd));
  SSI_OK(unlink("hints"));
}

}  // namespace

int main(int argc, char** argv) {
  return guest::RunInDirectory(guest::Seconds(argc, argv),
                               {{"flags", Flags},
                                {"pipe sizes", PipeSizes},
                                {"owners", Owners},
                                {"leases", Leases},
                                {"directory notes", DirectoryNotes},
                                {"seals", Seals},
                                {"hints", Hints}});
}
