#ifndef SSI_REMOTE_BODY_H_
#define SSI_REMOTE_BODY_H_

#include <linux/filter.h>
#include <linux/sched.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "process/agent_site.h"
#include "process/image.h"
#include "process/page_scan.h"
#include "process/rebuild.h"
#include "process/tracee.h"
#include "remote/carried_vdso.h"
#include "remote/guest_thread.h"
#include "remote/sandbox.h"

namespace ssi {

// Which file of this node has the bytes of a mapped home file.
using LocalFile = std::function<Result<const UniqueFd*>(std::uint32_t id)>;

// The process that a user context computes in while it is away: built in a
// sandbox from an image, filtered, traced, and captured again.
//
//   Build -> (contents) -> Finish -> Start -> ... stopped ... -> Capture
//
// Owner:      the remote (remote.h).
// Threads:    the tracer's; contents may be written by the bulk thread between
//             Build and Finish.
// Invariants: traced with EXITKILL from Build on. After Finish it has no open
//             file, every call goes through the filter, and of capabilities it
//             has only the one to choose the number of a new thread, in its own
//             sandbox (CAP_CHECKPOINT_RESTORE).
class Body {
 public:
  // Two pages of ours: the agent's code, whose `syscall` serves injected calls
  // later, and a page for what they point to.
  static constexpr std::uint64_t kOwnSize = 2 * kPageSize;

  static Result<Body> Build(Sandbox& sandbox, const CapturedProcess& incoming,
                            const LocalFile& local_file);
  Body(Body&&) = default;
  Body& operator=(Body&&) = delete;
  Body(const Body&) = delete;
  Body& operator=(const Body&) = delete;
  // Kills and reaps it: a traced process must be reaped before the init of its
  // sandbox can be, or the kernel keeps init until then.
  ~Body();

  [[nodiscard]] const Tracee& tracee() const { return tracee_; }
  [[nodiscard]] HostPid pid() const { return tracee_.pid(); }
  // Of its threads one that has not exited: all of it can be looked at there.
  [[nodiscard]] HostPid living() const {
    return leader_exited_ && !threads_.empty() ? threads_.begin()->second
                                               : pid();
  }
  [[nodiscard]] bool leader_exited() const { return leader_exited_; }
  // The thread whose number at home is `tid`.
  [[nodiscard]] std::optional<HostPid> Find(HomePid tid) const;
  [[nodiscard]] const UniqueFd& pid_fd() const { return pid_fd_; }
  [[nodiscard]] RemoteAddr own_page() const { return own_page_; }
  [[nodiscard]] const UniqueFd& listener() const { return listener_; }
  // What signals do to a call that waits at the listener. Valid after Finish.
  [[nodiscard]] GuestThread::Wait wait() const { return wait_; }

  // After the contents: protections, states, limits, and last the filter. The
  // process is stopped then.
  Status Finish(Sandbox& sandbox, std::span<const sock_filter> filter);
  // Sets registers and masks; Continue of each thread makes it run.
  Status Start();

  // Of a process whose threads are all stopped in the signal path. `followed`:
  // what the caller knows of its image by having followed its calls (actions,
  // states, files); areas, layout, registers and contents are read here.
  Result<CapturedProcess> Capture(ProcessImage followed);
  // After Capture, successful or not: it goes on here. Its threads are stopped
  // still.
  void Stay();

  // In the seccomp stop of a call that makes a thread, with all signals to be
  // blocked by the caller's doing afterwards as they were: the call is made as
  // a clone3 with number `tid`. The caller and the new thread, which is stopped
  // too, are about to return from it. kProtocol where something else came of
  // it: the program has changed our page in that moment.
  Result<HostPid> CloneThread(const Tracee& tracee, const Registers& before,
                              const std::optional<clone_args>& args,
                              HomePid tid);
  // A thread has ended; the first one stays a zombie.
  void Forget(HomePid tid);

  // Home's vdso in it. Valid after Build.
  [[nodiscard]] const CarriedVdso& vdso() const { return *vdso_; }

  // Executes one system call in a stopped thread, from our own page.
  Result<std::int64_t> Inject(const Tracee& tracee, std::uint64_t number,
                              const CallArgs& args,
                              std::span<const std::byte> in = {},
                              std::span<std::byte> out = {});
  // Where `in` and `out` of Inject are.
  [[nodiscard]] RemoteAddr own_space() const { return own_page_ + kPageSize; }

  // After the process has mapped a home file while it was away: which area
  // belongs to which home file is told by what maps shows for it here.
  Status LearnFile(std::uint64_t address, std::uint32_t file);
  // The id of the home file that an area here is a mapping of.
  [[nodiscard]] std::optional<std::uint32_t> FileOf(const Vma& vma) const;

 private:
  Body(Tracee tracee, UniqueFd pid_fd, RemoteAddr own_page)
      : tracee_(tracee), pid_fd_(std::move(pid_fd)), own_page_(own_page) {}
  Status MapContents(const LocalFile& local_file, const UniqueFd& file_socket);
  Result<int> TakeFile(CallRunner& runner, const UniqueFd& file_socket,
                       const UniqueFd& file);
  Status DropPrivileges(CallRunner& runner);
  Status MakeThreads(Injector& injector);
  Status RestoreThreadStates(const Tracee& tracee, RemoteAddr instruction,
                             const ThreadImage& thread);
  Status InstallFilter(Sandbox& sandbox, InjectingRunner& runner,
                       std::span<const sock_filter> filter);
  Status LeaveAgent(Injector& injector);
  Status EndLeader();
  Result<std::int64_t> MakeClone(const Tracee& tracee, const Registers& before,
                                 HostPid& made);
  Status LeaveVdso(const Tracee& tracee, const std::vector<Vma>& vmas);
  Status CaptureThreads(const std::vector<Vma>& vmas, ProcessImage& image);
  Status CaptureAreas(const std::vector<Vma>& vmas, CapturedProcess& captured);
  [[nodiscard]] std::vector<MemoryRun> NotOfProgram() const;
  Status CaptureArea(const Vma& vma, const PageScanner& scanner,
                     ProcessImage& image, ScannedPages& pages) const;
  Status LearnFiles();
  Status LearnFileAt(const std::vector<Vma>& now, std::uint64_t address,
                     std::uint32_t file);
  Result<RemoteAddr> OwnSyscall() const;

  // What maps shows for a local file, to the id of the home file.
  struct LocalIdentity {
    std::uint32_t major;
    std::uint32_t minor;
    std::uint64_t inode;
    auto operator<=>(const LocalIdentity&) const = default;
  };

  Tracee tracee_;
  UniqueFd pid_fd_;
  RemoteAddr own_page_;
  UniqueFd listener_;
  GuestThread::Wait wait_ = GuestThread::Wait::kKillable;
  std::optional<CarriedVdso> vdso_;   // from Build on
  std::vector<HostPid> out_of_vdso_;  // threads that Capture has taken out
  bool leader_exited_ = false;
  std::map<HomePid, HostPid> threads_;  // but the first one
  std::optional<AgentSite> site_;       // until it leaves the agent
  CapturedProcess incoming_;
  std::map<LocalIdentity, std::uint32_t> files_;
};

}  // namespace ssi

#endif  // SSI_REMOTE_BODY_H_
