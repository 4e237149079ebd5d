#ifndef SSI_PROCESS_AGENT_SITE_H_
#define SSI_PROCESS_AGENT_SITE_H_

#include <atomic>
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "process/agent_window.h"
#include "process/injector.h"
#include "process/tracee.h"
#include "process/vmas.h"

namespace ssi {

// Where the agent of a process is: a page of code, and behind it windows.
constexpr std::uint64_t kAgentCodeSize = kPageSize;
constexpr std::uint64_t SiteSize(std::size_t windows) {
  return kAgentCodeSize + windows * kWindowSize;
}

// Addresses that the kernel's mmap, the usual allocators, Go's arenas and the
// sanitizers' shadows leave alone. The site is looked for from the first on.
constexpr std::uint64_t kSiteFrom = 0x3000'0000'0000;   // 48 TiB
constexpr std::uint64_t kSiteLimit = 0x5000'0000'0000;  // 80 TiB

// Code and windows in a process, and our end of the windows.
//
// Owner:      whoever planted it, or built the process with it.
// Threads:    the tracer's.
// Invariants: the windows stay mapped here, and where they are, as long as this
//             lives. Untouched ones cost address space only.
class AgentSite {
 public:
  // `memory`: a memfd of windows * kWindowSize, which the process has mapped
  // behind the code at `code`.
  static Result<AgentSite> Map(const UniqueFd& memory, RemoteAddr code,
                               std::size_t windows);
  AgentSite(AgentSite&& other) noexcept;
  AgentSite& operator=(AgentSite&& other) noexcept;
  AgentSite(const AgentSite&) = delete;
  AgentSite& operator=(const AgentSite&) = delete;
  ~AgentSite();

  [[nodiscard]] RemoteAddr code() const { return code_; }
  [[nodiscard]] std::uint64_t size() const { return SiteSize(windows_.size()); }
  [[nodiscard]] std::size_t windows() const { return windows_.size(); }
  [[nodiscard]] AgentWindow& window(std::size_t i) { return windows_.at(i); }
  [[nodiscard]] std::atomic<std::uint32_t>& alarm_word() const {
    return AgentWindow::AlarmOf(base_);
  }
  // The process has moved all of it.
  void MoveTo(RemoteAddr code);

 private:
  AgentSite(std::byte* base, RemoteAddr code, std::size_t windows);
  [[nodiscard]] RemoteAddr AlarmAt() const;

  std::byte* base_ = nullptr;
  RemoteAddr code_{};
  std::vector<AgentWindow> windows_;
};

// Plants a site into a process, by calls of a stopped thread; nothing runs in
// it yet. An error leaves the process without it.
Result<AgentSite> PlantSite(const Tracee& tracee, Injector& injector,
                            const std::vector<Vma>& vmas, std::size_t windows);

// Lets a stopped thread run in the agent, with the signal mask that it has.
// `registers`: its own, of which the rest stays.
Status StartAgent(const Tracee& tracee, const Registers& registers,
                  const AgentSite& site, const AgentWindow& window);

// Stops a thread that runs in its agent: it is in an interrupt stop afterwards.
// `stop_pending` is set if a SIGSTOP came meanwhile. In two halves for many
// threads, which stop side by side: Tracee::Interrupt, then AwaitAgentStop.
Status StopAgent(const Tracee& tracee, bool& stop_pending);
Status AwaitAgentStop(const Tracee& tracee, bool& stop_pending);

// Unmaps a site, by calls at the injector's instruction, which must lie
// elsewhere.
Status UnmapSite(Injector& injector, const AgentSite& site);

}  // namespace ssi

#endif  // SSI_PROCESS_AGENT_SITE_H_
