#ifndef SSI_DEPUTY_LAUNCH_H_
#define SSI_DEPUTY_LAUNCH_H_

#include <signal.h>
#include <sys/types.h>

#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace ssi {

enum class Trace : std::uint8_t { kNo, kFromExec };

// CMD as a child of this process, with everything as ssirun found it:
// descriptors, signal mask and dispositions, process group.
//
// Owner: the home supervisor's main.
class Launch {
 public:
  // Forks; the child waits for Go. `mask`: of ssirun's caller.
  static Result<Launch> Fork(const std::vector<std::string>& command,
                             const sigset_t& mask);
  [[nodiscard]] pid_t pid() const { return pid_; }
  // The descriptors that it needs until Go has returned.
  [[nodiscard]] std::vector<int> descriptors() const {
    return {go_.get(), failure_.get()};
  }
  // Lets it execute. With kFromExec it is seized, and stops at its
  // PTRACE_EVENT_EXEC, which is still to be waited for. The errno why it could
  // not be executed, or 0; the child has ended then.
  Result<int> Go(Trace trace);

 private:
  Launch(pid_t pid, UniqueFd go, UniqueFd failure)
      : pid_(pid), go_(std::move(go)), failure_(std::move(failure)) {}

  pid_t pid_;
  UniqueFd go_;
  UniqueFd failure_;
};

}  // namespace ssi

#endif  // SSI_DEPUTY_LAUNCH_H_
