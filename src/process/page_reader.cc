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

CapturedMemory SortContents(const std::vector<Vma>& vmas,
                            std::vector<MemoryRun> contents) {
  CapturedMemory memory;
  auto run = contents.begin();
  for (const auto& vma : vmas) {
    while (run != contents.end() && run->address + run->size <= vma.start) {
      ++run;
    }
    for (auto r = run; r != contents.end() && r->address < vma.end; ++r) {
      std::uint64_t start = std::max(r->address, vma.start);
      std::uint64_t end = std::min(r->address + r->size, vma.end);
      if ((vma.prot & PROT_READ) == 0) {
        memory.unreadable.push_back({start, end - start});
      }
      if (vma.kind == Vma::Kind::kFile) {
        memory.over_files.push_back({start, end - start});
      }
    }
  }
  memory.contents = std::move(contents);
  return memory;
}

PageReader::PageReader(HostPid pid, const CapturedMemory& memory)
    : pid_(pid),
      readable_(Subtract(memory.contents, memory.unreadable)),
      unreadable_(memory.unreadable),
      over_files_(memory.over_files),
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

bool PageReader::IsOverFile(std::uint64_t address) const {
  auto next =
      std::ranges::upper_bound(over_files_, address, {}, &MemoryRun::address);
  return next != over_files_.begin() &&
         address - std::prev(next)->address < std::prev(next)->size;
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
      std::uint64_t address = run.address + done;
      if (IsZero(page) && !IsOverFile(address)) {
        continue;
      }
      if (kept_bytes_ + size != from) {
        std::memmove(buffer_.data() + kept_bytes_, page.data(), size);
      }
      kept_bytes_ += size;
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
