#include "proto/queued_wire.h"

#include <sys/socket.h>

#include <cerrno>

#include "proto/socket.h"

namespace ssi::proto {

namespace {

// A queue that grew beyond this is given back when it is empty.
constexpr std::size_t kKeepQueue = std::size_t{1} << 20;
// What is sent is cut off the queue's front in steps of at least this.
constexpr std::size_t kCompactAt = std::size_t{1} << 20;

}  // namespace

std::size_t QueuedWire::Receive(std::span<std::byte> into) {
  if (drained_) {
    return 0;
  }
  ssize_t n = ReceiveNow(socket_.get(), into.data(), into.size());
  if (n > 0) {
    drained_ = static_cast<std::size_t>(n) < into.size();
    return static_cast<std::size_t>(n);
  }
  drained_ = true;
  if (n == 0) {
    failure_ = EndOfStream();
  } else if (errno != EAGAIN) {
    failure_ = ConnectionError(errno, "the connection broke");
  }
  return 0;
}

bool QueuedWire::Transmit(std::span<const std::byte> bytes) {
  if (queued() == 0) {
    bytes = bytes.subspan(SendSome(bytes));
  }
  if (failure_) {
    return false;
  }
  queue_.insert(queue_.end(), bytes.begin(), bytes.end());
  return true;
}

void QueuedWire::Flush() {
  while (queued() > 0) {
    std::size_t n = SendSome(std::span(queue_).subspan(sent_));
    if (n == 0) {
      break;
    }
    sent_ += n;
  }
  if (queued() == 0) {
    queue_.clear();
    sent_ = 0;
    if (queue_.capacity() > kKeepQueue) {
      queue_.shrink_to_fit();
    }
  } else if (sent_ >= kCompactAt && sent_ >= queue_.size() / 2) {
    queue_.erase(queue_.begin(),
                 queue_.begin() + static_cast<std::ptrdiff_t>(sent_));
    sent_ = 0;
  }
}

// 0 when the socket is full or the connection broke.
std::size_t QueuedWire::SendSome(std::span<const std::byte> bytes) {
  ssize_t n =
      SendNow(socket_.get(), bytes.data(), bytes.size(), more_ ? MSG_MORE : 0);
  if (n >= 0) {
    return static_cast<std::size_t>(n);
  }
  if (errno != EAGAIN && !failure_) {
    failure_ = ConnectionError(errno, "the connection broke");
  }
  return 0;
}

}  // namespace ssi::proto
