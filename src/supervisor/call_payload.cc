#include "supervisor/call_payload.h"

#include <algorithm>
#include <cstring>

namespace ssi::supervisor {

namespace {

constexpr std::size_t kRequestHead = offsetof(RequestHead, buffers);
constexpr std::size_t kReplyHead = offsetof(ReplyHead, buffers);

bool AreZero(std::span<const std::uint8_t> bytes) {
  return std::ranges::all_of(bytes, [](std::uint8_t b) { return b == 0; });
}

// Copies a head with as many entries as its count says. Nothing where the
// bytes are too short or the count too large.
template <typename Head>
Status ReadHead(std::span<const std::byte> bytes, std::size_t fixed,
                Head& head) {
  if (bytes.size() < fixed) {
    return Fail(ErrorCode::kProtocol, "a call of {} bytes", bytes.size());
  }
  std::memcpy(static_cast<void*>(&head), bytes.data(), fixed);
  if (head.buffer_count > kMaxBuffers || !AreZero(head.zero)) {
    return Fail(ErrorCode::kProtocol, "a call with {} buffers",
                head.buffer_count);
  }
  std::size_t entries = head.buffer_count * sizeof(BufferEntry);
  if (bytes.size() - fixed < entries) {
    return Fail(ErrorCode::kProtocol, "a call cut in its buffers");
  }
  // Copied as bytes: a direction that the enum does not have is still only a
  // number here.
  std::memcpy(head.buffers.data(), bytes.data() + fixed, entries);
  for (const BufferEntry& entry : head.Buffers()) {
    auto direction = static_cast<std::uint8_t>(entry.direction);
    if (entry.arg >= 6 || entry.part > 1 || entry.zero != 0 || direction < 1 ||
        direction > 3 || entry.length > kMaxWindow) {
      return Fail(ErrorCode::kProtocol, "a call with a buffer of {} bytes",
                  entry.length);
    }
  }
  return {};
}

template <typename Head>
std::span<const std::byte> WireOf(const Head& head, std::size_t fixed) {
  return std::as_bytes(std::span(&head, 1))
      .first(fixed + head.buffer_count * sizeof(BufferEntry));
}

}  // namespace

std::span<const std::byte> RequestHead::Wire() const {
  return WireOf(*this, kRequestHead);
}
std::span<const std::byte> ReplyHead::Wire() const {
  return WireOf(*this, kReplyHead);
}

std::span<std::byte> ByteBuffer::Append(std::size_t count) {
  if (capacity_ - size_ < count) {
    std::size_t capacity = std::max<std::size_t>(
        {capacity_ * 2, size_ + count, std::size_t{4096}});
    auto data = std::make_unique_for_overwrite<std::byte[]>(capacity);
    if (size_ > 0) {
      std::memcpy(data.get(), data_.get(), size_);
    }
    data_ = std::move(data);
    capacity_ = capacity;
  }
  std::span<std::byte> added(data_.get() + size_, count);
  size_ += count;
  return added;
}

void ByteBuffer::Append(std::span<const std::byte> bytes) {
  if (!bytes.empty()) {
    std::ranges::copy(bytes, Append(bytes.size()).begin());
  }
}

void Encode(const CallRequest& request, ByteBuffer& out) {
  out.Append(request.head.Wire());
  out.Append(request.data.bytes());
}

void Encode(const CallReply& reply, ByteBuffer& out) {
  out.Append(reply.head.Wire());
  for (std::size_t i = 0; i < reply.head.buffer_count; ++i) {
    out.Append(reply.parts[i]);
  }
}

Result<RequestView> DecodeRequest(std::span<const std::byte> bytes) {
  RequestView view;
  SSI_TRY(ReadHead(bytes, kRequestHead, view.head));
  std::size_t expected = 0;
  for (const BufferEntry& entry : view.head.Buffers()) {
    expected += GoesIn(entry.direction) ? entry.length : 0;
  }
  view.data = bytes.subspan(view.head.Wire().size());
  if (view.data.size() != expected) {
    return Fail(ErrorCode::kProtocol, "a call with {} bytes instead of {}",
                view.data.size(), expected);
  }
  return view;
}

Result<ReplyView> DecodeReply(std::span<const std::byte> bytes) {
  ReplyView view;
  SSI_TRY(ReadHead(bytes, kReplyHead, view.head));
  std::size_t expected = 0;
  for (const BufferEntry& entry : view.head.Buffers()) {
    expected += entry.length;
  }
  view.data = bytes.subspan(view.head.Wire().size());
  if (view.data.size() != expected) {
    return Fail(ErrorCode::kProtocol, "a reply with {} bytes instead of {}",
                view.data.size(), expected);
  }
  return view;
}

}  // namespace ssi::supervisor
