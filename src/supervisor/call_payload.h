// What a forwarded call and its answer are on the wire: a fixed head and the
// buffers' bytes, nothing else. The frame around it (length, id, thread) is
// the channel's.
//
// Request, little-endian, no padding beyond what is shown:
//
//     0  u32 nr
//     4  u8  number of buffers (0-8)
//     5  u8  [3] 0
//     8  u64 [6] arguments: numbers as the caller gave them; for a pointer
//            0 (NULL), a bad pointer, or kInBuffer where a buffer below belongs
//            to it
//    56  per buffer: u8 argument, u8 part, u8 direction, u8 0, u32 length
//        then the bytes of the buffers that go in, in the same order
//
// Reply:
//
//     0  i64 result: a value, or -errno
//     8  u8  number of buffers (0-8)
//     9  u8  flags
//    10  u8  [6] 0
//    16  per buffer as above, length = the bytes that come back
//        then these bytes, in the same order
//
// An argument has at most two parts: 0 is what it points to, 1 is what pselect6
// has a pointer to inside that. Lengths are not believed: the home side
// computes each from the table and refuses another one.
#ifndef SSI_SUPERVISOR_CALL_PAYLOAD_H_
#define SSI_SUPERVISOR_CALL_PAYLOAD_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "supervisor/arg.h"
#include "supervisor/guest_memory.h"
#include "supervisor/pieces.h"

namespace ssi::supervisor {

struct CallRow;

// Raised by every change of the bytes above or of the table that makes the
// two sides disagree about a buffer.
inline constexpr std::uint32_t kPayloadVersion = 2;

// "The caller's pointer was bad", so that home's kernel decides which error
// comes first (EBADF before EFAULT). Two of them, as the kernel has two stages:
// access_ok refuses what is not in user space before anything else is looked
// at, while what is merely not mapped is found when the bytes are copied.
//
// The first is in the kernel's half: with the sign bit clear, a non-canonical
// one would be a #GP that the kernel may warn about. The second lies below
// mmap_min_addr, where nothing of a stand-in is ever mapped.
inline constexpr std::uint64_t kPoison = 0xdead'0000'0000'0000;
inline constexpr std::uint64_t kUnmapped = 0x1000;
constexpr bool IsBadPointer(std::uint64_t value) {
  return value == kPoison || value == kUnmapped;
}
// The iovecs are good and the bytes behind them are not there: home makes one
// iovec of kUnmapped, with the length from the count's place.
inline constexpr std::uint64_t kBadVector = 2;
inline constexpr std::uint64_t kInBuffer = 1;

inline constexpr std::size_t kMaxBuffers = 8;
// No call needs a larger window than this (kMaxCallData, in pieces.h, and a
// page for what comes with it).
inline constexpr std::size_t kMaxWindow = std::size_t{1} << 20;

struct BufferEntry {
  std::uint8_t arg = 0;
  std::uint8_t part = 0;
  Direction direction = Direction::kIn;
  std::uint8_t zero = 0;
  std::uint32_t length = 0;
  friend bool operator==(const BufferEntry&, const BufferEntry&) = default;
};
static_assert(sizeof(BufferEntry) == 8);

struct RequestHead {
  std::uint32_t nr = 0;
  std::uint8_t buffer_count = 0;
  std::array<std::uint8_t, 3> zero{};
  CallArgs args{};
  std::array<BufferEntry, kMaxBuffers> buffers{};

  [[nodiscard]] std::span<const BufferEntry> Buffers() const {
    return std::span(buffers).first(buffer_count);
  }
  // The bytes that are sent: the entries that are not used are left out.
  [[nodiscard]] std::span<const std::byte> Wire() const;
};
static_assert(sizeof(RequestHead) == 56 + kMaxBuffers * 8);

enum ReplyFlags : std::uint8_t {
  kNoReplyFlags = 0,
  // The call's descriptor is a regular file or block device: a full piece of a
  // read is followed by the next one.
  kRegularFile = 1,
};

struct ReplyHead {
  std::int64_t result = 0;
  std::uint8_t buffer_count = 0;
  std::uint8_t flags = 0;
  std::array<std::uint8_t, 2> zero{};
  // Of an interrupted call on a socket: how long it waits at most, in
  // milliseconds. 0: for ever, or for longer than fits.
  std::uint32_t time_limit = 0;
  std::array<BufferEntry, kMaxBuffers> buffers{};

  [[nodiscard]] std::span<const BufferEntry> Buffers() const {
    return std::span(buffers).first(buffer_count);
  }
  [[nodiscard]] std::span<const std::byte> Wire() const;
};
static_assert(sizeof(ReplyHead) == 16 + kMaxBuffers * 8);

// Bytes that grow without being cleared and keep their memory from call to
// call.
class ByteBuffer {
 public:
  // Appends `count` bytes of any value; earlier spans are no longer valid.
  std::span<std::byte> Append(std::size_t count);
  void Append(std::span<const std::byte> bytes);
  void Shrink(std::size_t size) { size_ = size; }
  void Clear() { size_ = 0; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::span<std::byte> bytes() { return {data_.get(), size_}; }
  [[nodiscard]] std::span<const std::byte> bytes() const {
    return {data_.get(), size_};
  }

 private:
  std::unique_ptr<std::byte[]> data_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

// A call on the away side, from MarshalIn to MarshalOut. Reused for the next
// call of the same thread, so that no call allocates.
struct CallRequest {
  RequestHead head;
  ByteBuffer data;

  // ---- stays here, never sent ----
  const CallRow* row = nullptr;
  CallArgs args{};                                  // as the caller gave them
  std::array<RemoteAddr, kMaxBuffers> guest{};      // where each buffer lies
  std::array<std::uint32_t, kMaxBuffers> offset{};  // of its bytes in `data`
  // Of its bytes, how many the guest really has there. Less than its length
  // where the rest was filled with zeros.
  std::array<std::uint32_t, kMaxBuffers> readable{};
  std::vector<GuestRange> ranges;  // of a read or write, iovecs read once
  std::vector<GuestRange> slice;   // of the piece being copied
  PieceCursor pieces;
};

// A request as it arrived. `data` points into the bytes that were decoded.
struct RequestView {
  RequestHead head;
  std::span<const std::byte> data;
};
struct ReplyView {
  ReplyHead head;
  std::span<const std::byte> data;
};

// A reply on the home side: what each buffer brings back, still in the window.
struct CallReply {
  ReplyHead head;
  std::array<std::span<const std::byte>, kMaxBuffers> parts{};
};

// Appends the encoded form to `out`. To send without a copy, write the head's
// Wire() and then the data or the parts.
void Encode(const CallRequest& request, ByteBuffer& out);
void Encode(const CallReply& reply, ByteBuffer& out);

// kProtocol for anything that is not exactly one request or reply. Checks the
// form only; LayOut and MarshalOut check it against the table.
Result<RequestView> DecodeRequest(std::span<const std::byte> bytes);
Result<ReplyView> DecodeReply(std::span<const std::byte> bytes);

}  // namespace ssi::supervisor

#endif  // SSI_SUPERVISOR_CALL_PAYLOAD_H_
