#ifndef SSI_DEPUTY_LAUNCH_H_
#define SSI_DEPUTY_LAUNCH_H_

#include <signal.h>
#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "process/tracee.h"

namespace ssi {

// kCalls: it and all its descendants, with the explain filter.
enum class Trace : std::uint8_t { kNo, kFromExec, kCalls };

// CMD as a child of this process, with everything as ssirun found it:
// descriptors, signal mask and dispositions, process group.
//
// Owner: the home supervisor's main.
class Launch {
 public:
  // Forks; the child waits for Go. `mask`: of ssirun's caller.
  static Result<Launch> Fork(const std::vector<std::string>& command,
                             const sigset_t& mask, Trace trace);
  [[nodiscard]] pid_t pid() const { return pid_; }
  // The descriptors that it needs until Go has returned.
  [[nodiscard]] std::vector<int> descriptors() const {
    return {go_.get(), failure_.get()};
  }
  struct Outcome {
    int exec_error = 0;    // why it could not be executed, or 0
    int filter_error = 0;  // why it could not get its filter, or 0
    bool at_exec = false;  // traced, and in its PTRACE_EVENT_EXEC stop
  };
  // Hears of stops before the exec: the signal, or 0 when it goes on.
  using OnState = std::function<void(int signal)>;
  // Lets it execute, and waits until it has. Unless kNo it is seized before.
  // Where it was not executed it has ended, or was killed; it is still
  // to be reaped. kGone when `front`, the parent, is gone. Needs SIGCHLD
  // blocked.
  Result<Outcome> Go(pid_t front, const OnState& on_state);

 private:
  Result<bool> LeadToExec(const Tracee& tracee, pid_t front,
                          const OnState& on_state);
  [[nodiscard]] Status AwaitExec(pid_t front, const OnState& on_state) const;

  Launch(pid_t pid, Trace trace, UniqueFd go, UniqueFd failure)
      : pid_(pid),
        trace_(trace),
        go_(std::move(go)),
        failure_(std::move(failure)) {}

  pid_t pid_;
  Trace trace_;
  UniqueFd go_;
  UniqueFd failure_;
};

}  // namespace ssi

#endif  // SSI_DEPUTY_LAUNCH_H_
