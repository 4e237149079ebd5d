// Probes of what holds processes together: children, waiting, sockets.
#include <linux/futex.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <sstream>

#include "base/files.h"
#include "base/unique_fd.h"
#include "base/unix_socket.h"
#include "node/check_probes.h"
#include "node/probe_helper.h"

namespace ssi::probes {

// A child makes a child of its own and ends: the orphan must become ours. (The
// guard above would take it otherwise.)
Result<Found> Subreaper() {
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
    return FailErrno(errno, "PR_SET_CHILD_SUBREAPER");
  }
  SSI_ASSIGN(auto sockets, MakeSocketPair(SOCK_SEQPACKET));
  int to_us = sockets.second.get();
  SSI_ASSIGN(auto middle, Helper::Start([to_us](int) -> int {
               pid_t parent = ::getpid();
               pid_t orphan = ::fork();
               if (orphan != 0) {
                 return orphan < 0 ? errno : 0;
               }
               while (::getppid() == parent) {
                 ::usleep(100);
               }
               (void)SendNumber(to_us, ::getppid());
               ::pause();  // it is killed with this probe
               return 0;
             }));
  SSI_ASSIGN(int code, middle.ExitCode());
  if (code != 0) {
    return FailErrno(code, "fork");
  }
  sockets.second.Reset();
  SSI_ASSIGN(std::int64_t parent, ReceiveNumber(sockets.first.get()));
  if (parent != ::getpid()) {
    return Fail(ErrorCode::kUnsupported, "an orphan went to process {}",
                parent);
  }
  return Found{};
}

Result<Found> ChildrenFile() {
  SSI_ASSIGN(auto child, Helper::StartIdle());
  SSI_ASSIGN(std::string text,
             ReadFile(fmt::format("/proc/{0}/task/{0}/children", ::getpid())));
  std::istringstream stream(text);
  for (pid_t pid = 0; stream >> pid;) {
    if (pid == Raw(child.pid())) {
      return Found{};
    }
  }
  return Fail(ErrorCode::kUnsupported,
              "/proc/PID/task/PID/children does not list a child");
}

// Sleeps on two words at once, one of which another process changes.
Result<Found> ManyFutexes() {
  using Words = std::array<std::atomic<std::uint32_t>, 2>;
  void* memory = ::mmap(nullptr, sizeof(Words), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    return FailErrno(errno, "shared memory");
  }
  auto& words = *new (memory) Words{};
  SSI_ASSIGN(auto waker, Helper::Start([&words](int) -> int {
               words[1].store(1);
               ::syscall(SYS_futex, &words[1], FUTEX_WAKE, 1, nullptr, nullptr,
                         0);
               return 0;
             }));
  std::array<futex_waitv, 2> waits{};
  for (std::size_t i = 0; i < waits.size(); ++i) {
    waits[i].uaddr = reinterpret_cast<std::uint64_t>(&words[i]);
    waits[i].flags = FUTEX_32;
  }
  // At least once: the other may be done before we look.
  do {
    long woken = ::syscall(SYS_futex_waitv, waits.data(), waits.size(), 0,
                           nullptr, CLOCK_MONOTONIC);
    // EAGAIN: it was changed before we slept.
    if (woken < 0 && errno != EAGAIN && errno != EINTR) {
      return FailErrno(errno, "futex_waitv");
    }
  } while (words[1].load() == 0);
  return Found{};
}

Result<Found> PassedDescriptor() {
  SSI_ASSIGN(auto helper, Helper::Start([](int socket) -> int {
               UniqueFd made(::eventfd(kToken, EFD_CLOEXEC));
               std::array data{std::byte{0}};
               std::array fds{made.get()};
               return SendWithFds(socket, data, fds) ? 0 : 1;
             }));
  SSI_ASSIGN(auto message, ReceiveWithFds(helper.socket(), 1));
  if (message.fds.size() != 1) {
    return Fail(ErrorCode::kUnsupported, "the descriptor did not arrive");
  }
  std::uint64_t value = 0;
  SSI_TRY(ReadAll(message.fds[0].get(), &value, sizeof value));
  if (value != kToken) {
    return Fail(ErrorCode::kUnsupported, "another descriptor arrived");
  }
  return Found{};
}

}  // namespace ssi::probes
