#include "deputy/front.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "base/files.h"
#include "base/loop.h"
#include "base/unix_socket.h"
#include "deputy/processes.h"

namespace ssi {

namespace {

// Everything that can be sent to a program and has a meaning there. SIGKILL
// and SIGSTOP cannot be caught; faults and SIGCHLD are the front's own.
constexpr std::array kRelayed = {SIGHUP,  SIGINT,   SIGQUIT, SIGTERM, SIGUSR1,
                                 SIGUSR2, SIGALRM,  SIGCONT, SIGTSTP, SIGTTIN,
                                 SIGTTOU, SIGURG,   SIGXCPU, SIGXFSZ, SIGVTALRM,
                                 SIGPROF, SIGWINCH, SIGIO,   SIGPWR,  SIGPIPE};

sigset_t RelayedSet() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : kRelayed) {
    sigaddset(&set, signal);
  }
  for (int signal = SIGRTMIN; signal <= SIGRTMAX; ++signal) {
    sigaddset(&set, signal);
  }
  sigaddset(&set, SIGCHLD);
  return set;
}

}  // namespace

void LetGoOfFiles(std::vector<int> keep, Stderr standard_error) {
  int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null >= 0) {
    ::dup2(null, 0);
    ::dup2(null, 1);
    if (standard_error == Stderr::kLetGo) {
      ::dup2(null, 2);
    }
  }
  std::sort(keep.begin(), keep.end());
  unsigned from = 3;
  for (int fd : keep) {
    auto kept = static_cast<unsigned>(fd);
    if (kept > from) {
      ::close_range(from, kept - 1, 0);
    }
    from = std::max(from, kept + 1);
  }
  ::close_range(from, ~0U, 0);
}

void KillDescendants() {
  for (;;) {
    std::vector<pid_t> found = ChildrenOf(::getpid());
    // A process that is killed gives its children to us: they are found in the
    // next round at the latest.
    for (std::size_t i = 0; i < found.size(); ++i) {
      auto more = ChildrenOf(found[i]);
      found.insert(found.end(), more.begin(), more.end());
    }
    for (pid_t pid : found) {
      ::kill(pid, SIGKILL);
    }
    if (found.empty()) {
      return;
    }
    // One that was killed ends. Not all: what has become our child meanwhile
    // was not seen, and lives until the next round.
    (void)::waitpid(-1, nullptr, __WALL);
  }
}

int Front::Run(const std::function<int(UniqueFd socket, const sigset_t& mask)>&
                   supervisor) {
  sigset_t mask;
  sigset_t relayed = RelayedSet();
  ::pthread_sigmask(SIG_BLOCK, &relayed, &mask);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  auto sockets = MakeSocketPair(SOCK_SEQPACKET);
  if (!sockets) {
    (void)std::fprintf(stderr, "ssirun: %s\n", sockets.error().message.c_str());
    return 125;
  }
  pid_t child = ::fork();
  if (child < 0) {
    (void)std::fprintf(stderr, "ssirun: fork: %s\n", std::strerror(errno));
    return 125;
  }
  if (child == 0) {
    sockets->first.Reset();
    ::_exit(supervisor(std::move(sockets->second), mask));
  }
  sockets->second.Reset();
  LetGoOfFiles({sockets->first.get()}, Stderr::kKeep);
  Front front(std::move(sockets->first), child);
  return front.Loop();
}

int Front::Loop() {
  sigset_t relayed = RelayedSet();
  UniqueFd signals(::signalfd(-1, &relayed, SFD_CLOEXEC));
  for (;;) {
    std::array<pollfd, 2> ready = {pollfd{signals.get(), POLLIN, 0},
                                   pollfd{socket_.get(), POLLIN, 0}};
    if (::poll(ready.data(), ready.size(), -1) < 0) {
      continue;
    }
    if ((ready[1].revents & (POLLIN | POLLHUP)) != 0) {
      if (!OnMessage()) {
        return ended_ ? status_ : KillJob();
      }
      if (ended_) {
        return status_;
      }
    }
    if ((ready[0].revents & POLLIN) != 0) {
      signalfd_siginfo info{};
      if (::read(signals.get(), &info, sizeof info) == sizeof info) {
        OnSignal(info);
      }
    }
  }
}

