#include "deputy/kept_file.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "process/kernel.h"

namespace ssi {

namespace {

constexpr std::uint64_t kDontNeedLocked = 24;  // MADV_DONTNEED_LOCKED

using Page = std::array<std::byte, kPageSize>;

bool ReadPage(const MemoryFile& memory, std::uint64_t at, Page& page) {
  return static_cast<bool>(memory.Read(RemoteAddr{at}, page));
}

// The end of the last page that can be read: a page beyond the end of the file
// cannot, a guard page before it neither.
std::uint64_t ReadableEnd(const MemoryFile& memory, const Vma& vma) {
  Page page;
  std::uint64_t end = vma.end;
  while (end > vma.start && !ReadPage(memory, end - kPageSize, page)) {
    end -= kPageSize;
  }
  return end;
}

std::uint64_t InFile(const Vma& vma, std::uint64_t address) {
  return vma.offset + (address - vma.start);
}

Status CopyPages(const MemoryFile& memory, const Vma& vma, KeptFile& kept) {
  Page page;
  kept.end = vma.offset;
  for (std::uint64_t at = vma.start; at < vma.end; at += kPageSize) {
    if (!ReadPage(memory, at, page)) {
      continue;
    }
    auto to = static_cast<off_t>(InFile(vma, at));
    if (::pwrite(kept.bytes.get(), page.data(), page.size(), to) !=
        static_cast<ssize_t>(page.size())) {
      return FailErrno(errno, "copy {}", vma.name);
    }
    kept.end = InFile(vma, at + kPageSize);
  }
  return {};
}

}  // namespace

void AddGiveUp(CallBatch& batch, const MemoryRun& run) {
  // EINVAL: the first is not for locked pages, and the second came with 5.18.
  batch.Add("madvise", SYS_madvise, {run.address, run.size, MADV_DONTNEED},
            EINVAL);
  batch.Add("madvise", SYS_madvise, {run.address, run.size, kDontNeedLocked},
            EINVAL);
}

Result<KeptFile> ReadKeptFile(HostPid pid, CallRunner& runner, const Vma& vma,
                              const std::vector<MemoryRun>& changed) {
  KeptFile kept;
  SSI_ASSIGN(auto memory, MemoryFile::Open(pid));
  bool readable = (vma.prot & PROT_READ) != 0;
  if (changed.empty() && readable) {
    kept.end = InFile(vma, ReadableEnd(memory, vma));
    return kept;
  }
  if (vma.Has(kVmaSealed)) {
    return Fail(ErrorCode::kUnsupported, "{} is sealed", vma.name);
  }
  SSI_ASSIGN(kept.bytes, MakeMemFd("ssi-kept"));
  std::vector<std::vector<std::byte>> own;
  for (const auto& run : changed) {
    own.emplace_back(run.size);
    SSI_TRY(memory.Read(RemoteAddr{run.address}, own.back()));
  }
  CallBatch batch(runner);
  for (const auto& run : changed) {
    AddGiveUp(batch, run);
  }
  auto status = batch.Flush();
  if (status) {
    status = CopyPages(memory, vma, kept);
  }
  for (std::size_t i = 0; i < changed.size(); ++i) {
    SSI_TRY(memory.Write(RemoteAddr{changed[i].address}, own[i]));
  }
  SSI_TRY(status);
  return kept;
}

}  // namespace ssi
