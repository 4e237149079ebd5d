#include "supervisor/pieces.h"

#include <algorithm>

namespace ssi::supervisor {

bool PieceCursor::Advance(std::int64_t result, bool regular_file) {
  std::uint64_t asked = Next();
  last_ = result;
  if (result <= 0) {
    return false;
  }
  auto moved = std::min(static_cast<std::uint64_t>(result), asked);
  done_ += moved;
  bool whole = moved == asked && done_ < total_;
  return whole && (direction_ == Direction::kIn || regular_file);
}

}  // namespace ssi::supervisor
