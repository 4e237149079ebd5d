#include "proto/frame_reader.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace ssi::proto {

namespace {

constexpr std::size_t kFirstCapacity = std::size_t{64} << 10;
// A whole TLS record, so that the session need not keep a part of one.
constexpr std::size_t kMinSpace = 16384;

}  // namespace

std::span<std::byte> FrameReader::Space() {
  if (begin_ == end_) {
    begin_ = end_ = 0;
  }
  std::size_t room = std::max(wanted_, end_ - begin_ + kMinSpace);
  if (begin_ + room > capacity_) {
    if (room > capacity_) {
      Grow(room);
    } else {
      std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
    }
    end_ -= begin_;
    begin_ = 0;
  }
  return {buffer_.get() + end_, capacity_ - end_};
}

void FrameReader::Filled(std::size_t size) {
  SSI_CHECK(size <= capacity_ - end_, "{} into {}", size, capacity_ - end_);
  end_ += size;
}

Result<bool> FrameReader::Next(FrameHeader& header,
                               std::span<const std::byte>& payload) {
  if (end_ - begin_ < kFrameHeaderSize) {
    wanted_ = 0;
    return false;
  }
  std::memcpy(&header, buffer_.get() + begin_, kFrameHeaderSize);
  if (header.length > kMaxFrame) {
    return Fail(ErrorCode::kProtocol, "a frame of {} bytes, over the limit",
                header.length);
  }
  wanted_ = kFrameHeaderSize + header.length;
  if (end_ - begin_ < wanted_) {
    return false;
  }
  payload = {buffer_.get() + begin_ + kFrameHeaderSize, header.length};
  begin_ += wanted_;
  wanted_ = 0;
  return true;
}

// Leaves the contents at the front; the caller moves begin_ and end_.
void FrameReader::Grow(std::size_t needed) {
  std::size_t larger = std::max({needed, kFirstCapacity, 2 * capacity_});
  auto buffer = std::make_unique_for_overwrite<std::byte[]>(larger);
  if (end_ != begin_) {
    std::memcpy(buffer.get(), buffer_.get() + begin_, end_ - begin_);
  }
  buffer_ = std::move(buffer);
  capacity_ = larger;
}

}  // namespace ssi::proto
