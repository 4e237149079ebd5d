#ifndef SSI_NODE_PROBE_HELPER_H_
#define SSI_NODE_PROBE_HELPER_H_

#include <cstdint>
#include <functional>

#include "base/ids.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace ssi {

// A process that a probe makes to try something on.
//
// Owner:   the probe, on its stack; killed and reaped by the destructor. (What
//          a probe leaves behind goes with it all the same: check_child.h.)
class Helper {
 public:
  // Runs `body` in a child with one end of a socket that keeps message
  // borders; what it returns is the exit code.
  static Result<Helper> Start(const std::function<int(int socket)>& body);
  // One that only sleeps.
  static Result<Helper> StartIdle();
  Helper(Helper&& other) noexcept;
  Helper& operator=(Helper&&) = delete;
  Helper(const Helper&) = delete;
  Helper& operator=(const Helper&) = delete;
  ~Helper();

  [[nodiscard]] HostPid pid() const { return HostPid{pid_}; }
  // Our end of the socket.
  [[nodiscard]] int socket() const { return socket_.get(); }
  // Waits for its end, which reaps it. An Error where a signal killed it.
  Result<int> ExitCode();

 private:
  Helper(pid_t pid, UniqueFd socket) : pid_(pid), socket_(std::move(socket)) {}

  pid_t pid_;  // -1 once reaped
  UniqueFd socket_;
};

// What a helper's call gives only if we answered it.
constexpr int kToken = 4711;

// A number through the socket of a helper.
Status SendNumber(int socket, std::int64_t number);
// kGone where the other end is gone.
Result<std::int64_t> ReceiveNumber(int socket);

}  // namespace ssi

#endif  // SSI_NODE_PROBE_HELPER_H_
