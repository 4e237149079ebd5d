// Probes of memory: which pages have contents, where things lie, what a fresh
// process executes.
#include <elf.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <optional>

#include "base/unique_fd.h"
#include "node/check_probes.h"
#include "node/probe_helper.h"
#include "process/agent_site.h"
#include "process/kernel.h"
#include "process/page_scan.h"
#include "process/stat_fields.h"
#include "process/vmas.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U  // NOLINT: the kernel's name (Linux 6.3)
#endif

namespace ssi::probes {

namespace {

constexpr std::size_t kPages = 4;
constexpr std::size_t kUsedPage = 2;

// kPages pages of ours; only kUsedPage has been written to.
Result<std::byte*> MapPages() {
  void* at = ::mmap(nullptr, kPages * kPageSize, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) {
    return FailErrno(errno, "mmap");
  }
  // One huge page would be all of them.
  ::madvise(at, kPages * kPageSize, MADV_NOHUGEPAGE);
  auto* pages = static_cast<std::byte*>(at);
  pages[kUsedPage * kPageSize] = std::byte{1};
  return pages;
}

std::uint64_t AddressOf(const void* pointer) {
  return reinterpret_cast<std::uint64_t>(pointer);
}

bool IsUsedPage(const std::byte* pages, std::uint64_t start,
                std::uint64_t end) {
  std::uint64_t page = AddressOf(pages) + kUsedPage * kPageSize;
  return start == page && end == page + kPageSize;
}

// uapi/linux/userfaultfd.h and fs.h of Linux 6.7.
constexpr std::uint64_t kUffdWpUnpopulated = 1U << 13;
constexpr std::uint64_t kUffdWpAsync = 1U << 15;
constexpr int kUffdUserModeOnly = 1;
constexpr std::uint64_t kScanWpMatching = 1U << 0;
constexpr std::uint64_t kScanCheckWpAsync = 1U << 1;
constexpr std::uint64_t kPageIsWritten = 1U << 1;

// Scans the pages; the first run of those in `category`, and how many runs.
Result<std::pair<int, PageRegion>> ScanPages(const std::byte* pages,
                                             std::uint64_t category,
                                             std::uint64_t flags) {
  SSI_ASSIGN(UniqueFd file, Open("/proc/self/pagemap", O_RDONLY));
  std::array<PageRegion, kPages> regions{};
  PagemapScanArg scan{};
  scan.size = sizeof scan;
  scan.flags = flags;
  scan.start = AddressOf(pages);
  scan.end = scan.start + kPages * kPageSize;
  scan.vec = AddressOf(regions.data());
  scan.vec_len = regions.size();
  scan.category_mask = category;
  scan.return_mask = category;
  int count = ::ioctl(file.get(), kPagemapScan, &scan);
  if (count < 0) {
    return FailErrno(errno, "PAGEMAP_SCAN");
  }
  return std::pair(count, regions[0]);
}

// Write protection that clears itself, on the pages.
Result<UniqueFd> TrackWrites(const std::byte* pages) {
  UniqueFd uffd(static_cast<int>(
      ::syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | kUffdUserModeOnly)));
  if (!uffd.valid()) {
    return FailErrno(errno, "userfaultfd");
  }
  uffdio_api api{};
  api.api = UFFD_API;
  api.features = kUffdWpAsync | kUffdWpUnpopulated;
  if (::ioctl(uffd.get(), UFFDIO_API, &api) != 0) {
    return FailErrno(errno, "userfaultfd: WP_ASYNC");
  }
  uffdio_register range{};
  range.range = {AddressOf(pages), kPages * kPageSize};
  range.mode = UFFDIO_REGISTER_MODE_WP;
  if (::ioctl(uffd.get(), UFFDIO_REGISTER, &range) != 0) {
    return FailErrno(errno, "userfaultfd: register");
  }
  return uffd;
}

// A static program of one page whose only act is exit(kExitCode).
constexpr int kExitCode = 47;
struct TinyProgram {
  Elf64_Ehdr header{};
  Elf64_Phdr segment{};
  // mov $60, %eax (exit); mov $kExitCode, %edi; syscall
  std::array<unsigned char, 12> code = {0xb8,      60, 0, 0, 0,    0xbf,
                                        kExitCode, 0,  0, 0, 0x0f, 0x05};
};

TinyProgram MakeTinyProgram() {
  constexpr std::uint64_t kBase = 0x400000;
  TinyProgram program;
  Elf64_Ehdr& header = program.header;
  constexpr std::array<unsigned char, 7> kIdent = {
      ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT};
  std::copy(kIdent.begin(), kIdent.end(), header.e_ident);
  header.e_type = ET_EXEC;
  header.e_machine = EM_X86_64;
  header.e_version = EV_CURRENT;
  header.e_entry = kBase + offsetof(TinyProgram, code);
  header.e_phoff = offsetof(TinyProgram, segment);
  header.e_ehsize = sizeof header;
  header.e_phentsize = sizeof program.segment;
  header.e_phnum = 1;
  program.segment.p_type = PT_LOAD;
  program.segment.p_flags = PF_R | PF_X;
  program.segment.p_vaddr = kBase;
  program.segment.p_filesz = sizeof program;
  program.segment.p_memsz = sizeof program;
  program.segment.p_align = kPageSize;
  return program;
}

std::vector<Vma> KernelPages(const std::vector<Vma>& vmas) {
  std::vector<Vma> found;
  std::copy_if(
      vmas.begin(), vmas.end(), std::back_inserter(found), [](const Vma& vma) {
        return vma.kind == Vma::Kind::kVdso || vma.kind == Vma::Kind::kVvar;
      });
  return found;
}

}  // namespace