bool Front::OnMessage() {
  auto received = ReceiveWithFds(socket_.get(), std::size_t{64} << 10);
  if (!received || received->data.size() < sizeof(FrontMessage)) {
    return false;
  }
  FrontMessage message;
  std::memcpy(&message, received->data.data(), sizeof message);
  switch (message.kind) {
    case FrontMessage::Kind::kStarted: {
      command_ = message.value;
      // Into the supervisor's group or, where that is of another session, one
      // of its own. Not possible for the leader of a session or, then, of
      // CMD's group: what is sent to the group reaches us as well, and is told
      // apart by its sender (OnSignal).
      pid_t group = ::getpgrp();
      left_group_ = ::setpgid(0, supervisor_) == 0 ||
                    (::setpgid(0, 0) == 0 && ::getpgrp() != group);
      FrontMessage joined{FrontMessage::Kind::kJoined, left_group_ ? 1 : 0};
      (void)SendWithFds(socket_.get(), std::as_bytes(std::span(&joined, 1)),
                        {});
      return true;
    }
    case FrontMessage::Kind::kExited:
    case FrontMessage::Kind::kFailed:
      ended_ = true;
      status_ = message.value;
      ReapSupervisor();
      return true;
    case FrontMessage::Kind::kKilled:
      ReapSupervisor();
      DieBy(message.value);
    case FrontMessage::Kind::kStopped:
      Stop(message.value);
      message = {FrontMessage::Kind::kAwake, 0};
      (void)SendWithFds(socket_.get(), std::as_bytes(std::span(&message, 1)),
                        {});
      return true;
    case FrontMessage::Kind::kLog:
      (void)!::write(2, received->data.data() + sizeof message,
                     received->data.size() - sizeof message);
      return true;
    default:
      return true;
  }
}

// CMD has ended; the supervisor follows at once unless other members of the
// job live on.
void Front::ReapSupervisor() {
  constexpr int kShortMs = 50;
  pollfd closed{socket_.get(), 0, 0};  // POLLHUP alone
  if (::poll(&closed, 1, kShortMs) > 0) {
    ::waitpid(supervisor_, nullptr, 0);
  }
}

// Stopped until the supervisor sends SIGCONT, which it does when CMD goes on,
// or until a shell does. By the same signal: shells say which it was.
void Front::Stop(int signal) {
  bool of_terminal =
      signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
  // The kernel drops those in an orphaned process group.
  if (of_terminal && ::getsid(::getppid()) == ::getsid(0)) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    (void)::raise(signal);
    ::sigprocmask(SIG_UNBLOCK, &set, nullptr);  // stops here
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
  } else {
    (void)::raise(SIGSTOP);
  }
}

void Front::OnSignal(const signalfd_siginfo& info) {
  auto signal = static_cast<int>(info.ssi_signo);
  if (signal == SIGCHLD) {
    int status = 0;
    // The supervisor's end shows on the socket; orphans of the job come here
    // only after that.
    while (::waitpid(-1, &status, WNOHANG) > 0) {
    }
    return;
  }
  // In CMD's own group, the kernel's signals (of the terminal) have reached it;
  // but those of a hangup are for the leader of the session alone, which is us.
  bool hangup = signal == SIGHUP || signal == SIGCONT;
  bool reached = !left_group_ && info.ssi_code == SI_KERNEL && !hangup;
  if (reached || static_cast<pid_t>(info.ssi_pid) == supervisor_ ||
      (command_ > 0 && static_cast<pid_t>(info.ssi_pid) == command_ &&
       signal == SIGCONT)) {
    return;
  }
  FrontMessage message{FrontMessage::Kind::kSignal, signal};
  (void)SendWithFds(socket_.get(), std::as_bytes(std::span(&message, 1)), {});
}

// As shells see it: by the same signal, without a core of our own.
void Front::DieBy(int signal) const {
  rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::prctl(PR_SET_DUMPABLE, 0);
  (void)::signal(signal, SIG_DFL);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  (void)::raise(signal);
  ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
  constexpr int kBySignal = 128;
  ::_exit(kBySignal + signal);
}

// The supervisor was killed: nobody is left who could serve the job.
int Front::KillJob() {
  KillDescendants();
  (void)std::fprintf(stderr,
                     "ssirun: the home supervisor was killed; the job was "
                     "ended\n");
  return 125;
}

}  // namespace ssi
