#include "proto/ledger.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace ssi::proto {

namespace {

constexpr std::size_t kFirstKept = std::size_t{64} << 10;
// Memory beyond this is given back when nothing is kept.
constexpr std::size_t kKeepCapacity = std::size_t{4} << 20;

FrameHeader HeaderAt(const std::byte* frame) {
  FrameHeader header;
  std::memcpy(&header, frame, sizeof header);
  return header;
}

std::size_t SizeOf(const FrameHeader& header) {
  return kFrameHeaderSize + header.length;
}

}  // namespace

// ---- the connection ---------------------------------------------------------

void Ledger::Attach() {
  attached_ = true;
  resumed_ = false;
  // The peer has all that was sent: what comes now is what it waits for.
  holding_ = kept_bytes() != 0;
  untold_ = 0;  // Opening tells
}

void Ledger::Detach() {
  attached_ = false;
}

FrameHeader Ledger::Opening() const {
  FrameHeader header;
  header.type = FrameType::kResume;
  header.id = sent_;
  header.acknowledged = received_;
  return header;
}

// ---- sending ----------------------------------------------------------------

std::span<const std::byte> Ledger::Add(
    FrameType type, std::uint16_t flags, std::uint64_t id,
    std::initializer_list<std::span<const std::byte>> parts) {
  std::size_t length = 0;
  for (auto part : parts) {
    length += part.size();
  }
  SSI_CHECK(length <= kMaxFrame, "a frame of {} bytes", length);
  const FrameHeader header{
      static_cast<std::uint32_t>(length), type, flags, id, ++sent_, received_};
  std::byte* frame = Room(SizeOf(header));
  std::memcpy(frame, &header, sizeof header);
  std::byte* to = frame + sizeof header;
  for (auto part : parts) {
    to = std::ranges::copy(part, to).out;
  }
  end_ += SizeOf(header);
  if (!attached_ || holding_) {
    return {};
  }
  untold_ = 0;
  return {frame, SizeOf(header)};
}

std::span<const std::byte> Ledger::Again() {
  if (!std::exchange(again_, false)) {
    return {};
  }
  for (std::size_t at = begin_; at < end_;) {
    FrameHeader header = HeaderAt(kept_.get() + at);
    header.acknowledged = received_;
    std::memcpy(kept_.get() + at, &header, sizeof header);
    at += SizeOf(header);
  }
  return {kept_.get() + begin_, end_ - begin_};
}

// Where `size` more bytes go.
std::byte* Ledger::Room(std::size_t size) {
  if (end_ + size > capacity_) {
    const std::size_t kept = end_ - begin_;
    // Moved to the front only where that frees half: else each frame of many
    // would move them all.
    if (kept + size > capacity_ / 2) {
      capacity_ = std::max({2 * capacity_, kept + size, kFirstKept});
      auto larger = std::make_unique_for_overwrite<std::byte[]>(capacity_);
      std::copy_n(kept_.get() + begin_, kept, larger.get());
      kept_ = std::move(larger);
    } else {
      std::memmove(kept_.get(), kept_.get() + begin_, kept);
    }
    begin_ = 0;
    end_ = kept;
  }
  return kept_.get() + end_;
}

// ---- receiving --------------------------------------------------------------

Result<Ledger::Take> Ledger::OnFrame(const FrameHeader& header) {
  if (header.type == FrameType::kResume) {
    SSI_TRY(TakeResume(header));
    return Take::kSendAgain;
  }
  if (!attached_ || !resumed_) {
    return Fail(ErrorCode::kProtocol, "a connection that begins with frame {}",
                static_cast<unsigned>(header.type));
  }
  SSI_TRY(TakeAcknowledged(header.acknowledged));
  const bool numbered = header.type != FrameType::kHeartbeat;
  if (numbered ? header.number == 0 || header.number > received_ + 1
               : header.number != 0) {
    return Fail(ErrorCode::kProtocol,
                "a frame of type {} has number {} after {}",
                static_cast<unsigned>(header.type), header.number, received_);
  }
  if (!numbered || header.number <= received_) {
    return Take::kDrop;
  }
  if (kept_bytes() > limits_.most) {
    return Fail(ErrorCode::kProtocol, "{} bytes are not acknowledged",
                kept_bytes());
  }
  received_ = header.number;
  untold_ += SizeOf(header);
  return Take::kDeliver;
}

Status Ledger::TakeResume(const FrameHeader& header) {
  if (!attached_ || resumed_) {
    return Fail(ErrorCode::kProtocol, "a connection is resumed twice");
  }
  if (header.length != 0 || header.number != 0 || header.id < received_) {
    return Fail(ErrorCode::kProtocol,
                "resumed after frame {}, and frame {} has come", header.id,
                received_);
  }
  SSI_TRY(TakeAcknowledged(header.acknowledged));
  resumed_ = true;
  // Where nothing was held, what is kept now was sent on this connection.
  again_ = std::exchange(holding_, false);
  return {};
}

Status Ledger::TakeAcknowledged(std::uint64_t number) {
  if (number < acknowledged_ || number > sent_) {
    return Fail(ErrorCode::kProtocol,
                "frame {} is acknowledged, of {} to {} that can be", number,
                acknowledged_, sent_);
  }
  for (; acknowledged_ < number; ++acknowledged_) {
    begin_ += SizeOf(HeaderAt(kept_.get() + begin_));
  }
  if (begin_ == end_) {
    begin_ = end_ = 0;
    if (capacity_ > kKeepCapacity) {
      kept_.reset();
      capacity_ = 0;
    }
  }
  return {};
}

bool Ledger::OwesWord() {
  if (untold_ < limits_.tell_after) {
    return false;
  }
  untold_ = 0;
  return true;
}

}  // namespace ssi::proto
