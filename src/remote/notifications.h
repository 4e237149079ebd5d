#ifndef SSI_REMOTE_NOTIFICATIONS_H_
#define SSI_REMOTE_NOTIFICATIONS_H_

#include <linux/seccomp.h>

#include <cstdint>
#include <optional>

#include "base/result.h"
#include "process/registers.h"

namespace ssi {

// A system call that waits for our answer.
struct Notification {
  std::uint64_t id = 0;
  HostPid thread{};
  int number = 0;
  CallArgs args{};
};

// The listener of a filter (seccomp_unotify(2)), as plain calls.
//
// Owner:   borrows the descriptor.
// Errors:  kGone where the caller died or its call was withdrawn.
class Notifications {
 public:
  explicit Notifications(int listener) : listener_(listener) {}

  // The next one; nothing if there is none.
  Result<std::optional<Notification>> Receive() const;
  // The caller gets `result`: a value or -errno, or one of the restart codes
  // when an interrupt or a signal is pending for it.
  Status Answer(std::uint64_t id, std::int64_t result) const;
  // The kernel executes the call as the caller made it.
  Status Continue(std::uint64_t id) const;
  // Puts a duplicate of `fd` into the caller's table, at number `at`.
  Status AddFd(std::uint64_t id, int fd, int at) const;

 private:
  int listener_;
};

}  // namespace ssi

#endif  // SSI_REMOTE_NOTIFICATIONS_H_
