// The Wire of a Channel: a non-blocking socket and a queue for what it does
// not take at once.
#ifndef SSI_PROTO_QUEUED_WIRE_H_
#define SSI_PROTO_QUEUED_WIRE_H_

#include <vector>

#include "base/unique_fd.h"
#include "proto/wire_bio.h"

namespace ssi::proto {

class QueuedWire final : public Wire {
 public:
  explicit QueuedWire(UniqueFd socket) : socket_(std::move(socket)) {}

  std::size_t Receive(std::span<std::byte> into) override;
  bool Transmit(std::span<const std::byte> bytes) override;
  // TCP then waits for the next record to fill its segments (MSG_MORE).
  void MoreFollows(bool on) override { more_ = on; }
  [[nodiscard]] const std::optional<Error>& failure() const override {
    return failure_;
  }

  // Forgets that the socket was empty. After a short read Receive does not ask
  // the kernel again until this is called.
  void ExpectBytes() { drained_ = false; }
  // Sends what waits, as far as the socket takes it.
  void Flush();
  void Close() { socket_.Reset(); }

  [[nodiscard]] int fd() const { return socket_.get(); }
  [[nodiscard]] std::size_t queued() const { return queue_.size() - sent_; }

 private:
  std::size_t SendSome(std::span<const std::byte> bytes);

  UniqueFd socket_;
  bool drained_ = false;
  bool more_ = false;
  std::vector<std::byte> queue_;  // records; the first sent_ bytes are gone
  std::size_t sent_ = 0;
  std::optional<Error> failure_;
};

}  // namespace ssi::proto

#endif  // SSI_PROTO_QUEUED_WIRE_H_
