// Job control: a child makes a pty its terminal and leads a session on it; the
// guest plays the person at the other end. Foreground and background, keys
// that send signals, a change of size, hanging up. Argument: SECONDS.
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>

#include <string>

#include "guest.h"

namespace {

int master = -1;

volatile int last = 0;
void OnSignal(int number) {
  last = number;
}

void Handle(int number) {
  struct sigaction action {};
  action.sa_handler = OnSignal;
  SSI_OK(sigaction(number, &action, nullptr));
}

sigset_t SetOf(std::initializer_list<int> numbers) {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : numbers) {
    sigaddset(&set, number);
  }
  return set;
}

// Waits until one of the blocked signals has come; which one.
int NextSignal(const sigset_t& set) {
  int number = 0;
  while ((number = sigwaitinfo(&set, nullptr)) == -1) {
    SSI_EQ(errno, EINTR);
  }
  return number;
}

void Say(const std::string& text) {
  SSI_EQ(write(1, text.data(), text.size()), text.size());
}

// Reads the terminal's other end up to `text`; what follows is kept for later.
std::string unread;
void Await(const std::string& text) {
  while (unread.find(text) == std::string::npos) {
    char bytes[256];
    const long size = read(master, bytes, sizeof bytes);
    SSI_TRUE(size > 0);
    unread.append(bytes, static_cast<std::size_t>(size));
  }
  unread.erase(0, unread.find(text) + text.size());
}

void Type(const std::string& text) {
  SSI_EQ(write(master, text.data(), text.size()), text.size());
}

// A child with a terminal of its own, on which `lead` runs. It stays until
// Dismiss: with a session's leader goes what nobody has read from its terminal.
int dismissal = -1;
template <typename Lead>
pid_t OnTerminal(Lead lead) {
  int ends[2];
  SSI_OK(pipe(ends));
  master = SSI_OK(open("/dev/ptmx", O_RDWR | O_NOCTTY));
  int locked = 0;
  SSI_OK(ioctl(master, TIOCSPTLCK, &locked));
  const int slave = SSI_OK(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY));
  const pid_t child = guest::Fork([=] {
    SSI_OK(close(master));
    SSI_TRUE(setsid() > 0);
    SSI_OK(ioctl(slave, TIOCSCTTY, 0));
    for (const int fd : {0, 1}) {  // failures still go to stderr
      SSI_EQ(dup2(slave, fd), fd);
    }
    SSI_OK(close(slave));
    SSI_OK(close(ends[1]));
    lead();
    char byte = 0;
    SSI_EQ(read(ends[0], &byte, 1), 0);
  });
  SSI_OK(close(slave));
  SSI_OK(close(ends[0]));
  dismissal = ends[1];
  return child;
}

void Dismiss(pid_t child) {
  SSI_OK(close(dismissal));
  SSI_EQ(guest::Reap(child), 0);
}

void Keys() {
  const pid_t child = OnTerminal([] {
    const sigset_t set = SetOf({SIGINT, SIGQUIT, SIGTSTP, SIGWINCH});
    SSI_OK(sigprocmask(SIG_BLOCK, &set, nullptr));
    int group = 0;
    SSI_OK(ioctl(0, TIOCGPGRP, &group));
    SSI_EQ(group, getpid());
    int session = 0;
    SSI_OK(ioctl(0, TIOCGSID, &session));
    SSI_EQ(session, getpid());
    const int tty = SSI_OK(open("/dev/tty", O_RDWR));
    SSI_EQ(write(tty, "ready\n", 6), 6);
    for (const int want : {SIGINT, SIGQUIT, SIGTSTP, SIGWINCH}) {
      SSI_EQ(NextSignal(set), want);
      Say("got " + std::to_string(want) + "\n");
    }
    winsize size{};
    SSI_OK(ioctl(tty, TIOCGWINSZ, &size));
    SSI_TRUE(size.ws_row == 50 && size.ws_col == 132);
    SSI_OK(close(tty));
  });
  Await("ready\r\n");
  Type("\003");
  Await("got 2\r\n");
  guest::Compute(2);
  Type("\034");
  Await("got 3\r\n");
  Type("\032");
  Await("got 20\r\n");
  const winsize size{50, 132, 0, 0};
  SSI_OK(ioctl(master, TIOCSWINSZ, &size));
  Await("got 28\r\n");
  Dismiss(child);
  SSI_OK(close(master));
}

// A job in the background may not read the terminal, nor set it: it is stopped
// until its shell gives it the terminal.
void Background() {
  const pid_t child = OnTerminal([] {
    const pid_t job = guest::Fork([] {
      SSI_OK(setpgid(0, 0));
      char line[16];
      SSI_EQ(read(0, line, sizeof line), 5);  // stops here
      Say("read\n");
      termios attributes{};
      SSI_OK(tcgetattr(0, &attributes));
      SSI_EQ(read(0, line, 1), 1);
      SSI_OK(tcsetpgrp(0, getppid()));             // gives it back
      SSI_OK(tcsetattr(0, TCSANOW, &attributes));  // and stops here
      Say("done\n");
    });
    int status = 0;
    for (const int want : {SIGTTIN, SIGTTOU}) {
      SSI_EQ(waitpid(job, &status, WUNTRACED), job);
      SSI_TRUE(WIFSTOPPED(status));
      SSI_EQ(WSTOPSIG(status), want);
      signal(SIGTTOU, SIG_IGN);  // one may set it from the background
      SSI_OK(tcsetpgrp(0, job));
      SSI_EQ(tcgetpgrp(0), job);
      Say("foreground\n");
      SSI_OK(kill(-job, SIGCONT));
    }
    SSI_EQ(waitpid(job, &status, WUNTRACED), job);
    SSI_EQ(status, 0);
    SSI_OK(tcsetpgrp(0, getpid()));
    SSI_EQ(tcgetpgrp(0), getpid());
  });
  Await("foreground\r\n");
  guest::Compute(2);
  Type("line\n");
  Await("read\r\n");
  Type("\n");
  Await("foreground\r\n");
  Await("done\r\n");
  Dismiss(child);
  SSI_OK(close(master));
}

// The person goes away: the session's leader is told, and the terminal ends.
void HangUp() {
  int ends[2];
  SSI_OK(pipe(ends));
  const pid_t child = OnTerminal([=] {
    Handle(SIGHUP);
    const sigset_t set = SetOf({SIGHUP, SIGCONT});
    SSI_OK(sigprocmask(SIG_BLOCK, &set, nullptr));
    Say("ready\n");
    SSI_EQ(NextSignal(set), SIGHUP);
    SSI_EQ(NextSignal(set), SIGCONT);
    char byte = 0;
    SSI_EQ(read(0, &byte, 1), 0);
    SSI_FAILS(write(1, "x", 1), EIO);
    SSI_FAILS(open("/dev/tty", O_RDWR), ENXIO);
    SSI_EQ(write(ends[1], "h", 1), 1);
  });
  Await("ready\r\n");
  SSI_OK(close(master));
  char byte = 0;
  SSI_EQ(read(ends[0], &byte, 1), 1);
  Dismiss(child);
  SSI_OK(close(ends[0]));
  SSI_OK(close(ends[1]));
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(
      guest::Seconds(argc, argv),
      {{"keys", Keys}, {"background", Background}, {"hang up", HangUp}});
}
