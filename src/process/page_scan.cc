#include "process/page_scan.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/files.h"
#include "base/taken_away.h"
#include "process/kernel.h"

namespace ssi {

namespace {

void AppendRun(std::vector<MemoryRun>& runs, std::uint64_t start,
               std::uint64_t end) {
  if (!runs.empty() && runs.back().address + runs.back().size == start) {
    runs.back().size += end - start;
  } else {
    runs.push_back({start, end - start});
  }
}

// Bits of a pagemap entry (Documentation/admin-guide/mm/pagemap.rst).
constexpr std::uint64_t kEntryPresent = std::uint64_t{1} << 63;
constexpr std::uint64_t kEntrySwapped = std::uint64_t{1} << 62;
constexpr std::uint64_t kEntryFile = std::uint64_t{1} << 61;

}  // namespace

Result<PageScanner> PageScanner::Open(HostPid pid, Method method) {
  SSI_ASSIGN(UniqueFd fd,
             ssi::Open(fmt::format("/proc/{}/pagemap", Raw(pid)), O_RDONLY));
  return PageScanner(
      std::move(fd), pid,
      IsTakenAway("pagemap_scan") ? Method::kPagemapRead : method);
}

Status PageScanner::Scan(const Vma& vma, ScannedPages& pages) const {
  if (method_ == Method::kPagemapRead) {
    return ScanByRead(vma, pages);
  }
  auto status = ScanByIoctl(vma, pages);
  if (!status && status.error().sys_errno == ENOTTY) {
    return ScanByRead(vma, pages);  // before Linux 6.7
  }
  return status;
}

Status PageScanner::ScanByIoctl(const Vma& vma, ScannedPages& pages) const {
  std::array<PageRegion, 512> regions;
  PagemapScanArg scan{};
  scan.size = sizeof scan;
  scan.start = vma.start;
  scan.end = vma.end;
  scan.vec = reinterpret_cast<std::uint64_t>(regions.data());
  scan.vec_len = regions.size();
  scan.category_anyof_mask = kPageIsPresent | kPageIsSwapped;
  scan.category_mask = kPageIsPfnZero;
  scan.category_inverted = kPageIsPfnZero;
  if (vma.kind == Vma::Kind::kFile) {
    scan.category_mask |= kPageIsFile;
    scan.category_inverted |= kPageIsFile;
  }
  scan.return_mask = kPageIsGuard;
  // One call can end early though the vector has room (seen on 6.18), so loop
  // on walk_end.
  while (scan.start < scan.end) {
    int count = ::ioctl(fd_.get(), kPagemapScan, &scan);
    if (count < 0 && errno == EINVAL && scan.return_mask != 0) {
      scan.return_mask = 0;  // before 6.15 there is no guard category
      continue;
    }
    if (count < 0) {
      return FailErrno(errno, "PAGEMAP_SCAN");
    }
    for (int i = 0; i < count; ++i) {
      const auto& region = regions[static_cast<std::size_t>(i)];
      bool guard = (region.categories & kPageIsGuard) != 0;
      AppendRun(guard ? pages.guards : pages.contents, region.start,
                region.end);
    }
    scan.start = scan.walk_end;
  }
  return {};
}

bool PageScanner::LargeAndEmpty(const Vma& vma) const {
  constexpr std::uint64_t kLarge = std::uint64_t{1} << 30;
  if (vma.size() < kLarge) {
    return false;
  }
  auto text = ReadFile(fmt::format("/proc/{}/smaps", Raw(pid_)));
  if (!text) {
    return false;
  }
  // The area's lines, up to VmFlags, which is the last (proc_pid_smaps(5)).
  std::string_view rest(*text);
  auto begin = rest.find(fmt::format("{:08x}-{:08x} ", vma.start, vma.end));
  if (begin == std::string_view::npos) {
    return false;
  }
  rest = rest.substr(begin, rest.find("VmFlags:", begin) - begin);
  auto is_zero = [rest](std::string_view name) {
    auto at = rest.find(name);
    return at != std::string_view::npos &&
           rest.substr(rest.find_first_not_of(' ', at + name.size()))
               .starts_with("0 kB");
  };
  return is_zero("\nRss:") && is_zero("\nSwap:");
}

Status PageScanner::ScanByRead(const Vma& vma, ScannedPages& pages) const {
  if (LargeAndEmpty(vma)) {
    return {};
  }
  std::array<std::uint64_t, 2048> entries;
  std::uint64_t at = vma.start;
  while (at < vma.end) {
    std::uint64_t wanted =
        std::min<std::uint64_t>(entries.size(), (vma.end - at) / kPageSize);
    ssize_t n = ::pread(fd_.get(), entries.data(), wanted * 8,
                        static_cast<off_t>(at / kPageSize * 8));
    if (n <= 0) {
      return FailErrno(n < 0 ? errno : EIO, "read pagemap");
    }
    auto count = static_cast<std::size_t>(n) / 8;
    for (std::size_t i = 0; i < count; ++i, at += kPageSize) {
      std::uint64_t entry = entries[i];
      if ((entry & kPagemapGuardBit) != 0) {
        AppendRun(pages.guards, at, at + kPageSize);
        continue;
      }
      bool there = (entry & (kEntryPresent | kEntrySwapped)) != 0;
      bool own = vma.kind != Vma::Kind::kFile || (entry & kEntryFile) == 0;
      if (there && own) {
        AppendRun(pages.contents, at, at + kPageSize);
      }
    }
  }
  return {};
}

}  // namespace ssi
