#include "process/rebuild.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "process/agent_site.h"
#include "process/capture.h"

// Newer than Debian 12's headers.
#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65  // NOLINT: the kernel's name (Linux 6.3)
#endif

namespace ssi {

namespace {

constexpr std::uint64_t kSysMseal = 462;  // Linux 6.10
constexpr std::uint64_t kSigsetSize = 8;
constexpr std::uint64_t kNoFile = ~std::uint64_t{0};
// From this size on, filling huge pages pays (design, section 5: 11 GB/s into
// huge pages against 2.6 into small ones).
constexpr std::uint64_t kHugeWorthwhile = std::uint64_t{4} << 20;

bool IsMapped(const ImageArea& area) {
  return area.source == ImageArea::Source::kAnonymous ||
         area.source == ImageArea::Source::kFile;
}

// Bytes of `contents`, in order of address, that lie in [start, end).
std::uint64_t BytesWithin(const std::vector<MemoryRun>& contents,
                          std::uint64_t start, std::uint64_t end) {
  auto at = std::partition_point(
      contents.begin(), contents.end(),
      [&](const MemoryRun& run) { return run.address + run.size <= start; });
  std::uint64_t bytes = 0;
  for (; at != contents.end() && at->address < end; ++at) {
    bytes +=
        std::min(at->address + at->size, end) - std::max(at->address, start);
  }
  return bytes;
}

// Under PR_SET_MDWE, which a stand-in may have already, an area cannot become
// executable later; its contents are then written through /proc/PID/mem.
int TemporaryProt(const ImageArea& area, bool has_contents) {
  if (area.source == ImageArea::Source::kKept) {
    return -1;
  }
  bool executable = (area.vma.prot & PROT_EXEC) != 0;
  return has_contents && !executable ? (PROT_READ | PROT_WRITE) : area.vma.prot;
}

std::uint64_t MapFlags(const ImageArea& area) {
  std::uint64_t flags = MAP_PRIVATE | MAP_FIXED;
  if (area.source == ImageArea::Source::kAnonymous) {
    flags |= MAP_ANONYMOUS;
  }
  if (area.vma.Has(kVmaGrowsDown)) {
    flags |= MAP_GROWSDOWN;
  }
  if (area.vma.Has(kVmaNoReserve)) {
    flags |= MAP_NORESERVE;
  }
  return flags;
}

struct Advice {
  VmaFlag flag;
  int advice;
};
constexpr std::array kAdvices = {Advice{kVmaHuge, MADV_HUGEPAGE},
                                 Advice{kVmaNoHuge, MADV_NOHUGEPAGE},
                                 Advice{kVmaDontFork, MADV_DONTFORK},
                                 Advice{kVmaWipeOnFork, MADV_WIPEONFORK},
                                 Advice{kVmaDontDump, MADV_DONTDUMP},
                                 Advice{kVmaMergeable, MADV_MERGEABLE},
                                 Advice{kVmaRandomRead, MADV_RANDOM},
                                 Advice{kVmaSequential, MADV_SEQUENTIAL}};

void AddAdvice(CallBatch& batch, const Vma& vma) {
  for (const auto& advice : kAdvices) {
    if (vma.Has(advice.flag)) {
      // EINVAL: a kernel without that advice (KSM, THP off); a hint only.
      batch.Add(
          "madvise", SYS_madvise,
          {vma.start, vma.size(), static_cast<std::uint64_t>(advice.advice)},
          EINVAL);
    }
  }
}

void AddFinalProtection(CallBatch& batch, const ImageArea& area,
                        bool has_contents) {
  const Vma& vma = area.vma;
  bool changed = TemporaryProt(area, has_contents) != vma.prot;
  if (vma.protection_key != 0) {
    batch.Add("pkey_mprotect", SYS_pkey_mprotect,
              {vma.start, vma.size(), vma.prot,
               static_cast<std::uint64_t>(vma.protection_key)});
  } else if (changed) {
    batch.Add("mprotect", SYS_mprotect, {vma.start, vma.size(), vma.prot});
  }
  AddAdvice(batch, vma);
  if (vma.Has(kVmaLocked)) {
    std::uint64_t on_fault = vma.Has(kVmaLockOnFault) ? 1U : 0U;
    // Over B's limit the pages are merely not locked: no program can tell.
    batch.Add("mlock2", SYS_mlock2, {vma.start, vma.size(), on_fault}, ENOMEM);
  }
}

// Protection keys are numbers that pkey_alloc gives in order: take them until
// all are there that the program has, then give back those that it has not.
// (In the stand-in, those of when it left are allocated still.)
Status AllocateKeys(CallRunner& runner, const ProcessImage& image) {
  std::int64_t wanted = std::max<std::int64_t>(image.states.protection_keys, 0);
  for (const auto& area : image.areas) {
    if (area.vma.protection_key != 0) {
      wanted |= std::int64_t{1} << area.vma.protection_key;
    }
  }
  SSI_ASSIGN(std::int64_t keys, AllocatedKeys(runner));
  keys = std::max<std::int64_t>(keys, 0);
  while ((wanted & ~keys) != 0) {
    std::array<AgentCall, 1> call = {AgentCall{SYS_pkey_alloc, {0, 0}, 0}};
    SSI_TRY(runner.Run(call));
    if (call[0].result < 0) {
      return FailErrno(static_cast<int>(-call[0].result), "pkey_alloc");
    }
    keys |= std::int64_t{1} << call[0].result;
  }
  CallBatch batch(runner);
  for (std::uint64_t key = 1; key < 16; ++key) {
    if ((keys & ~wanted) >> key & 1) {
      batch.Add("pkey_free", SYS_pkey_free, {key});
    }
  }
  return batch.Flush();
}

// prctl_mm_map (uapi/linux/prctl.h).
struct PrctlMmMap {
  std::uint64_t start_code, end_code, start_data, end_data, start_brk, brk,
      start_stack, arg_start, arg_end, env_start, env_end, auxv;
  std::uint32_t auxv_size;
  std::uint32_t exe_fd;
};
static_assert(sizeof(PrctlMmMap) == 104);

Status RestoreLayout(CallRunner& runner, const MemoryLayout& layout) {
  PrctlMmMap map{layout.start_code,
                 layout.end_code,
                 layout.start_data,
                 layout.end_data,
                 layout.start_brk,
                 layout.brk,
                 layout.start_stack,
                 layout.arg_start,
                 layout.arg_end,
                 layout.env_start,
                 layout.env_end,
                 0,
                 static_cast<std::uint32_t>(layout.auxv.size()),
                 ~std::uint32_t{0}};  // exe_fd -1 needs no privilege
  std::vector<std::byte> placed(sizeof map);
  placed.insert(placed.end(), layout.auxv.begin(), layout.auxv.end());
  map.auxv = Raw(runner.space()) + sizeof map;
  std::copy_n(reinterpret_cast<const std::byte*>(&map), sizeof map,
              placed.begin());
  CallBatch batch(runner);
  SSI_ASSIGN(RemoteAddr at, batch.Place(placed));
  batch.Add("PR_SET_MM_MAP", SYS_prctl,
            {PR_SET_MM, PR_SET_MM_MAP, Raw(at), sizeof map, 0});
  return batch.Flush();
}

}  // namespace

Status MapAreas(CallRunner& runner, const ProcessImage& image,
                const std::vector<MemoryRun>& contents,
                const FileNumber& file_number) {
  CallBatch batch(runner);
  // What it locks is locked again, area by area; a stand-in's own mlockall of
  // earlier must not lock what the program has long unlocked.
  batch.Add("munlockall", SYS_munlockall, {});
  for (const auto& area : image.areas) {
    if (!IsMapped(area)) {
      continue;
    }
    const Vma& vma = area.vma;
    std::uint64_t fd = kNoFile;
    std::uint64_t offset = 0;
    std::uint64_t flags = MapFlags(area);
    if (area.source == ImageArea::Source::kFile) {
      SSI_ASSIGN(FileToMap file, file_number(area.file));
      fd = static_cast<std::uint64_t>(file.number);
      offset = vma.offset;
      if (file.shared) {
        flags = (flags & ~std::uint64_t{MAP_PRIVATE}) | MAP_SHARED;
      }
    }
    std::uint64_t bytes = BytesWithin(contents, vma.start, vma.end);
    auto prot = static_cast<std::uint64_t>(TemporaryProt(area, bytes != 0));
    batch.Add("mmap", SYS_mmap,
              {vma.start, vma.size(), prot, flags, fd, offset});
    if (area.source == ImageArea::Source::kAnonymous &&
        bytes >= kHugeWorthwhile && bytes * 10 >= vma.size() * 9 &&
        !vma.Has(kVmaNoHuge)) {
      batch.Add("madvise", SYS_madvise, {vma.start, vma.size(), MADV_HUGEPAGE},
                EINVAL);
    }
  }
  return batch.Flush();
}

Status FinishAreas(CallRunner& runner, const ProcessImage& image,
                   const std::vector<MemoryRun>& contents) {
  SSI_TRY(AllocateKeys(runner, image));
  CallBatch batch(runner);
  for (const auto& area : image.areas) {
    bool kept = area.source == ImageArea::Source::kKept &&
                !area.vma.Has(kVmaSealed);  // that is as it will always be
    if (IsMapped(area) || kept) {
      // A kept one may have any protection by now: set whatever it should be.
      AddFinalProtection(
          batch, area,
          kept || BytesWithin(contents, area.vma.start, area.vma.end) != 0);
    }
  }
  for (const auto& guard : image.guards) {
    // EPERM: in sealed memory, where they are still.
    batch.Add("guard pages", SYS_madvise,
              {guard.address, guard.size, kMadvGuardInstall}, EPERM);
  }
  SSI_TRY(batch.Flush());
  SSI_TRY(RestoreLayout(runner, image.layout));
  for (const auto& area : image.areas) {
    if (IsMapped(area) && area.vma.Has(kVmaSealed)) {
      batch.Add("mseal", kSysMseal, {area.vma.start, area.vma.size(), 0},
                ENOSYS);
    }
  }
  return batch.Flush();
}

namespace {

// The local descriptor table: the kernel takes descriptors in parts only.
Status RestoreDescriptors(CallRunner& runner, const ProcessImage& image) {
  struct UserDesc {  // user_desc of asm/ldt.h, its bit fields as one word
    std::uint32_t entry;
    std::uint32_t base;
    std::uint32_t limit;
    std::uint32_t bits;
  };
  constexpr std::uint64_t kWrite = 0x11;
  CallBatch batch(runner);
  for (std::size_t i = 0; i < image.descriptors.size(); ++i) {
    std::uint64_t raw = image.descriptors[i];
    auto bit = [raw](int at) {
      return static_cast<std::uint32_t>(raw >> at & 1);
    };
    UserDesc desc{
        static_cast<std::uint32_t>(i),
        static_cast<std::uint32_t>((raw >> 16 & 0xffffff) | (raw >> 56 << 24)),
        static_cast<std::uint32_t>((raw & 0xffff) | (raw >> 48 & 0xf) << 16),
        0};
    constexpr std::uint32_t kEmpty = 0x28;  // LDT_empty
    desc.bits = raw == 0 ? kEmpty
                         : bit(54) | bit(42) << 1 | bit(43) << 2 |
                               (bit(41) ^ 1) << 3 | bit(55) << 4 |
                               (bit(47) ^ 1) << 5 | bit(52) << 6 | bit(53) << 7;
    SSI_ASSIGN(RemoteAddr at, batch.PlaceObject(desc));
    batch.Add("modify_ldt", SYS_modify_ldt, {kWrite, Raw(at), sizeof desc});
  }
  return batch.Flush();
}

}  // namespace

Status RestoreStates(CallRunner& runner, const ProcessImage& image,
                     const SignalActions& current) {
  CallBatch batch(runner);
  for (std::size_t i = 0; i < kSignalCount; ++i) {
    // That of SIGTRAP may have been lost to a trap of ours.
    if (image.actions[i] != current[i] || i + 1 == SIGTRAP) {
      SSI_ASSIGN(RemoteAddr at, batch.PlaceObject(image.actions[i]));
      batch.Add("rt_sigaction", SYS_rt_sigaction,
                {i + 1, Raw(at), 0, kSigsetSize});
    }
  }
  const ProcessStates& states = image.states;
  if (states.thp_disable >= 0) {
    batch.Add("PR_SET_THP_DISABLE", SYS_prctl,
              {PR_SET_THP_DISABLE,
               static_cast<std::uint64_t>(states.thp_disable), 0, 0, 0});
  }
  if (states.timer_slack > 0) {
    batch.Add(
        "PR_SET_TIMERSLACK", SYS_prctl,
        {PR_SET_TIMERSLACK, static_cast<std::uint64_t>(states.timer_slack)});
  }
  if (states.mdwe > 0) {
    batch.Add("PR_SET_MDWE", SYS_prctl,
              {PR_SET_MDWE, static_cast<std::uint64_t>(states.mdwe), 0, 0, 0},
              EPERM);  // set already: it cannot be taken back
  }
  for (int bit = 0; states.membarrier > 0 && bit < 16; ++bit) {
    if ((states.membarrier >> bit & 1) != 0) {
      batch.Add("membarrier", SYS_membarrier, {std::uint64_t{1} << bit, 0, 0});
    }
  }
  // Before the registers themselves: AMX (18), the only one so far that a
  // process must ask for.
  constexpr int kTileData = 18;
  constexpr std::uint64_t kArchReqXcompPerm = 0x1023;
  if (states.extended_features > 0 &&
      (states.extended_features >> kTileData & 1) != 0) {
    batch.Add("permission to use AMX", SYS_arch_prctl,
              {kArchReqXcompPerm, kTileData});
  }
  SSI_TRY(batch.Flush());
  return RestoreDescriptors(runner, image);
}

Status AddThreadStates(CallBatch& batch, const ThreadImage& thread) {
  SSI_ASSIGN(RemoteAddr stack, batch.PlaceObject(thread.alternate_stack));
  batch.Add("sigaltstack", SYS_sigaltstack, {Raw(stack), 0});
  if (!thread.name.empty()) {
    std::array<char, 16> name{};
    thread.name.copy(name.data(), name.size() - 1);
    SSI_ASSIGN(RemoteAddr name_at, batch.PlaceObject(name));
    batch.Add("PR_SET_NAME", SYS_prctl, {PR_SET_NAME, Raw(name_at)});
  }
  if (thread.personality >= 0) {
    batch.Add("personality", SYS_personality,
              {static_cast<std::uint64_t>(thread.personality)});
  }
  if (thread.tsc_mode > 0) {
    batch.Add("PR_SET_TSC", SYS_prctl,
              {PR_SET_TSC, static_cast<std::uint64_t>(thread.tsc_mode)});
  }
  AddRegister(batch, thread);
  return {};
}

Status RestoreThread(const Tracee& tracee, const ThreadImage& thread) {
  SSI_TRY(tracee.SetExtendedState(thread.extended_state));
  SSI_TRY(tracee.SetRegisters(thread.registers));
  return tracee.SetSignalMask(thread.signal_mask);
}

std::vector<MemoryRun> RangesToUnmap(const std::vector<Vma>& vmas,
                                     const std::vector<MemoryRun>& keep) {
  std::vector<MemoryRun> ranges;
  auto add = [&ranges](std::uint64_t start, std::uint64_t end) {
    if (start >= end) {
      return;
    }
    if (!ranges.empty() &&
        ranges.back().address + ranges.back().size == start) {
      ranges.back().size += end - start;
    } else {
      ranges.push_back({start, end - start});
    }
  };
  for (const auto& vma : vmas) {
    if (vma.kind == Vma::Kind::kVdso || vma.kind == Vma::Kind::kVvar ||
        vma.kind == Vma::Kind::kVsyscall || vma.kind == Vma::Kind::kOther) {
      continue;
    }
    std::uint64_t at = vma.start;
    for (const auto& kept : keep) {
      std::uint64_t kept_end = kept.address + kept.size;
      if (kept_end <= at || kept.address >= vma.end) {
        continue;
      }
      add(at, kept.address);
      at = std::max(at, kept_end);
    }
    add(at, vma.end);
  }
  return ranges;
}

Status UnmapRanges(CallRunner& runner, const std::vector<MemoryRun>& ranges) {
  CallBatch batch(runner);
  for (const auto& range : ranges) {
    batch.Add("munmap", SYS_munmap, {range.address, range.size});
  }
  return batch.Flush();
}

}  // namespace ssi