Result<Found> PageTable() {
  SSI_ASSIGN(std::byte * pages, MapPages());
  SSI_ASSIGN(auto scanner,
             PageScanner::Open(HostPid{::getpid()},
                               PageScanner::Method::kPagemapRead));
  Vma vma;
  vma.start = AddressOf(pages);
  vma.end = vma.start + kPages * kPageSize;
  ScannedPages found;
  SSI_TRY(scanner.Scan(vma, found));
  if (found.contents.size() != 1 ||
      !IsUsedPage(pages, found.contents[0].address,
                  found.contents[0].address + found.contents[0].size)) {
    return Fail(ErrorCode::kUnsupported, "it does not show a page in use");
  }
  return Found{};
}

Result<Found> PageTableScan() {
  SSI_ASSIGN(std::byte * pages, MapPages());
  SSI_ASSIGN(auto found, ScanPages(pages, kPageIsPresent, 0));
  if (found.first != 1 ||
      !IsUsedPage(pages, found.second.start, found.second.end)) {
    return Fail(ErrorCode::kUnsupported, "it does not show a page in use");
  }
  return Found{};
}

Result<Found> DirtyTracking() {
  SSI_ASSIGN(std::byte * pages, MapPages());
  SSI_ASSIGN(UniqueFd uffd, TrackWrites(pages));
  SSI_TRY(
      ScanPages(pages, kPageIsWritten, kScanWpMatching | kScanCheckWpAsync));
  SSI_ASSIGN(auto before, ScanPages(pages, kPageIsWritten, 0));
  pages[kUsedPage * kPageSize] = std::byte{2};
  SSI_ASSIGN(auto after, ScanPages(pages, kPageIsWritten, 0));
  if (before.first != 0 || after.first != 1 ||
      !IsUsedPage(pages, after.second.start, after.second.end)) {
    return Fail(ErrorCode::kUnsupported, "it does not show what was written");
  }
  return Found{};
}

// Sets the addresses that this process has.
Result<Found> MemoryLayout() {
  SSI_ASSIGN(auto stat, StatFields::Read(HostPid{::getpid()}));
  auto field = [&stat](std::size_t number) {
    return stat.Unsigned(number).value_or(0);
  };
  // Field numbers: proc(5).
  prctl_mm_map map{};
  map.start_code = field(26);
  map.end_code = field(27);
  map.start_stack = field(28);
  map.start_data = field(45);
  map.end_data = field(46);
  map.start_brk = field(47);
  map.arg_start = field(48);
  map.arg_end = field(49);
  map.env_start = field(50);
  map.env_end = field(51);
  map.brk = static_cast<std::uint64_t>(::syscall(SYS_brk, 0));
  map.exe_fd = ~0U;  // -1 needs no privilege
  if (::prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0) != 0) {
    return FailErrno(errno, "PR_SET_MM_MAP");
  }
  return Found{};
}

// A child moves its own; we look where it is then. The child's C library would
// find nothing where the vdso was, so it makes system calls only.
Result<Found> MovedVdso() {
  SSI_ASSIGN(auto vmas, ReadVmas(HostPid{::getpid()}));
  auto areas = KernelPages(vmas);
  if (areas.empty()) {
    return Fail(ErrorCode::kUnsupported, "there is none");
  }
  std::uint64_t start = areas.front().start;
  auto free = FindFree(vmas, areas.back().end - start, kSiteFrom, kSiteLimit);
  if (!free) {
    return Fail(ErrorCode::kUnsupported, "no room");
  }
  SSI_ASSIGN(auto helper, Helper::Start([&](int socket) -> int {
               std::int64_t error = 0;
               for (const auto& area : areas) {
                 if (::syscall(SYS_mremap, area.start, area.size(), area.size(),
                               MREMAP_MAYMOVE | MREMAP_FIXED,
                               *free + (area.start - start)) < 0) {
                   error = errno;
                   break;
                 }
               }
               (void)SendNumber(socket, error);
               ::pause();
               return 0;
             }));
  SSI_ASSIGN(std::int64_t error, ReceiveNumber(helper.socket()));
  if (error != 0) {
    return FailErrno(static_cast<int>(error), "mremap{}",
                     areas.front().Has(kVmaSealed) ? " of sealed pages" : "");
  }
  SSI_ASSIGN(auto moved, ReadVmas(helper.pid()));
  auto there = KernelPages(moved);
  if (there.size() != areas.size() || there.front().start != *free) {
    return Fail(ErrorCode::kUnsupported, "it is not where it was moved to");
  }
  return Found{};
}

Result<Found> ExecutedMemory() {
  auto file = MakeMemFd("ssi-check", MFD_EXEC);
  if (!file && file.error().sys_errno == EINVAL) {
    file = MakeMemFd("ssi-check");  // before 6.3 all are executable
  }
  if (!file) {
    return std::unexpected(file.error());
  }
  TinyProgram program = MakeTinyProgram();
  SSI_TRY(WriteAll(file->get(), &program, sizeof program));
  SSI_ASSIGN(
      auto helper, Helper::Start([&file](int) -> int {
        const std::array<const char*, 2> arguments = {"ssi-check", nullptr};
        const char* no_environment = nullptr;
        ::syscall(SYS_execveat, file->get(), "", arguments.data(),
                  &no_environment, AT_EMPTY_PATH);
        return errno;
      }));
  SSI_ASSIGN(int code, helper.ExitCode());
  if (code != kExitCode) {
    return FailErrno(code, "execveat of a memfd");
  }
  return Found{};
}

}  // namespace ssi::probes
