#include "process/vmas.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>

#include "base/files.h"
#include "process/kernel.h"

namespace ssi {

namespace {

struct FlagName {
  std::string_view code;
  std::uint32_t flag;
};
constexpr std::array kFlagNames = {
    FlagName{"gd", kVmaGrowsDown},   FlagName{"lo", kVmaLocked},
    FlagName{"dc", kVmaDontFork},    FlagName{"wf", kVmaWipeOnFork},
    FlagName{"dd", kVmaDontDump},    FlagName{"mg", kVmaMergeable},
    FlagName{"hg", kVmaHuge},        FlagName{"nh", kVmaNoHuge},
    FlagName{"sl", kVmaSealed},      FlagName{"io", kVmaDevice},
    FlagName{"pf", kVmaDevice},      FlagName{"ht", kVmaHugeTlb},
    FlagName{"mw", kVmaMayWrite},    FlagName{"um", kVmaUserfault},
    FlagName{"uw", kVmaUserfault},   FlagName{"ui", kVmaUserfault},
    FlagName{"dp", kVmaDroppable},   FlagName{"nr", kVmaNoReserve},
    FlagName{"rr", kVmaRandomRead},  FlagName{"sr", kVmaSequential},
    FlagName{"ss", kVmaShadowStack}, FlagName{"lf", kVmaLockOnFault}};

// The next word of `text`, which loses it and the blanks before it.
std::string_view NextWord(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  auto end = std::min(text.find_first_of(" \t"), text.size());
  auto word = text.substr(0, end);
  text.remove_prefix(end);
  return word;
}

std::uint32_t ParseFlags(std::string_view codes) {
  std::uint32_t flags = 0;
  for (auto code = NextWord(codes); !code.empty(); code = NextWord(codes)) {
    for (const auto& name : kFlagNames) {
      if (name.code == code) {
        flags |= name.flag;
      }
    }
  }
  return flags;
}

Vma::Kind KindOf(const Vma& vma, bool shared) {
  if (vma.name == "[vdso]") {
    return Vma::Kind::kVdso;
  }
  if (vma.name.starts_with("[vvar")) {
    return Vma::Kind::kVvar;
  }
  if (vma.name == "[vsyscall]") {
    return Vma::Kind::kVsyscall;
  }
  if (shared) {
    return Vma::Kind::kShared;
  }
  // Private, /dev/zero is memory: the kernel's own mmap_zero makes it so.
  if (vma.inode != 0 && vma.name != "/dev/zero") {
    return Vma::Kind::kFile;
  }
  bool anonymous = vma.inode != 0 || vma.name.empty() || vma.name == "[heap]" ||
                   vma.name.starts_with("[stack") ||
                   vma.name.starts_with("[anon:");
  return anonymous ? Vma::Kind::kAnonymous : Vma::Kind::kOther;
}

// "55d0-55d1 r-xp 00001000 fe:00 1234   /path": the first line of an area.
// Nothing if `line` is another line.
std::optional<Vma> ParseHeader(std::string_view line) {
  auto range = NextWord(line);
  auto dash = range.find('-');
  if (dash == std::string_view::npos) {
    return std::nullopt;
  }
  auto start = ParseNumber<std::uint64_t>(range.substr(0, dash), 16);
  auto end = ParseNumber<std::uint64_t>(range.substr(dash + 1), 16);
  auto rights = NextWord(line);
  auto offset = ParseNumber<std::uint64_t>(NextWord(line), 16);
  auto device = NextWord(line);
  auto inode = ParseNumber<std::uint64_t>(NextWord(line));
  auto colon = device.find(':');
  if (!start || !end || rights.size() != 4 || !offset || !inode ||
      colon == std::string_view::npos) {
    return std::nullopt;
  }
  Vma vma;
  vma.start = *start;
  vma.end = *end;
  vma.offset = *offset;
  vma.inode = *inode;
  vma.device_major =
      ParseNumber<std::uint32_t>(device.substr(0, colon), 16).value_or(0);
  vma.device_minor =
      ParseNumber<std::uint32_t>(device.substr(colon + 1), 16).value_or(0);
  vma.prot = static_cast<std::uint8_t>((rights[0] == 'r' ? PROT_READ : 0) |
                                       (rights[1] == 'w' ? PROT_WRITE : 0) |
                                       (rights[2] == 'x' ? PROT_EXEC : 0));
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  vma.name = line;
  vma.kind = KindOf(vma, rights[3] == 's');
  return vma;
}

}  // namespace

Result<std::vector<Vma>> ParseSmaps(std::string_view text) {
  std::vector<Vma> vmas;
  while (!text.empty()) {
    auto end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    constexpr std::string_view kFlagsLine = "VmFlags:";
    constexpr std::string_view kKeyLine = "ProtectionKey:";
    if (!line.empty() && line[0] >= 'A' && line[0] <= 'Z') {
      if (vmas.empty()) {
        return Fail(ErrorCode::kProtocol, "not smaps: {}", line);
      }
      if (line.starts_with(kFlagsLine)) {
        vmas.back().flags = ParseFlags(line.substr(kFlagsLine.size()));
      } else if (line.starts_with(kKeyLine)) {
        line.remove_prefix(kKeyLine.size());
        vmas.back().protection_key =
            ParseNumber<int>(NextWord(line)).value_or(0);
      }
      continue;
    }
    auto vma = ParseHeader(line);
    if (!vma) {
      return Fail(ErrorCode::kProtocol, "not smaps: {}", line);
    }
    vmas.push_back(*std::move(vma));
  }
  return vmas;
}

Result<std::vector<Vma>> ReadVmas(HostPid pid) {
  SSI_ASSIGN(std::string text,
             ReadFile(fmt::format("/proc/{}/smaps", Raw(pid))));
  return ParseSmaps(text);
}

Result<std::vector<Vma>> ReadVmaRanges(HostPid pid) {
  SSI_ASSIGN(std::string text,
             ReadFile(fmt::format("/proc/{}/maps", Raw(pid))));
  return ParseSmaps(text);  // the same lines, and nothing between them
}

std::optional<std::uint64_t> FindFree(const std::vector<Vma>& vmas,
                                      std::uint64_t size, std::uint64_t from,
                                      std::uint64_t limit) {
  // A stack area may grow down by the largest RLIMIT_STACK that is common, and
  // the kernel keeps 256 guard pages below it (mm/mmap.c, stack_guard_gap).
  constexpr std::uint64_t kStackRoom = std::uint64_t{1} << 30;
  std::uint64_t at = PageUp(from);
  for (const auto& vma : vmas) {
    std::uint64_t start = vma.start;
    if (vma.Has(kVmaGrowsDown)) {
      start -= std::min(start, kStackRoom);
    }
    if (vma.end <= at) {
      continue;
    }
    if (start >= at && start - at >= size) {
      break;
    }
    at = std::max(at, vma.end);
  }
  if (at > limit || limit - at < size) {
    return std::nullopt;
  }
  return at;
}

std::vector<Vma> PartsOutside(const Vma& vma,
                              const std::vector<MemoryRun>& runs) {
  std::vector<Vma> parts;
  std::uint64_t at = vma.start;
  auto add = [&](std::uint64_t end) {
    if (at < end) {
      Vma& part = parts.emplace_back(vma);
      part.start = at;
      part.end = end;
      part.offset = vma.offset + (at - vma.start);
    }
  };
  for (const auto& run : runs) {
    if (run.address < vma.end && run.address + run.size > at) {
      add(run.address);
      at = run.address + run.size;
    }
  }
  add(vma.end);
  return parts;
}

const Vma* FindVma(const std::vector<Vma>& vmas, std::uint64_t address) {
  auto after = std::upper_bound(
      vmas.begin(), vmas.end(), address,
      [](std::uint64_t a, const Vma& vma) { return a < vma.end; });
  if (after == vmas.end() || address < after->start) {
    return nullptr;
  }
  return &*after;
}

}  // namespace ssi
