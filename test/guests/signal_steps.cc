// Random steps with signals, the same for the same seed, each of which says
// what it saw: signal_steps SEED STEPS REQUESTS REPLIES. Through the fifo
// REQUESTS it asks a sender outside for signals: "e SIGNAL VALUE" is sent and
// then answered by a byte in REPLIES, "a SIGNAL VALUE" is sent some time later.
// Only steps whose outcome does not depend on time are made.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/select.h>
#include <sys/syscall.h>

#include "guest.h"

namespace {

const int kSignals[] = {SIGHUP, SIGUSR1,  SIGUSR2,      SIGTERM,     SIGCHLD,
                        SIGURG, SIGWINCH, SIGRTMIN + 1, SIGRTMIN + 5};
constexpr int kCount = sizeof kSignals / sizeof kSignals[0];

uint64_t random_state = 0;
unsigned Random(unsigned below) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return static_cast<unsigned>((random_state >> 16) % below);
}
int AnySignal() {
  return kSignals[Random(kCount)];
}

int requests = -1;
int replies = -1;
int step = 0;
pid_t self = 0;
bool handled[65];  // has a handler, which stays

void Say(const char* format, long a = 0, long b = 0, long c = 0, long d = 0) {
  char text[160];
  int size = snprintf(text, sizeof text, "%d ", step);
  size += snprintf(text + size, sizeof text - static_cast<size_t>(size), format,
                   a, b, c, d);
  text[size++] = '\n';
  if (write(1, text, static_cast<size_t>(size)) != size) {
    _exit(3);
  }
}

// Bit i: kSignals[i].
long Bits(const sigset_t& set) {
  long bits = 0;
  for (int i = 0; i < kCount; ++i) {
    bits |= (sigismember(&set, kSignals[i]) != 0 ? 1L : 0L) << i;
  }
  return bits;
}
long Mask() {
  sigset_t now;
  sigprocmask(SIG_BLOCK, nullptr, &now);
  return Bits(now);
}
sigset_t AnySet() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : kSignals) {
    if (Random(3) == 0) {
      sigaddset(&set, signal);
    }
  }
  return set;
}
sigset_t Pending() {
  sigset_t set;
  sigpending(&set);
  return set;
}
bool Blocked(int signal) {
  sigset_t now;
  sigprocmask(SIG_BLOCK, nullptr, &now);
  return sigismember(&now, signal) != 0;
}

// 0: by itself, 1: by somebody else, and the code.
long From(const siginfo_t& info) {
  return info.si_code * 10 + (info.si_pid == self ? 0 : 1);
}
long ValueOf(const siginfo_t& info) {
  return info.si_code == SI_QUEUE ? info.si_value.sival_int : -1;
}

void Handler(int signal, siginfo_t* info, void*) {
  int error = errno;
  Say("handler %ld from %ld value %ld mask %lx", signal, From(*info),
      ValueOf(*info), Mask());
  errno = error;
}

void Ask(char kind, int signal) {
  char text[64];
  int size = snprintf(text, sizeof text, "%c %d %d\n", kind, signal, step);
  if (write(requests, text, static_cast<size_t>(size)) != size) {
    _exit(4);
  }
  char reply = 0;
  while (kind == 'e' && read(replies, &reply, 1) != 1) {
    if (errno != EINTR) {
      _exit(5);
    }
  }
}

void SetAction() {
  int signal = AnySignal();
  bool harmless = signal == SIGCHLD || signal == SIGURG || signal == SIGWINCH;
  unsigned what = Random(6);
  struct sigaction action = {};
  if (what == 0) {
    action.sa_handler = SIG_IGN;
  } else if (what == 1 && harmless) {
    action.sa_handler = SIG_DFL;
  } else {
    action.sa_sigaction = Handler;
    action.sa_flags = SA_SIGINFO;
    action.sa_flags |= Random(2) != 0 ? SA_RESTART : 0;
    action.sa_flags |= Random(4) == 0 ? static_cast<int>(SA_NODEFER) : 0;
    bool once = harmless && Random(4) == 0;
    action.sa_flags |= once ? static_cast<int>(SA_RESETHAND) : 0;
    action.sa_mask = AnySet();
  }
  handled[signal] = (action.sa_flags & SA_SIGINFO) != 0 &&
                    (action.sa_flags & static_cast<int>(SA_RESETHAND)) == 0;
  struct sigaction old = {};
  long result = sigaction(signal, &action, &old);
  Say("action %ld: %ld, had flags %lx mask %lx", signal, result,
      old.sa_flags & ~0x04000000, Bits(old.sa_mask));
}

