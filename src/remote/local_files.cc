#include "remote/local_files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace ssi {

namespace {

// Larger files are fetched in the part that is mapped rather than read whole
// to be compared.
constexpr std::uint64_t kMostHashed = std::uint64_t{256} << 20;

bool Covers(const std::vector<MemoryRun>& filled, const MemoryRun& needed) {
  return std::any_of(filled.begin(), filled.end(), [&](const MemoryRun& run) {
    return run.address <= needed.address &&
           needed.address + needed.size <= run.address + run.size;
  });
}

}  // namespace

LocalFiles::Identity LocalFiles::IdentityOf(const MappedFile& file) {
  bool kept = file.inode == 0;
  return {file.path,     file.device,   file.inode,         file.size,
          file.mtime_ns, file.ctime_ns, kept ? file.id : 0, file.shared};
}

Result<UniqueFd> LocalFiles::OpenIdentical(const MappedFile& file) {
  if (file.sha256.empty() || file.shared) {
    return Fail(ErrorCode::kUnsupported, "home does not know its hash");
  }
  SSI_ASSIGN(UniqueFd fd, Open(file.path, O_RDONLY | O_NONBLOCK));
  SSI_ASSIGN(FileIdentity identity, IdentifyFile(fd.get()));
  if (identity.size != file.size) {
    return Fail(ErrorCode::kUnsupported, "another size");
  }
  SSI_ASSIGN(std::string hash, hashes_.HashOf(fd.get(), kMostHashed));
  if (hash != file.sha256) {
    return Fail(ErrorCode::kUnsupported, "other contents");
  }
  return fd;
}

Result<bool> LocalFiles::Prepare(const MappedFile& file,
                                 const std::vector<MemoryRun>& needed) {
  Identity identity = IdentityOf(file);
  auto known = entries_.find(identity);
  if (known == entries_.end()) {
    Entry entry;
    if (auto same = OpenIdentical(file)) {
      entry.fd = *std::move(same);
      entry.whole = true;
    } else {
      SSI_ASSIGN(entry.fd, MakeMemFd("ssi-file", MFD_ALLOW_SEALING));
      if (::ftruncate(entry.fd.get(), static_cast<off_t>(file.size)) != 0) {
        return FailErrno(errno, "memory for a file of {} bytes", file.size);
      }
    }
    known = entries_.emplace(identity, std::move(entry)).first;
  }
  const Entry& entry = known->second;
  return entry.whole ||
         std::all_of(needed.begin(), needed.end(), [&](const MemoryRun& run) {
           return Covers(entry.filled, run);
         });
}

bool LocalFiles::Partial(const MappedFile& file) const {
  auto known = entries_.find(IdentityOf(file));
  return known != entries_.end() && !known->second.whole;
}

const UniqueFd* LocalFiles::Find(const MappedFile& file) const {
  auto known = entries_.find(IdentityOf(file));
  return known == entries_.end() ? nullptr : &known->second.fd;
}

Status LocalFiles::WriteAt(int fd, std::uint64_t offset,
                           std::span<const std::byte> data) {
  while (!data.empty()) {
    ssize_t n =
        ::pwrite(fd, data.data(), data.size(), static_cast<off_t>(offset));
    if (n <= 0) {
      return FailErrno(n < 0 ? errno : EIO, "write a memory file");
    }
    data = data.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return {};
}

void LocalFiles::Filled(const MappedFile& file,
                        const std::vector<MemoryRun>& needed) {
  auto known = entries_.find(IdentityOf(file));
  if (known != entries_.end() && !known->second.whole) {
    auto& filled = known->second.filled;
    filled.insert(filled.end(), needed.begin(), needed.end());
  }
}

}  // namespace ssi
