#ifndef SSI_PROCESS_AGENT_SITE_H_
#define SSI_PROCESS_AGENT_SITE_H_

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "process/agent_window.h"
#include "process/injector.h"
#include "process/tracee.h"
#include "process/vmas.h"

namespace ssi {

// Where the agent of a process is: a page of code, and behind it the window.
constexpr std::uint64_t kAgentCodeSize = kPageSize;
constexpr std::uint64_t kAgentSiteSize = kAgentCodeSize + kWindowSize;

// Addresses that the kernel's mmap, the usual allocators, Go's arenas and the
// sanitizers' shadows leave alone. The site is looked for from the first on.
constexpr std::uint64_t kSiteFrom = 0x3000'0000'0000;   // 48 TiB
constexpr std::uint64_t kSiteLimit = 0x5000'0000'0000;  // 80 TiB

// Plants an agent into a stopped process and starts it. When this returns, the
// process runs in the agent with all its signals blocked; its registers and
// mask are in `injector`. An error leaves it stopped, without agent.
Result<AgentWindow> PlantAgent(const Tracee& tracee, Injector& injector,
                               const std::vector<Vma>& vmas);

// Stops a process that runs in its agent: it is in an interrupt stop
// afterwards. `stop_pending` is set if a SIGSTOP came meanwhile.
Status StopAgent(const Tracee& tracee, bool& stop_pending);

// Unmaps code and window of the agent at `window` in a stopped process, by
// calls at `syscall_instruction`, which must lie elsewhere.
Status UnmapAgent(Injector& injector, RemoteAddr window);

// The address of the agent's code that goes with a window.
constexpr RemoteAddr AgentCodeAt(RemoteAddr window) {
  return RemoteAddr{Raw(window) - kAgentCodeSize};
}

}  // namespace ssi

#endif  // SSI_PROCESS_AGENT_SITE_H_