void SetMask() {
  const int kHow[] = {SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK};
  int how = kHow[Random(3)];
  sigset_t set = AnySet();
  sigset_t old;
  long result = sigprocmask(how, &set, &old);
  Say("mask how %ld set %lx: %ld, had %lx", how, Bits(set), result, Bits(old));
}

void SendSelf() {
  int signal = AnySignal();
  unsigned how = Random(3);
  long result = 0;
  if (how == 0) {
    result = raise(signal);
  } else if (how == 1) {
    result = kill(self, signal);
  } else {
    sigval value;
    value.sival_int = step;
    result = sigqueue(self, signal, value);
  }
  Say("sent %ld by %ld: %ld, mask %lx", signal, how, result, Mask());
}

// A signal with a handler, blocked and not pending yet; 0: none just now.
int Awaitable() {
  int signal = AnySignal();
  sigset_t pending = Pending();
  if (!handled[signal] || sigismember(&pending, signal) != 0) {
    return 0;
  }
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  return signal;
}

// Waits with a temporary mask that lets in one signal, sent by then or later;
// or several that pend.
void WaitWithMask() {
  int signal = Awaitable();
  sigset_t mask;
  sigfillset(&mask);
  if (signal != 0) {
    Ask('a', signal);
    sigdelset(&mask, signal);
  } else {
    sigset_t pending = Pending();
    bool some = false;
    for (int each : kSignals) {
      if (handled[each] && sigismember(&pending, each) != 0) {
        sigdelset(&mask, each);
        some = true;
      }
    }
    if (!some) {
      return;
    }
  }
  errno = 0;
  unsigned how = Random(3);
  long result = 0;
  timespec time{20, 0};
  if (how == 0) {
    result = sigsuspend(&mask);
  } else if (how == 1) {
    result = ppoll(nullptr, 0, &time, &mask);
  } else {
    result = pselect(0, nullptr, nullptr, nullptr, &time, &mask);
  }
  Say("waited by %ld: %ld errno %ld mask %lx", how, result, errno, Mask());
}

void WaitForInfo() {
  int signal = Awaitable();
  sigset_t set = AnySet();
  timespec time{0, 0};
  if (signal != 0) {
    sigemptyset(&set);
    sigaddset(&set, signal);
    Ask('a', signal);
    time.tv_sec = 20;
  } else {
    sigprocmask(SIG_BLOCK, &set, nullptr);
  }
  siginfo_t info = {};
  errno = 0;
  long result = sigtimedwait(&set, &info, &time);
  Say("took %ld errno %ld from %ld value %ld", result, errno,
      result > 0 ? From(info) : 0, result > 0 ? ValueOf(info) : 0);
}

void AskOutside() {
  int signal = AnySignal();
  Ask('e', signal);
  int more = AnySignal();
  // Two at once come in any order, unless they wait.
  if (Blocked(signal) && Blocked(more)) {
    Ask('e', more);
  }
  Say("outside sent %ld: pending %lx mask %lx", signal, Bits(Pending()),
      Mask());
}

void Step() {
  switch (Random(8)) {
    case 0:
      SetAction();
      return;
    case 1:
    case 2:
      SetMask();
      return;
    case 3:
      SendSelf();
      return;
    case 4:
      AskOutside();
      return;
    case 5:
      WaitWithMask();
      return;
    case 6:
      WaitForInfo();
      return;
    default:
      Say("pending %lx mask %lx", Bits(Pending()), Mask());
      return;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    return 64;
  }
  random_state = strtoull(argv[1], nullptr, 10) * 0x9e3779b97f4a7c15 + 1;
  int steps = atoi(argv[2]);
  self = getpid();
  requests = open(argv[3], O_WRONLY);
  replies = open(argv[4], O_RDONLY);
  if (requests < 0 || replies < 0) {
    return 65;
  }
  for (int signal : kSignals) {
    struct sigaction action = {};
    action.sa_sigaction = Handler;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigaction(signal, &action, nullptr);
    handled[signal] = true;
  }
  for (step = 1; step <= steps; ++step) {
    if (step % 20 == 0) {  // time for a move
      usleep(4000);
    }
    Step();
  }
  Say("end");
  return 0;
}
