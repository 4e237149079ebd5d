// Cuts a stream of bytes into frames.
#ifndef SSI_PROTO_FRAME_READER_H_
#define SSI_PROTO_FRAME_READER_H_

#include <cstddef>
#include <memory>
#include <span>

#include "base/result.h"
#include "proto/frame.h"

namespace ssi::proto {

// A pure buffer: the owner reads into Space(), says how much with Filled(),
// and takes frames with Next() until there is none. It grows to the largest
// frame seen and is used again and again.
class FrameReader {
 public:
  // Room for at least one TLS record; larger when a large frame is under way.
  // Spans from Next() end here.
  std::span<std::byte> Space();
  void Filled(std::size_t size);
  // True: `header` and `payload` are the next frame, valid until Space().
  // False: it is not complete yet. kProtocol: its length is over the limit;
  // nothing was allocated for it.
  Result<bool> Next(FrameHeader& header, std::span<const std::byte>& payload);

  // Bytes of a frame that is not complete.
  [[nodiscard]] std::size_t pending() const { return end_ - begin_; }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }

 private:
  void Grow(std::size_t needed);

  std::unique_ptr<std::byte[]> buffer_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;   // of the first frame that was not taken
  std::size_t end_ = 0;     // of what was filled
  std::size_t wanted_ = 0;  // size of that frame with header, 0: not known
};

}  // namespace ssi::proto

#endif  // SSI_PROTO_FRAME_READER_H_
