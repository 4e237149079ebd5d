// Processes of a job as /proc shows them.
#ifndef SSI_DEPUTY_PROCESSES_H_
#define SSI_DEPUTY_PROCESSES_H_

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace ssi {

// Empty where the process is gone.
std::vector<pid_t> ChildrenOf(pid_t pid);
// Its command line in one line of bounded length; its name where it has none.
std::string CommandOf(pid_t pid);
// A child of ours that has ended and waits to be reaped.
std::optional<pid_t> EndedChild();

}  // namespace ssi

#endif  // SSI_DEPUTY_PROCESSES_H_
