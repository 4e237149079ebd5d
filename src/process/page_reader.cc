#include "process/page_reader.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "process/kernel.h"

namespace ssi {

namespace {

// `from` without `cut`; both in order of address.
std::vector<MemoryRun> Subtract(const std::vector<MemoryRun>& from,
                                const std::vector<MemoryRun>& cut) {
  std::vector<MemoryRun> left;
  auto next_cut = cut.begin();
  for (auto run : from) {
    std::uint64_t at = run.address;
    std::uint64_t end = run.address + run.size;
    while (next_cut != cut.end() && next_cut->address + next_cut->size <= at) {
      ++next_cut;
    }
    for (auto c = next_cut; c != cut.end() && c->address < end; ++c) {
      if (c->address > at) {
        left.push_back({at, c->address - at});
      }
      at = std::max(at, c->address + c->size);
    }
    if (at < end) {
      left.push_back({at, end - at});
    }
  }
  return left;
}

}  // namespace

bool IsZero(std::span<const std::byte> data) {
  // memcmp of the data with itself, shifted by 16: as fast as memory.
  constexpr std::size_t kHead = 16;
  static constexpr std::byte kZeros[kHead] = {};
  if (data.size() < kHead) {
    return std::all_of(data.begin(), data.end(),
                       [](std::byte b) { return b == std::byte{0}; });
  }
  return std::memcmp(data.data(), kZeros, kHead) == 0 &&
         std::memcmp(data.data(), data.data() + kHead, data.size() - kHead) ==
             0;
}

std::vector<MemoryRun> UnreadableParts(const std::vector<Vma>& vmas,
                                       const std::vector<MemoryRun>& contents) {
  std::vector<MemoryRun> parts;
  auto run = contents.begin();
  for (const auto& vma : vmas) {
    while (run != contents.end() && run->address + run->size <= vma.start) {
      ++run;
    }
    if ((vma.prot & PROT_READ) != 0) {
      continue;
    }
    for (auto r = run; r != contents.end() && r->address < vma.end; ++r) {
      std::uint64_t start = std::max(r->address, vma.start);
      std::uint64_t end = std::min(r->address + r->size, vma.end);
      parts.push_back({start, end - start});
    }
  }
  return parts;
}

PageReader::PageReader(HostPid pid, std::vector<MemoryRun> contents,
                       std::vector<MemoryRun> unreadable)
    : pid_(pid),
      readable_(Subtract(contents, unreadable)),
      unreadable_(std::move(unreadable)),
      buffer_(kBatchSize) {}

void PageReader::Gather(std::vector<MemoryRun>& pending, std::size_t& at) {
  wanted_.clear();
  std::size_t room = kBatchSize;
  while (at < pending.size() && room > 0) {
    MemoryRun& run = pending[at];
    std::uint64_t size = std::min<std::uint64_t>(run.size, room);
    wanted_.push_back({run.address, size});
    run.address += size;
    run.size -= size;
    room -= size;
    if (run.size == 0) {
      ++at;
    }
  }
}

void PageReader::DropZeroPages() {
  kept_.clear();
  kept_bytes_ = 0;
  std::size_t from = 0;
  for (const auto& run : wanted_) {
    for (std::uint64_t done = 0; done < run.size; done += kPageSize) {
      std::size_t size = std::min<std::uint64_t>(kPageSize, run.size - done);
      std::span page(buffer_.data() + from, size);
      from += size;
      if (IsZero(page)) {
        continue;
      }
      if (kept_bytes_ + size != from) {
        std::memmove(buffer_.data() + kept_bytes_, page.data(), size);
      }
      kept_bytes_ += size;
      std::uint64_t address = run.address + done;
      if (!kept_.empty() &&
          kept_.back().address + kept_.back().size == address) {
        kept_.back().size += size;
      } else {
        kept_.push_back({address, size});
      }
    }
  }
}

Result<std::optional<PageBatch>> PageReader::Next() {
  for (;;) {
    bool plain = next_readable_ < readable_.size();
    if (plain) {
      Gather(readable_, next_readable_);
    } else {
      Gather(unreadable_, next_unreadable_);
    }
    if (wanted_.empty()) {
      return std::nullopt;
    }
    std::size_t size = 0;
    for (const auto& run : wanted_) {
      size += run.size;
    }
    std::span out(buffer_.data(), size);
    if (plain) {
      SSI_TRY(ReadRuns(pid_, wanted_, out));
    } else {
      SSI_ASSIGN(auto memory, MemoryFile::Open(pid_));
      for (const auto& run : wanted_) {
        SSI_TRY(memory.Read(RemoteAddr{run.address}, out.first(run.size)));
        out = out.subspan(run.size);
      }
    }
    bytes_read_ += size;
    DropZeroPages();
    if (!kept_.empty()) {
      return PageBatch{kept_, std::span(buffer_.data(), kept_bytes_)};
    }
  }
}

}  // namespace ssi
