#ifndef SSI_REMOTE_WATCHDOG_H_
#define SSI_REMOTE_WATCHDOG_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

#include "base/result.h"
#include "base/unique_fd.h"

namespace ssi {

// A process of its own that kills the sandboxes of its guest supervisor when
// nothing has been heard from home for too long, or when the guest supervisor
// is gone: so that no guest outlives its home, whatever state its supervisor
// is in.
//
// Owner:      the guest supervisor, one.
// Threads:    the loop's; Heard from any.
// Invariants: it hears of received frames through one shared word, the
//             BOOTTIME of the last one, and holds a pidfd of each sandbox's
//             init. It never touches anything else.
class Watchdog {
 public:
  static Result<std::unique_ptr<Watchdog>> Start(
      std::chrono::nanoseconds limit);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  Watchdog(Watchdog&&) = delete;
  Watchdog& operator=(Watchdog&&) = delete;

  // Something of home arrived at that time (BOOTTIME).
  void Heard(std::chrono::nanoseconds at);
  // A sandbox to kill in the case.
  Status Guard(const UniqueFd& init_pid_fd);
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  Watchdog(UniqueFd socket, std::atomic<std::int64_t>* heard)
      : socket_(std::move(socket)), heard_(heard) {}

  UniqueFd socket_;
  std::atomic<std::int64_t>* heard_;  // shared page
  pid_t pid_ = -1;
};

}  // namespace ssi

#endif  // SSI_REMOTE_WATCHDOG_H_
