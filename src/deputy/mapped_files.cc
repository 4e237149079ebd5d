#include "deputy/mapped_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

namespace ssi {

namespace {

std::int64_t Nanoseconds(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

Result<MappedFile> Describe(const UniqueFd& fd, const std::string& path) {
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) {
    return FailErrno(errno, "stat {}", path);
  }
  MappedFile file;
  file.path = path;
  file.device = info.st_dev;
  file.inode = info.st_ino;
  file.size = static_cast<std::uint64_t>(info.st_size);
  file.mtime_ns = Nanoseconds(info.st_mtim);
  file.ctime_ns = Nanoseconds(info.st_ctim);
  return file;
}

}  // namespace

Result<std::uint32_t> MappedFiles::Find(const Vma& vma) {
  Identity identity{vma.device_major, vma.device_minor, vma.inode, vma.name};
  if (auto known = by_identity_.find(identity); known != by_identity_.end()) {
    return known->second;
  }
  if (vma.Deleted() || !vma.name.starts_with("/")) {
    return Fail(ErrorCode::kGone, "{} cannot be opened again", vma.name);
  }
  // O_NONBLOCK: should the name be a fifo by now, do not wait for a writer.
  auto fd = Open(vma.name, O_RDONLY | O_NONBLOCK);
  if (!fd) {
    return Fail(ErrorCode::kGone, "{}", fd.error().message);
  }
  SSI_ASSIGN(MappedFile file, Describe(*fd, vma.name));
  // The device is not compared: btrfs and overlayfs show another in maps.
  if (file.inode != vma.inode) {
    return Fail(ErrorCode::kGone, "{} is another file by now", vma.name);
  }
  file.id = next_id_++;
  std::uint32_t id = file.id;
  by_identity_[identity] = id;
  entries_[id] = Entry{std::move(file), *std::move(fd)};
  return id;
}

Result<std::uint32_t> MappedFiles::Add(UniqueFd fd, const std::string& path,
                                       bool shared) {
  SSI_ASSIGN(MappedFile file, Describe(fd, path));
  file.shared = shared;
  for (const auto& [id, entry] : entries_) {
    // A file that has changed since is another one: the bytes that were sent
    // are not its bytes any more.
    if (entry.fd.valid() && entry.file.device == file.device &&
        entry.file.inode == file.inode &&
        entry.file.mtime_ns == file.mtime_ns && entry.file.size == file.size &&
        entry.file.shared == shared) {
      return id;
    }
  }
  file.id = next_id_++;
  std::uint32_t id = file.id;
  entries_[id] = Entry{std::move(file), std::move(fd)};
  return id;
}

std::uint32_t MappedFiles::AddKept(const Vma& vma) {
  MappedFile file;
  file.id = next_id_++;
  file.path = vma.name;
  file.size = vma.offset + vma.size();
  std::uint32_t id = file.id;
  entries_[id] = Entry{std::move(file), UniqueFd()};
  return id;
}

void MappedFiles::LearnHash(std::uint32_t id, HashCache& hashes,
                            std::uint64_t limit) {
  auto entry = entries_.find(id);
  if (entry == entries_.end() || !entry->second.fd.valid() ||
      !entry->second.file.sha256.empty()) {
    return;
  }
  if (auto hash = hashes.HashOf(entry->second.fd.get(), limit)) {
    entry->second.file.sha256 = *hash;
  }
}

const MappedFile* MappedFiles::Get(std::uint32_t id) const {
  auto entry = entries_.find(id);
  return entry == entries_.end() ? nullptr : &entry->second.file;
}

int MappedFiles::fd(std::uint32_t id) const {
  auto entry = entries_.find(id);
  return entry == entries_.end() ? -1 : entry->second.fd.get();
}

}  // namespace ssi
