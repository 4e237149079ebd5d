#ifndef SSI_REMOTE_SANDBOX_H_
#define SSI_REMOTE_SANDBOX_H_

#include <chrono>
#include <cstdint>
#include <span>
#include <string>

#include "base/ids.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "base/unix_socket.h"
#include "process/agent_site.h"
#include "process/image.h"
#include "remote/sandbox_protocol.h"

namespace ssi {

// How far the sandbox's clocks are from those of the machine's first time
// namespace: what is written to timens_offsets(5).
struct ClockOffsets {
  std::chrono::nanoseconds monotonic{};
  std::chrono::nanoseconds boot{};
};
// The offsets of this process's own time namespace.
Result<ClockOffsets> OwnClockOffsets();

// A process in the sandbox that runs nothing but the agent yet.
struct SpawnedProcess {
  HostPid pid{};
  UniqueFd pid_fd;
  AgentSite site;
  UniqueFd file_socket;  // our end; its end is kFileSocket there
};

// Namespaces of its own for user, pid, mount, network, ipc, uts and time, with
// an empty root and an init. What runs inside sees no file, no address, no
// process and no name of this node.
//
// Owner:      a guest supervisor; one for each hop.
// Threads:    the tracer's (init gets its death signal when that one ends).
// Invariants: when this object or this process ends, so does all inside.
// Errors:     kUnsupported or kDenied where the kernel or its administrator
//             does not let users have namespaces; the text says which.
class Sandbox {
 public:
  static Result<Sandbox> Make();
  Sandbox(Sandbox&&) = default;
  Sandbox& operator=(Sandbox&&) = delete;
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;
  ~Sandbox();

  // Before the first Spawn only (the kernel's rule).
  Status SetClockOffsets(const ClockOffsets& offsets);
  // Makes a process whose pid inside is `pid`, with its agent at `code`. It is
  // not traced yet.
  Result<SpawnedProcess> Spawn(HomePid pid, RemoteAddr code);
  // Gives init a duplicate of a seccomp listener to hold (sandbox_protocol.h).
  Status Hold(const UniqueFd& listener);

  [[nodiscard]] HostPid init_pid() const { return init_pid_; }
  [[nodiscard]] const UniqueFd& init_pid_fd() const { return init_pid_fd_; }
  // Kills everything inside. The caller must have reaped what it traced there,
  // or the kernel keeps init until then.
  void Kill();

 private:
  Sandbox(HostPid init_pid, UniqueFd init_pid_fd, UniqueFd socket)
      : init_pid_(init_pid),
        init_pid_fd_(std::move(init_pid_fd)),
        socket_(std::move(socket)) {}

  Result<ReceivedMessage> Ask(const InitRequest& request,
                              std::span<const int> fds,
                              const std::string& what);

  HostPid init_pid_;
  UniqueFd init_pid_fd_;
  UniqueFd socket_;
};

// Sends a descriptor to a process in a sandbox through its file socket; the
// process takes it with a recvmsg of its own.
Status SendFile(const UniqueFd& file_socket, const UniqueFd& file);

}  // namespace ssi

#endif  // SSI_REMOTE_SANDBOX_H_
