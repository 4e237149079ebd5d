#include "node/check_child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <type_traits>

#include "base/unique_fd.h"
#include "process/wait_status.h"

namespace ssi {

namespace {

using SteadyTime = std::chrono::steady_clock::time_point;
using std::chrono::milliseconds;

// Killed processes are reaped within this, or left alone: one in an
// uninterruptible wait cannot be had by anybody.
constexpr milliseconds kReapLimit{1000};
// How much later than the probe's limit the caller stops waiting for a guard.
constexpr milliseconds kGuardSlack{2000};

// A Result<Found> on its way through a pipe, in one write.
struct Answer {
  enum class Kind : std::uint32_t { kGood, kPoor, kError };
  Kind kind = Kind::kError;
  ErrorCode code = ErrorCode::kSystem;
  int sys_errno = 0;
  std::uint32_t size = 0;
  std::array<char, 1000> text{};

  void SetText(std::string_view from) {
    size = static_cast<std::uint32_t>(std::min(from.size(), text.size()));
    std::memcpy(text.data(), from.data(), size);
  }
};
static_assert(std::is_trivially_copyable_v<Answer>);
static_assert(sizeof(Answer) < 4096, "PIPE_BUF: written as a whole");

Answer Encode(const Result<Found>& found) {
  Answer answer;
  if (!found) {
    answer.code = found.error().code;
    answer.sys_errno = found.error().sys_errno;
    answer.SetText(found.error().message);
    return answer;
  }
  answer.kind = found->quality == Found::Quality::kGood ? Answer::Kind::kGood
                                                        : Answer::Kind::kPoor;
  answer.SetText(found->detail);
  return answer;
}

Result<Found> Decode(const Answer& answer) {
  std::string text(answer.text.data(),
                   std::min<std::size_t>(answer.size, answer.text.size()));
  if (answer.kind == Answer::Kind::kError) {
    return std::unexpected(
        Error{answer.code, std::move(text), answer.sys_errno});
  }
  return Found{std::move(text), answer.kind == Answer::Kind::kGood
                                    ? Found::Quality::kGood
                                    : Found::Quality::kPoor};
}

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Result<Pipe> MakePipe() {
  std::array<int, 2> fds{};
  if (::pipe2(fds.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
    return FailErrno(errno, "pipe");
  }
  return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

std::optional<Answer> TakeAnswer(const UniqueFd& pipe) {
  Answer answer;
  ssize_t n = ::read(pipe.get(), &answer, sizeof answer);
  if (n != static_cast<ssize_t>(sizeof answer)) {
    return std::nullopt;
  }
  return answer;
}

// Whatever the caller ignores or blocks, a probe starts from the defaults.
void ResetSignals() {
  for (int signal = 1; signal < NSIG; ++signal) {
    (void)::signal(signal, SIG_DFL);  // fails for those of the C library
  }
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// SIGCHLD is blocked: comes back when one arrives or `limit` has passed.
void WaitForChild(milliseconds limit) {
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  // One that was pending already may have stood for two: look again soon.
  limit = std::clamp(limit, milliseconds(0), milliseconds(10));
  timespec wait{0, std::chrono::nanoseconds(limit).count()};
  (void)::sigtimedwait(&child, nullptr, &wait);
}

milliseconds LeftUntil(SteadyTime end) {
  return std::chrono::ceil<milliseconds>(end -
                                         std::chrono::steady_clock::now());
}

// How `pid` ended, without reaping it: until then its process group is its
// own. Nothing if it has not by `end`.
std::optional<Stop> AwaitEnd(pid_t pid, SteadyTime end) {
  for (;;) {
    siginfo_t info{};
    if (::waitid(P_PID, static_cast<id_t>(pid), &info,
                 WEXITED | WNOHANG | WNOWAIT) == 0 &&
        info.si_pid == pid) {
      return info.si_code == CLD_EXITED
                 ? Stop{Stop::Kind::kExited, info.si_status, 0}
                 : Stop{Stop::Kind::kKilled, info.si_status, 0};
    }
    if (LeftUntil(end) <= milliseconds(0)) {
      return std::nullopt;
    }
    WaitForChild(LeftUntil(end));
  }
}

void ReapAll() {
  auto end = std::chrono::steady_clock::now() + kReapLimit;
  for (;;) {
    pid_t reaped = ::waitpid(-1, nullptr, WNOHANG | __WALL);
    if ((reaped < 0 && errno != EINTR) || LeftUntil(end) <= milliseconds(0)) {
      return;
    }
    if (reaped == 0) {
      WaitForChild(LeftUntil(end));
    }
  }
}

[[noreturn]] void BeProbe(Probe probe, const UniqueFd& out) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::setpgid(0, 0);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  Answer answer = Encode(probe());
  (void)!::write(out.get(), &answer, sizeof answer);
  ::_exit(0);
}

Answer Supervise(Probe probe, milliseconds limit, UniqueFd& out) {
  auto pipe = MakePipe();
  if (!pipe) {
    return Encode(std::unexpected(pipe.error()));
  }
  auto end = std::chrono::steady_clock::now() + limit;
  pid_t pid = ::fork();
  if (pid < 0) {
    return Encode(FailErrno(errno, "fork"));
  }
  if (pid == 0) {
    out.Reset();
    BeProbe(probe, pipe->write);
  }
  ::setpgid(pid, pid);  // whoever comes first
  auto ended = AwaitEnd(pid, end);
  ::kill(-pid, SIGKILL);
  ReapAll();
  if (auto answer = TakeAnswer(pipe->read)) {
    return *answer;
  }
  if (!ended) {
    return Encode(Fail(ErrorCode::kUnsupported,
                       "the check did not end within {} ms", limit.count()));
  }
  return Encode(Fail(ErrorCode::kUnsupported, "the check crashed: {}",
                     ended->Describe()));
}

[[noreturn]] void BeGuard(Probe probe, milliseconds limit, UniqueFd out) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  ResetSignals();
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &child, nullptr);
  Answer answer = Supervise(probe, limit, out);
  (void)!::write(out.get(), &answer, sizeof answer);
  ::_exit(0);
}

// Without SIGCHLD, which is the caller's.
void ReapGuard(pid_t guard) {
  auto end = std::chrono::steady_clock::now() + kReapLimit;
  while (LeftUntil(end) > milliseconds(0)) {
    pid_t reaped = ::waitpid(guard, nullptr, WNOHANG);
    if (reaped == guard || (reaped < 0 && errno != EINTR)) {
      return;
    }
    (void)::poll(nullptr, 0, 1);
  }
}

}  // namespace

Result<Found> RunBounded(Probe probe, milliseconds limit) {
  SSI_ASSIGN(Pipe pipe, MakePipe());
  pid_t guard = ::fork();
  if (guard < 0) {
    return FailErrno(errno, "fork");
  }
  if (guard == 0) {
    pipe.read.Reset();
    BeGuard(probe, limit, std::move(pipe.write));
  }
  pipe.write.Reset();
  auto end = std::chrono::steady_clock::now() + limit + kGuardSlack;
  pollfd ready{pipe.read.get(), POLLIN, 0};
  while (LeftUntil(end) > milliseconds(0) &&
         ::poll(&ready, 1, static_cast<int>(LeftUntil(end).count())) < 0) {
  }
  auto answer = TakeAnswer(pipe.read);
  if (!answer) {
    ::kill(guard, SIGKILL);
  }
  ReapGuard(guard);
  if (!answer) {
    return Fail(ErrorCode::kUnsupported, "the check was lost");
  }
  return Decode(*answer);
}

}  // namespace ssi
