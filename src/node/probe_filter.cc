// Probes of seccomp: how the calls of a guest are trapped. Each has a child
// with a small filter that traps getppid, which answers kToken then.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <functional>

#include "base/unique_fd.h"
#include "base/unix_socket.h"
#include "node/check_probes.h"
#include "node/probe_helper.h"
#include "process/agent_site.h"
#include "process/tracee.h"
#include "remote/notifications.h"
#include "supervisor/filter.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)  // NOLINT: 5.19
#endif

namespace ssi::probes {

namespace {

constexpr std::uint32_t kTraceData = 7;

// Needs no privilege with no_new_privs. The listener, 0, or -1.
int InstallFilter(std::span<const sock_filter> code, unsigned long flags) {
  sock_fprog program{static_cast<unsigned short>(code.size()),
                     const_cast<sock_filter*>(code.data())};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return -1;
  }
  return static_cast<int>(
      ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program));
}

int TrapGetppid(std::uint32_t action, unsigned long flags) {
  std::array code = {
      sock_filter{BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
      sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_getppid},
      sock_filter{BPF_RET | BPF_K, 0, 0, action},
      sock_filter{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
  return InstallFilter(code, flags);
}

long Getppid() {
  return ::syscall(SYS_getppid);
}

// A child whose getppid is notified to us. It has made that call when Receive
// gives its notification; it ends with 0 if the call gave what it should.
struct Notified {
  Helper helper;
  UniqueFd listener;

  static Result<Notified> Make(unsigned long more_flags,
                               const std::function<bool()>& use) {
    unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | more_flags;
    SSI_ASSIGN(auto helper, Helper::Start([flags, &use](int socket) -> int {
                 UniqueFd listener(TrapGetppid(SECCOMP_RET_USER_NOTIF, flags));
                 std::int64_t error = listener.valid() ? 0 : errno;
                 std::array fds{listener.get()};
                 auto sent =
                     SendWithFds(socket, std::as_bytes(std::span(&error, 1)),
                                 std::span(fds).first(error == 0 ? 1 : 0));
                 return error == 0 && sent && use() ? 0 : 1;
               }));
    SSI_ASSIGN(auto message,
               ReceiveWithFds(helper.socket(), sizeof(std::int64_t)));
    if (message.fds.size() == 1) {
      return Notified{std::move(helper), std::move(message.fds[0])};
    }
    std::int64_t error = EPROTO;
    if (message.data.size() == sizeof error) {
      std::memcpy(&error, message.data.data(), sizeof error);
    }
    return FailErrno(static_cast<int>(error), "seccomp filter with a listener");
  }

  [[nodiscard]] Notifications notifications() const {
    return Notifications(listener.get());
  }
  [[nodiscard]] Result<Notification> Receive() const {
    pollfd ready{listener.get(), POLLIN, 0};
    (void)::poll(&ready, 1, -1);
    SSI_ASSIGN(auto notification, notifications().Receive());
    if (!notification || notification->number != SYS_getppid) {
      return Fail(ErrorCode::kUnsupported, "no notification of the call");
    }
    return *notification;
  }
  Result<Found> Finish() {
    SSI_ASSIGN(int code, helper.ExitCode());
    if (code != 0) {
      return Fail(ErrorCode::kUnsupported, "the call gave another result");
    }
    return Found{};
  }
};

std::atomic<bool> signal_seen{false};  // NOLINT: for a signal handler

}  // namespace

Result<Found> NotifiedCall() {
  SSI_ASSIGN(auto notified,
             Notified::Make(0, [] { return Getppid() == kToken; }));
  SSI_ASSIGN(auto notification, notified.Receive());
  SSI_TRY(notified.notifications().Answer(notification.id, kToken));
  return notified.Finish();
}

Result<Found> ContinuedCall() {
  pid_t own = ::getpid();
  SSI_ASSIGN(auto notified,
             Notified::Make(0, [own] { return Getppid() == own; }));
  SSI_ASSIGN(auto notification, notified.Receive());
  SSI_TRY(notified.notifications().Continue(notification.id));
  return notified.Finish();
}

Result<Found> GivenDescriptor() {
  constexpr int kNumber = 200;
  SSI_ASSIGN(auto notified, Notified::Make(0, [] {
               std::uint64_t value = 0;
               return Getppid() == 0 &&
                      ::read(kNumber, &value, sizeof value) == sizeof value &&
                      value == kToken;
             }));
  SSI_ASSIGN(auto notification, notified.Receive());
  UniqueFd made(::eventfd(kToken, EFD_CLOEXEC));
  SSI_TRY(notified.notifications().AddFd(notification.id, made.get(), kNumber));
  SSI_TRY(notified.notifications().Answer(notification.id, 0));
  return notified.Finish();
}

// A signal during a received call: the handler must run after the answer, not
// instead of it.
Result<Found> KillableWait() {
  SSI_ASSIGN(auto notified,
             Notified::Make(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, [] {
               struct sigaction action {};
               action.sa_handler = [](int) {
                 signal_seen = true;
               };
               ::sigaction(SIGUSR1, &action, nullptr);
               return Getppid() == kToken && signal_seen;
             }));
  SSI_ASSIGN(auto notification, notified.Receive());
  ::kill(Raw(notified.helper.pid()), SIGUSR1);
  // Where the wait can be broken, that happens now.
  constexpr int kTimeToBreakMs = 5;
  (void)::poll(nullptr, 0, kTimeToBreakMs);
  if (!notified.notifications().Answer(notification.id, kToken)) {
    return Fail(ErrorCode::kUnsupported, "a signal broke the wait");
  }
  return notified.Finish();
}

Result<Found> TracedCall() {
  SSI_ASSIGN(auto helper, Helper::Start([](int socket) -> int {
               int error = TrapGetppid(SECCOMP_RET_TRACE | kTraceData, 0) == 0
                               ? 0
                               : errno;
               if (!SendNumber(socket, error) || !ReceiveNumber(socket)) {
                 return 1;
               }
               return Getppid() == kToken ? 0 : 1;
             }));
  SSI_ASSIGN(std::int64_t error, ReceiveNumber(helper.socket()));
  if (error != 0) {
    return FailErrno(static_cast<int>(error), "seccomp filter");
  }
  Tracee tracee(helper.pid());
  SSI_TRY(tracee.Seize(PTRACE_O_EXITKILL | PTRACE_O_TRACESECCOMP));
  SSI_TRY(SendNumber(helper.socket(), 0));
  SSI_ASSIGN(Stop stop, tracee.Wait());
  if (stop.kind != Stop::Kind::kSeccomp) {
    return Fail(ErrorCode::kUnsupported, "no seccomp stop but: {}",
                stop.Describe());
  }
  SSI_ASSIGN(std::uint64_t data, tracee.GetEventMessage());
  SSI_ASSIGN(auto registers, tracee.GetRegisters());
  if (data != kTraceData || registers.call_number() != SYS_getppid) {
    return Fail(ErrorCode::kUnsupported, "the stop is of another call");
  }
  registers.SkipCall(kToken);
  SSI_TRY(tracee.SetRegisters(registers));
  SSI_TRY(tracee.Continue());
  SSI_ASSIGN(int code, helper.ExitCode());
  if (code != 0) {
    return Fail(ErrorCode::kUnsupported, "the call gave another result");
  }
  return Found{};
}

// The filter that guests get. Nothing but memory works for the child once it
// has it, so it tells through memory and spins until it is killed.
Result<Found> GuestFilter() {
  SSI_ASSIGN(auto code, supervisor::BuildFilter(RemoteAddr{kSiteFrom}));
  using Word = std::atomic<int>;
  void* memory = ::mmap(nullptr, sizeof(Word), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    return FailErrno(errno, "shared memory");
  }
  constexpr int kInstalled = -1;
  auto& word = *new (memory) Word{0};
  SSI_ASSIGN(auto helper, Helper::Start([&](int) -> int {
               int listener =
                   InstallFilter(code, SECCOMP_FILTER_FLAG_NEW_LISTENER);
               word = listener >= 0 ? kInstalled : errno;
               for (;;) {
                 __builtin_ia32_pause();
               }
             }));
  while (word == 0) {
    (void)::poll(nullptr, 0, 1);
  }
  if (word != kInstalled) {
    return FailErrno(word.load(), "seccomp filter");
  }
  return Found{fmt::format("{} instructions", code.size())};
}

}  // namespace ssi::probes
