#include "process/wait_status.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <array>

#include <fmt/format.h>

namespace ssi {

namespace {

Stop::Kind KindOfEvent(int event, int signal) {
  switch (event) {
    case PTRACE_EVENT_STOP:
      // A group-stop of a seized tracee carries the stop signal; every other
      // PTRACE_EVENT_STOP carries SIGTRAP.
      return signal == SIGTRAP ? Stop::Kind::kInterrupted
                               : Stop::Kind::kGroupStop;
    case PTRACE_EVENT_SECCOMP:
      return Stop::Kind::kSeccomp;
    case PTRACE_EVENT_EXEC:
      return Stop::Kind::kExec;
    case PTRACE_EVENT_FORK:
      return Stop::Kind::kFork;
    case PTRACE_EVENT_VFORK:
      return Stop::Kind::kVfork;
    case PTRACE_EVENT_VFORK_DONE:
      return Stop::Kind::kVforkDone;
    case PTRACE_EVENT_CLONE:
      return Stop::Kind::kClone;
    case PTRACE_EVENT_EXIT:
      return Stop::Kind::kExiting;
    default:
      return Stop::Kind::kOther;
  }
}

}  // namespace

Stop DecodeWaitStatus(int status) {
  if (WIFEXITED(status)) {
    return {Stop::Kind::kExited, WEXITSTATUS(status), status};
  }
  if (WIFSIGNALED(status)) {
    return {Stop::Kind::kKilled, WTERMSIG(status), status};
  }
  if (WIFCONTINUED(status)) {
    return {Stop::Kind::kContinued, SIGCONT, status};
  }
  if (!WIFSTOPPED(status)) {
    return {Stop::Kind::kOther, 0, status};
  }
  int signal = WSTOPSIG(status);
  int event = status >> 16;
  if (event != 0) {
    return {KindOfEvent(event, signal), signal, status};
  }
  if (signal == (SIGTRAP | 0x80)) {  // PTRACE_O_TRACESYSGOOD
    return {Stop::Kind::kSyscall, SIGTRAP, status};
  }
  return {Stop::Kind::kSignal, signal, status};
}

std::string Stop::Describe() const {
  static constexpr std::array kNames = {
      "exited",     "killed",  "signal",  "group stop", "interrupted",
      "syscall",    "seccomp", "exec",    "fork",       "vfork",
      "vfork done", "clone",   "exiting", "continued",  "other"};
  return fmt::format("{} {} ({:#x})", kNames.at(static_cast<std::size_t>(kind)),
                     value, static_cast<unsigned>(raw));
}

}  // namespace ssi
