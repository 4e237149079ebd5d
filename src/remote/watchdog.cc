#include "remote/watchdog.h"

#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <vector>

#include "base/unix_socket.h"

namespace ssi {

namespace {

std::int64_t BootNow() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

void KillAll(const std::vector<UniqueFd>& sandboxes, const char* why) {
  int killed = 0;
  for (const auto& sandbox : sandboxes) {
    if (::syscall(SYS_pidfd_send_signal, sandbox.get(), SIGKILL, nullptr, 0) ==
        0) {
      ++killed;
    }
  }
  if (killed > 0) {
    (void)std::fprintf(stderr, "ssid: watchdog killed %d guest sandbox%s: %s\n",
                       killed, killed == 1 ? "" : "es", why);
  }
}

// The connection closes before the kernel kills the supervisor's tracees, and
// before its children get their parent-death signal. Killed any earlier, the
// inits of the sandboxes would take the last listeners with them while the
// guests still run, who would be told ENOSYS. A dead supervisor is reparented
// from only after that.
void WaitForTheEndOf(pid_t supervisor) {
  constexpr int kMostLooks = 1000;
  constexpr timespec kPause{0, 2'000'000};
  for (int i = 0; i < kMostLooks && ::getppid() == supervisor; ++i) {
    ::nanosleep(&kPause, nullptr);
  }
}

// The watchdog's whole life.
[[noreturn]] void Run(const UniqueFd& socket,
                      const std::atomic<std::int64_t>& heard,
                      std::int64_t limit, pid_t supervisor) {
  ::prctl(PR_SET_NAME, "ssi-watchdog");
  sigset_t all;
  sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  std::vector<UniqueFd> sandboxes;
  constexpr int kLookMs = 500;
  for (;;) {
    pollfd ready{socket.get(), POLLIN, 0};
    if (::poll(&ready, 1, kLookMs) > 0) {
      auto message = ReceiveWithFds(socket.get(), 1);
      if (!message || message->data.empty()) {
        WaitForTheEndOf(supervisor);
        KillAll(sandboxes, "its guest supervisor is gone");
        ::_exit(0);
      }
      std::move(message->fds.begin(), message->fds.end(),
                std::back_inserter(sandboxes));
    }
    // A pidfd polls readable when its process has ended.
    std::erase_if(sandboxes, [](const UniqueFd& sandbox) {
      pollfd ended{sandbox.get(), POLLIN, 0};
      return ::poll(&ended, 1, 0) > 0;
    });
    if (!sandboxes.empty() && BootNow() - heard.load() > limit) {
      KillAll(sandboxes, "nothing was heard from its home node");
      sandboxes.clear();
    }
  }
}

}  // namespace

Result<std::unique_ptr<Watchdog>> Watchdog::Start(
    std::chrono::nanoseconds limit) {
  SSI_ASSIGN(auto sockets, MakeSocketPair(SOCK_SEQPACKET));
  void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) {
    return FailErrno(errno, "memory for the watchdog");
  }
  auto* heard = new (page) std::atomic<std::int64_t>(BootNow());
  std::unique_ptr<Watchdog> watchdog(
      new Watchdog(std::move(sockets.first), heard));
  pid_t supervisor = ::getpid();
  pid_t pid = ::fork();
  if (pid < 0) {
    return FailErrno(errno, "fork the watchdog");
  }
  if (pid == 0) {
    // Everything but stderr and its socket, so that the end of the supervisor
    // shows as the end of the connection, and nothing of it is held open.
    auto keep = static_cast<unsigned>(sockets.second.get());
    (void)watchdog->socket_.Release();
    ::close(0);
    ::close(1);
    if (keep > 3) {
      ::close_range(3, keep - 1, 0);
    }
    ::close_range(keep + 1, ~0U, 0);
    Run(sockets.second, *heard, limit.count(), supervisor);
  }
  watchdog->pid_ = pid;
  return watchdog;
}

Watchdog::~Watchdog() {
  socket_.Reset();
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  ::munmap(static_cast<void*>(heard_), 4096);
}

void Watchdog::Heard(std::chrono::nanoseconds at) {
  heard_->store(at.count());
}

Status Watchdog::Guard(const UniqueFd& init_pid_fd) {
  heard_->store(BootNow());
  std::array<std::byte, 1> data{};
  std::array fds{init_pid_fd.get()};
  return SendWithFds(socket_.get(), data, fds);
}

}  // namespace ssi
