// Reads and writes larger than one call can carry are made in ordered pieces.
#ifndef SSI_SUPERVISOR_PIECES_H_
#define SSI_SUPERVISOR_PIECES_H_

#include <cstddef>
#include <cstdint>

#include "supervisor/arg.h"

namespace ssi::supervisor {

// The bytes that one call can carry each way. A multiple of the page size, so
// that the pieces of an O_DIRECT transfer stay aligned.
inline constexpr std::size_t kMaxCallData = (std::size_t{1} << 20) - 4096;

// An errno as every system call returns it. Other negative values are results
// (lseek in /proc/PID/mem).
constexpr bool IsError(std::int64_t result) {
  return result < 0 && result >= -4095;
}

// Which bytes of a read or write come next, and when to stop so that the
// program sees what one call would have done:
//   a write goes on while each piece was taken whole;
//   a read goes on while each piece was filled and the descriptor is a regular
//   file or block device: of anything else (pipe, terminal, socket) a second
//   read could wait for bytes that the first one's caller does not want;
//   an error after the first piece is left for the next call to find.
class PieceCursor {
 public:
  PieceCursor() = default;
  // Lengths above MAX_RW_COUNT are cut to it, as the kernel does.
  PieceCursor(std::uint64_t total, Direction direction)
      : total_(total < kMaxRwCount ? total : kMaxRwCount),
        direction_(direction) {}

  [[nodiscard]] std::uint64_t total() const { return total_; }
  // Bytes done by the pieces before: the offset of the next one.
  [[nodiscard]] std::uint64_t done() const { return done_; }
  // Bytes of the next piece; 0 is a piece too (a write of nothing).
  [[nodiscard]] std::uint64_t Next() const {
    std::uint64_t left = total_ - done_;
    return left < kMaxCallData ? left : kMaxCallData;
  }

  // Some were done before: goes on behind them.
  void SkipTo(std::uint64_t done) { done_ = done < total_ ? done : total_; }

  // Takes the result of the piece that Next() said. True: make the next one.
  bool Advance(std::int64_t result, bool regular_file);
  // What the program gets: the bytes so far, or the first piece's error.
  [[nodiscard]] std::int64_t Result() const {
    return done_ > 0 ? static_cast<std::int64_t>(done_) : last_;
  }

 private:
  std::uint64_t total_ = 0;
  Direction direction_ = Direction::kIn;
  std::uint64_t done_ = 0;
  std::int64_t last_ = 0;
};

}  // namespace ssi::supervisor

#endif  // SSI_SUPERVISOR_PIECES_H_
