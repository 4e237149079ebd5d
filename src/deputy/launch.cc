#include "deputy/launch.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "deputy/traced_run.h"
#include "process/tracee.h"
#include "supervisor/filter.h"

namespace ssi {

namespace {

// All that CMD starts is traced with it.
constexpr unsigned long kCallsOptions =
    kHomeOptions | PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEFORK |
    PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE;

Result<std::pair<UniqueFd, UniqueFd>> MakePipe() {
  std::array<int, 2> fds{};
  if (::pipe2(fds.data(), O_CLOEXEC) != 0) {
    return FailErrno(errno, "pipe");
  }
  return std::pair(UniqueFd(fds[0]), UniqueFd(fds[1]));
}

// What the child says where it has not become CMD.
struct Failure {
  int exec_error = 0;
  int filter_error = 0;
};

int InstallFilter(supervisor::FilterProgram& filter) {
  sock_fprog code{static_cast<unsigned short>(filter.size()), filter.data()};
  bool installed =
      ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
      ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &code) == 0;
  return installed ? 0 : errno;
}

// `filter`: empty for none.
[[noreturn]] void RunChild(char* const* arguments, const sigset_t& mask, int go,
                           int failure, supervisor::FilterProgram& filter) {
  char byte = 0;
  if (::read(go, &byte, 1) != 1) {
    ::_exit(125);  // the supervisor died first
  }
  ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  Failure failed;
  failed.filter_error = filter.empty() ? 0 : InstallFilter(filter);
  if (failed.filter_error == 0) {
    ::execvp(arguments[0], arguments);
    failed.exec_error = errno;
  }
  (void)!::write(failure, &failed, sizeof failed);
  ::_exit(failed.exec_error == ENOENT ? 127 : 126);
}

// Where it was not reaped.
bool HasEnded(pid_t child) {
  // One that dies cannot be seized before it is dead.
  constexpr int kTries = 100;
  siginfo_t info{};
  for (int i = 0; i < kTries && info.si_pid != child; ++i) {
    constexpr int kPauseMs = 10;
    (void)::poll(nullptr, 0, i == 0 ? 0 : kPauseMs);
    if (::waitid(P_PID, static_cast<id_t>(child), &info,
                 WEXITED | WNOHANG | WNOWAIT) != 0) {
      return false;
    }
  }
  return info.si_pid == child;
}

}  // namespace

Result<Launch> Launch::Fork(const std::vector<std::string>& command,
                            const sigset_t& mask, Trace trace) {
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (const auto& argument : command) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  SSI_ASSIGN(auto failure, MakePipe());
  SSI_ASSIGN(auto go, MakePipe());
  supervisor::FilterProgram filter;
  if (trace == Trace::kCalls) {
    SSI_ASSIGN(filter, supervisor::BuildExplainFilter());
  }
  pid_t pid = ::fork();
  if (pid < 0) {
    return FailErrno(errno, "fork");
  }
  if (pid == 0) {
    go.second.Reset();
    RunChild(arguments.data(), mask, go.first.get(), failure.second.get(),
             filter);
  }
  return Launch(pid, trace, std::move(go.second), std::move(failure.first));
}

Result<Launch::Outcome> Launch::Go(pid_t front, const OnState& on_state) {
  Tracee tracee(HostPid{pid_});
  Status begun;
  if (trace_ != Trace::kNo) {
    begun =
        tracee.Seize(trace_ == Trace::kCalls ? kCallsOptions : kHomeOptions);
    if (!begun) {
      begun = Fail(begun.error().code,
                   "cannot trace CMD ({}): does strace or a debugger follow "
                   "ssirun's children? `ssictl check` tells more; without {} "
                   "CMD runs at home untraced",
                   begun.error().message,
                   trace_ == Trace::kCalls ? "--explain" : "--on");
    }
  }
  if (begun) {
    char byte = 0;
    begun = WriteAll(go_.get(), &byte, 1);
  }
  Outcome outcome;
  if (!begun && HasEnded(pid_)) {
    return outcome;  // it was killed
  }
  SSI_TRY(begun);
  if (trace_ != Trace::kNo) {
    SSI_ASSIGN(outcome.at_exec, LeadToExec(tracee, front, on_state));
  } else {
    SSI_TRY(AwaitExec(front, on_state));
  }
  // Ends at the exec, which closes the other end before a traced process stops,
  // or at the death of the child.
  Failure failed;
  if (ReadAll(failure_.get(), &failed, sizeof failed)) {
    outcome.exec_error = failed.exec_error;
    outcome.filter_error = failed.filter_error;
  }
  return outcome;
}

namespace {

// How often what sends no event is looked at.
constexpr int kLookEveryMs = 50;

// Who waits here must not outlive the front, which nothing else tells.
Status CheckFront(pid_t front) {
  return ::getppid() == front
             ? Status()
             : Fail(ErrorCode::kGone, "the front of ssirun was killed");
}

}  // namespace

// It can be stopped before, continued, or killed.
Result<bool> Launch::LeadToExec(const Tracee& tracee, pid_t front,
                                const OnState& on_state) {
  bool stopped = false;
  for (;;) {
    SSI_TRY(CheckFront(front));
    SSI_ASSIGN(auto stop,
               tracee.WaitFor(std::chrono::milliseconds(kLookEveryMs)));
    if (!stop) {
      continue;
    }
    if (stop->Dead()) {
      return false;
    }
    if (stop->kind == Stop::Kind::kExec) {
      return true;
    }
    if (stop->kind == Stop::Kind::kGroupStop) {
      stopped = true;
      on_state(stop->value);
      SSI_TRY(tracee.Listen());
      continue;
    }
    if (std::exchange(stopped, false)) {
      on_state(0);
    }
    int signal = stop->kind == Stop::Kind::kSignal ? stop->value : 0;
    auto status = tracee.Continue(signal);
    if (!status && status.error().code != ErrorCode::kGone) {
      return std::unexpected(status.error());
    }
  }
}

Status Launch::AwaitExec(pid_t front, const OnState& on_state) const {
  pollfd ready{failure_.get(), POLLIN, 0};
  while (::poll(&ready, 1, kLookEveryMs) <= 0) {
    SSI_TRY(CheckFront(front));
    siginfo_t info{};
    if (::waitid(P_PID, static_cast<id_t>(pid_), &info,
                 WSTOPPED | WCONTINUED | WNOHANG) == 0 &&
        info.si_pid == pid_) {
      on_state(info.si_code == CLD_STOPPED ? info.si_status : 0);
    }
  }
  return {};
}

}  // namespace ssi
