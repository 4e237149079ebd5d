// The Wire of a BulkStream: waits in the calling thread.
#ifndef SSI_PROTO_BLOCKING_WIRE_H_
#define SSI_PROTO_BLOCKING_WIRE_H_

#include <atomic>
#include <chrono>
#include <memory>

#include "base/unique_fd.h"
#include "proto/wire_bio.h"

namespace ssi::proto {

// Threads: one at a time; Interrupt() from any.
class BlockingWire final : public Wire {
 public:
  // The socket is non-blocking: waiting is done by poll(2), which can have a
  // time limit for several calls together.
  explicit BlockingWire(UniqueFd socket);

  // 0 only with failure(). What was gathered leaves first.
  std::size_t Receive(std::span<std::byte> into) override;
  // Gathers records; they leave when there are enough, or with Flush().
  bool Transmit(std::span<const std::byte> bytes) override;
  void MoreFollows(bool /*on*/) override {}  // gathers anyway
  [[nodiscard]] const std::optional<Error>& failure() const override {
    return failure_;
  }
  bool Flush();

  using Clock = std::chrono::steady_clock;
  // From now on, waiting ends at `deadline` with kGone.
  void SetDeadline(std::optional<Clock::time_point> deadline) {
    deadline_ = deadline;
  }
  // Every present and future call fails with kGone.
  void Interrupt();

 private:
  bool WaitFor(short events);
  void Break(int err);

  UniqueFd socket_;
  std::optional<Clock::time_point> deadline_;
  std::atomic<bool> interrupted_ = false;
  std::unique_ptr<std::byte[]> gathered_;
  std::size_t gathered_size_ = 0;
  std::optional<Error> failure_;
};

}  // namespace ssi::proto

#endif  // SSI_PROTO_BLOCKING_WIRE_H_
