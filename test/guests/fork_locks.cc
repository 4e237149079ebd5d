// Locks between processes: in the way, waited for, broken off by a signal,
// deadly embraces, and what a fork and an exit do to them.
// Argument: SECONDS.
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>

#include "guest.h"

namespace {

int Lock(int fd, int command, int type, long start, long size) {
  struct flock range {};
  range.l_type = static_cast<short>(type);
  range.l_start = start;
  range.l_len = size;
  return fcntl(fd, command, &range);
}

int OpenFile() {
  return SSI_OK(open("locked", O_RDWR | O_CREAT, 0600));
}

// A child that says when it is ready and goes on when it is told to.
struct Partner {
  template <typename First, typename Then>
  Partner(First first, Then then) {
    SSI_OK(pipe(ready));
    SSI_OK(pipe(go));
    pid = guest::Fork([=, this] {
      SSI_OK(close(go[1]));
      first();
      SSI_EQ(write(ready[1], "r", 1), 1);
      char byte = 0;
      SSI_EQ(read(go[0], &byte, 1), 1);
      then();
    });
    char byte = 0;
    SSI_EQ(read(ready[0], &byte, 1), 1);
  }
  void Go() const { SSI_EQ(write(go[1], "g", 1), 1); }
  int End() const {
    const int status = guest::Reap(pid);
    for (const int fd : {ready[0], ready[1], go[0], go[1]}) {
      SSI_OK(close(fd));
    }
    return status;
  }
  int ready[2];
  int go[2];
  pid_t pid = 0;
};

void InTheWay() {
  const int fd = OpenFile();
  const Partner partner([=] { SSI_OK(Lock(fd, F_SETLK, F_WRLCK, 10, 10)); },
                        [] {});
  SSI_FAILS(Lock(fd, F_SETLK, F_RDLCK, 0, 15), EAGAIN);
  SSI_OK(Lock(fd, F_SETLK, F_WRLCK, 20, 10));
  struct flock found {};
  found.l_type = F_RDLCK;
  SSI_OK(fcntl(fd, F_GETLK, &found));
  SSI_EQ(found.l_type, F_WRLCK);
  SSI_EQ(found.l_start, 10);
  SSI_EQ(found.l_len, 10);
  SSI_EQ(found.l_pid, partner.pid);
  guest::Compute(2);
  SSI_FAILS(Lock(fd, F_SETLK, F_RDLCK, 0, 15), EAGAIN);
  partner.Go();
  SSI_EQ(partner.End(), 0);
  SSI_OK(Lock(fd, F_SETLK, F_WRLCK, 0, 0));  // its end has dropped it
  SSI_OK(close(fd));
}

void WaitedFor() {
  const int fd = OpenFile();
  for (const int command : {F_SETLKW, F_OFD_SETLKW}) {
    const Partner partner(
        [=] { SSI_OK(Lock(OpenFile(), command, F_WRLCK, 0, 0)); },
        [] { guest::Pace(50); });
    partner.Go();
    SSI_OK(Lock(fd, command, F_WRLCK, 0, 0));
    SSI_EQ(partner.End(), 0);
    SSI_OK(Lock(fd, command, F_UNLCK, 0, 0));
  }
  const Partner partner([] { SSI_OK(flock(OpenFile(), LOCK_EX)); },
                        [] { guest::Pace(50); });
  partner.Go();
  SSI_OK(flock(fd, LOCK_EX));
  SSI_EQ(partner.End(), 0);
  SSI_OK(close(fd));
}

volatile int signals = 0;
void OnSignal(int) {
  signals = signals + 1;
}

void BrokenOff() {
  struct sigaction action {};
  action.sa_handler = OnSignal;
  SSI_OK(sigaction(SIGUSR1, &action, nullptr));
  const int fd = OpenFile();
  const pid_t self = getpid();
  const Partner partner(
      [=] {
        SSI_OK(Lock(OpenFile(), F_SETLK, F_WRLCK, 0, 0));
        SSI_OK(flock(OpenFile(), LOCK_EX));
      },
      [=] {
        for (;;) {  // until it is killed
          guest::Pace();
          SSI_OK(kill(self, SIGUSR1));
        }
      });
  partner.Go();
  SSI_FAILS(Lock(fd, F_SETLKW, F_WRLCK, 0, 0), EINTR);
  SSI_FAILS(flock(fd, LOCK_EX), EINTR);
  SSI_TRUE(signals > 0);
  SSI_OK(kill(partner.pid, SIGKILL));
  SSI_EQ(WTERMSIG(partner.End()), SIGKILL);
  signal(SIGUSR1, SIG_IGN);
  SSI_OK(Lock(fd, F_SETLK, F_WRLCK, 0, 0));
  SSI_OK(close(fd));
}

// Each waits for what the other has: the kernel sees it, and one gives way.
void Embrace() {
  const int fd = OpenFile();
  SSI_OK(Lock(fd, F_SETLK, F_WRLCK, 0, 1));
  const Partner partner([=] { SSI_OK(Lock(fd, F_SETLK, F_WRLCK, 1, 1)); },
                        [=] {
                          const int result = Lock(fd, F_SETLKW, F_WRLCK, 0, 1);
                          SSI_TRUE(result == 0 || errno == EDEADLK);
                          _exit(result == 0 ? 1 : 2);
                        });
  partner.Go();
  const int result = Lock(fd, F_SETLKW, F_WRLCK, 1, 1);
  SSI_TRUE(result == 0 || errno == EDEADLK);
  SSI_OK(Lock(fd, F_SETLK, F_UNLCK, 0, 0));
  // Whoever came second was told.
  SSI_EQ(WEXITSTATUS(partner.End()), result == 0 ? 2 : 1);
  SSI_OK(close(fd));
}

void Forked() {
  const int fd = OpenFile();
  SSI_OK(Lock(fd, F_SETLK, F_WRLCK, 0, 10));
  SSI_OK(Lock(fd, F_OFD_SETLK, F_WRLCK, 10, 10));
  const int flocked = OpenFile();
  SSI_OK(flock(flocked, LOCK_EX));
  const pid_t child = guest::Fork([=] {
    SSI_FAILS(Lock(fd, F_SETLK, F_RDLCK, 0, 10), EAGAIN);  // the parent's own
    SSI_OK(Lock(fd, F_OFD_SETLK, F_WRLCK, 10, 10));        // shared
    SSI_OK(flock(flocked, LOCK_EX | LOCK_NB));
    const int other = OpenFile();
    SSI_FAILS(flock(other, LOCK_SH | LOCK_NB), EWOULDBLOCK);
    SSI_FAILS(Lock(other, F_OFD_SETLK, F_RDLCK, 10, 10), EAGAIN);
  });
  SSI_EQ(guest::Reap(child), 0);
  const int other = OpenFile();
  SSI_FAILS(flock(other, LOCK_SH | LOCK_NB), EWOULDBLOCK);  // still held
  for (const int each : {fd, flocked, other}) {
    SSI_OK(close(each));
  }
}

}  // namespace

int main(int argc, char** argv) {
  return guest::RunInDirectory(guest::Seconds(argc, argv),
                               {{"in the way", InTheWay},
                                {"waited for", WaitedFor},
                                {"broken off", BrokenOff},
                                {"embrace", Embrace},
                                {"forked", Forked}},
                               [] { SSI_OK(unlink("locked")); });
}
