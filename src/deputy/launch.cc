#include "deputy/launch.h"

#include <fcntl.h>
#include <sys/ptrace.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "process/tracee.h"

namespace ssi {

namespace {

Result<std::pair<UniqueFd, UniqueFd>> MakePipe() {
  std::array<int, 2> fds{};
  if (::pipe2(fds.data(), O_CLOEXEC) != 0) {
    return FailErrno(errno, "pipe");
  }
  return std::pair(UniqueFd(fds[0]), UniqueFd(fds[1]));
}

[[noreturn]] void RunChild(char* const* arguments, const sigset_t& mask, int go,
                           int failure) {
  char byte = 0;
  if (::read(go, &byte, 1) != 1) {
    ::_exit(125);  // the supervisor died first
  }
  ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  ::execvp(arguments[0], arguments);
  int err = errno;
  (void)!::write(failure, &err, sizeof err);
  ::_exit(err == ENOENT ? 127 : 126);
}

}  // namespace

Result<Launch> Launch::Fork(const std::vector<std::string>& command,
                            const sigset_t& mask) {
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (const auto& argument : command) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  SSI_ASSIGN(auto failure, MakePipe());
  SSI_ASSIGN(auto go, MakePipe());
  pid_t pid = ::fork();
  if (pid < 0) {
    return FailErrno(errno, "fork");
  }
  if (pid == 0) {
    go.second.Reset();
    RunChild(arguments.data(), mask, go.first.get(), failure.second.get());
  }
  return Launch(pid, std::move(go.second), std::move(failure.first));
}

Result<int> Launch::Go(Trace trace) {
  if (trace == Trace::kFromExec) {
    SSI_TRY(Tracee(HostPid{pid_})
                .Seize(PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD |
                       PTRACE_O_TRACEEXEC));
  }
  char byte = 0;
  SSI_TRY(WriteAll(go_.get(), &byte, 1));
  int err = 0;
  // Ends at the exec, which closes the other end before a traced process stops.
  if (ReadAll(failure_.get(), &err, sizeof err)) {
    return err;
  }
  return 0;
}

}  // namespace ssi
