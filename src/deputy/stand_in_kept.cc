// What stays mapped in the stand-in while the process is away: mappings that
// cannot be made again, and what is sealed.
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>

#include "deputy/kept_file.h"
#include "deputy/stand_in.h"
#include "process/call_runner.h"

namespace ssi {

// ---- leaving ----------------------------------------------------------------

// Found again where it is when the process comes home; each time it leaves the
// same mapping gets a new id, with its contents of then.
Status StandIn::CaptureKept(ImageArea& area, MappedFiles& files,
                            const PageScanner& scanner, ScannedPages& pages) {
  const Vma& vma = area.vma;
  KeptFile file;
  file.end = vma.offset + vma.size();
  if (vma.kind == Vma::Kind::kFile) {
    ScannedPages changed;
    SSI_TRY(scanner.Scan(vma, changed));
    AgentRunner runner = RunnerOf(first());
    auto below = ReadKeptFile(living(), runner, vma, changed.contents);
    stop_pending_ |= runner.stop_pending();
    if (below) {
      file = *std::move(below);
      pages.contents.insert(pages.contents.end(), changed.contents.begin(),
                            changed.contents.end());
    }
    pages.guards.insert(pages.guards.end(), changed.guards.begin(),
                        changed.guards.end());
  }
  area.source = ImageArea::Source::kKept;
  area.file = files.AddKept(vma, file.end, std::move(file.bytes));
  area.kept_at = vma.start;
  kept_.push_back(area);
  return {};
}

Status StandIn::GiveUpKept() {
  AgentRunner runner = RunnerOf(first());
  CallBatch batch(runner);
  for (const auto& area : kept_) {
    if (area.vma.kind == Vma::Kind::kFile && !area.vma.Has(kVmaSealed)) {
      AddGiveUp(batch, {area.vma.start, area.vma.size()});
    }
  }
  auto status = batch.Flush();
  stop_pending_ |= runner.stop_pending();
  return status;
}

// What is sealed stays mapped as it is, wherever the process computes. Its
// pages come back with the image; those that do not are empty then, so they
// are emptied now. That is refused for what is not writable, which cannot
// change away either.
Status StandIn::EmptySealed() {
  AgentRunner runner = RunnerOf(first());
  CallBatch batch(runner);
  sealed_.clear();
  for (const auto& vma : vmas_) {
    bool kept = std::any_of(kept_.begin(), kept_.end(), [&](const auto& area) {
      return area.vma.start == vma.start;
    });
    if (vma.Has(kVmaSealed) && !kept) {
      sealed_.push_back({vma.start, vma.size()});
      batch.Add("madvise of sealed memory", SYS_madvise,
                {vma.start, vma.size(), MADV_DONTNEED}, EPERM);
    }
  }
  return batch.Flush();
}

// ---- coming home ------------------------------------------------------------

// In an image that comes home: what is here all the time.
void StandIn::KeepSealed(std::vector<ImageArea>& areas) const {
  for (auto& area : areas) {
    std::uint64_t at = area.vma.start;
    for (const auto& run : sealed_) {
      if (run.address <= at && at < run.address + run.size) {
        at = run.address + run.size;
      }
    }
    if (area.vma.Has(kVmaSealed) && at >= area.vma.end) {
      area.source = ImageArea::Source::kKept;
    }
  }
}

// Mappings that stayed here: what the process unmapped away goes, what it
// moved moves, the rest is where it was.
Status StandIn::MatchKept() {
  AgentRunner runner = RunnerOf(first());
  CallBatch batch(runner);
  std::vector<ImageArea> now;
  for (const auto& kept : kept_) {
    std::uint64_t at = kept.vma.start;  // up to here it is dealt with
    for (auto& area : incoming_.image.areas) {
      if (area.file != kept.file) {
        continue;
      }
      std::uint64_t from = kept.vma.start + (area.vma.offset - kept.vma.offset);
      if (area.vma.offset < kept.vma.offset || from < at ||
          from + area.vma.size() > kept.vma.end) {
        return Fail(ErrorCode::kUnsupported,
                    "a mapping of {} came home in another form", kept.vma.name);
      }
      area.source = ImageArea::Source::kKept;
      area.kept_at = from;
      if (from > at) {
        batch.Add("munmap", SYS_munmap, {at, from - at});
      }
      at = from + area.vma.size();
      if (from != area.vma.start) {
        batch.Add("mremap", SYS_mremap,
                  {from, area.vma.size(), area.vma.size(),
                   MREMAP_MAYMOVE | MREMAP_FIXED, area.vma.start});
      }
      ImageArea moved = area;
      moved.vma.name = kept.vma.name;
      now.push_back(moved);
    }
    if (at < kept.vma.end) {
      batch.Add("munmap", SYS_munmap, {at, kept.vma.end - at});
    }
  }
  SSI_TRY(batch.Flush());
  kept_ = std::move(now);
  return {};
}

}  // namespace ssi
