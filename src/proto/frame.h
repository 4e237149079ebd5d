// The unit that travels in a Channel.
#ifndef SSI_PROTO_FRAME_H_
#define SSI_PROTO_FRAME_H_

#include <bit>
#include <cstddef>
#include <cstdint>

namespace ssi::proto {

// What a frame is. The channel itself only knows kHeartbeat, and a session's
// ledger (ledger.h) kResume.
enum class FrameType : std::uint16_t {
  kHeartbeat = 1,  // empty; says that the sender lives
  kResume = 2,     // empty; the first frame on each connection of a session
};

// Precedes every payload, little endian, as it is in memory here.
//
//   0        4      6       8    16       24             32
//   | length | type | flags | id | number | acknowledged | payload
//
// The numbers are a session's (ledger.h), and 0 between daemons.
struct FrameHeader {
  std::uint32_t length = 0;  // of the payload alone
  FrameType type{};
  std::uint16_t flags = 0;         // the meaning belongs to the type
  std::uint64_t id = 0;            // the meaning belongs to the type
  std::uint64_t number = 0;        // of the frames that this side has sent
  std::uint64_t acknowledged = 0;  // of the other side's, the last that came
};
static_assert(sizeof(FrameHeader) == 32);
static_assert(std::endian::native == std::endian::little);

inline constexpr std::size_t kFrameHeaderSize = sizeof(FrameHeader);

// The largest payload. A longer length is refused before anything is
// allocated for it.
inline constexpr std::size_t kMaxFrame = std::size_t{2} << 20;

}  // namespace ssi::proto

#endif  // SSI_PROTO_FRAME_H_
