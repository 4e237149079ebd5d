#include "supervisor/process_memory.h"

#include <algorithm>

#include "process/kernel.h"
#include "process/memory.h"

namespace ssi {

namespace {

// The bytes from `address` to the end of its page, at most `size`.
std::size_t WithinPage(RemoteAddr address, std::size_t size) {
  return std::min<std::uint64_t>(size, kPageSize - Raw(address) % kPageSize);
}

}  // namespace

// One call for the usual case, where all of it is there. A call that fails in
// the middle may have moved a part of an iovec or nothing of it (the man page
// promises neither), so the prefix is then found page by page.
std::size_t ProcessMemory::Read(RemoteAddr from, std::span<std::byte> into) {
  if (ReadMemoryPrefix(pid_, from, into) == into.size()) {
    return into.size();
  }
  std::size_t done = 0;
  while (done < into.size()) {
    auto piece =
        into.subspan(done, WithinPage(from + done, into.size() - done));
    if (ReadMemoryPrefix(pid_, from + done, piece) != piece.size()) {
      break;
    }
    done += piece.size();
  }
  return done;
}

std::size_t ProcessMemory::Write(RemoteAddr to,
                                 std::span<const std::byte> data) {
  if (WriteMemoryPrefix(pid_, to, data) == data.size()) {
    return data.size();
  }
  std::size_t done = 0;
  while (done < data.size()) {
    auto piece = data.subspan(done, WithinPage(to + done, data.size() - done));
    if (WriteMemoryPrefix(pid_, to + done, piece) != piece.size()) {
      break;
    }
    done += piece.size();
  }
  return done;
}

}  // namespace ssi
