#include "deputy/mapped_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
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

Result<UniqueFd> OpenAgain(const Vma& vma) {
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
  return fd;
}

}  // namespace

Result<std::uint32_t> MappedFiles::Find(const Vma& vma) {
  Identity identity{vma.device_major, vma.device_minor, vma.inode, vma.name};
  if (auto known = by_identity_.find(identity); known != by_identity_.end()) {
    SSI_ASSIGN(known->second, Current(known->second));
    return known->second;
  }
  if (auto held = Held(vma)) {
    return Current(*held);
  }
  SSI_ASSIGN(UniqueFd fd, OpenAgain(vma));
  SSI_ASSIGN(MappedFile file, Describe(fd, vma.name));
  file.id = next_id_++;
  std::uint32_t id = file.id;
  by_identity_[identity] = id;
  entries_[id] = Entry{std::move(file), std::move(fd)};
  return id;
}

Result<std::uint32_t> MappedFiles::FindShared(const Vma& vma) {
  SSI_ASSIGN(UniqueFd fd, OpenAgain(vma));
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    return Fail(ErrorCode::kGone, "{} is not a regular file", vma.name);
  }
  return Add(std::move(fd), vma.name, true);
}

// One that was opened under a name that is gone by now.
std::optional<std::uint32_t> MappedFiles::Held(const Vma& vma) const {
  auto held =
      std::find_if(entries_.rbegin(), entries_.rend(), [&vma](const auto& one) {
        const MappedFile& file = one.second.file;
        return file.inode == vma.inode && !file.shared &&
               file.device == makedev(vma.device_major, vma.device_minor);
      });
  return held == entries_.rend() ? std::nullopt : std::optional(held->first);
}

Result<std::uint32_t> MappedFiles::Current(std::uint32_t id) {
  const Entry& entry = entries_.at(id);
  SSI_ASSIGN(MappedFile now, Describe(entry.fd, entry.file.path));
  if (now.mtime_ns == entry.file.mtime_ns && now.size == entry.file.size) {
    return id;
  }
  UniqueFd fd(::fcntl(entry.fd.get(), F_DUPFD_CLOEXEC, 0));
  if (!fd.valid()) {
    return FailErrno(errno, "dup {}", entry.file.path);
  }
  now.id = next_id_++;
  std::uint32_t changed = now.id;
  entries_[changed] = Entry{std::move(now), std::move(fd)};
  return changed;
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

std::uint32_t MappedFiles::AddKept(const Vma& vma, std::uint64_t size,
                                   UniqueFd bytes) {
  MappedFile file;
  file.id = next_id_++;
  file.path = vma.name;
  file.size = size;
  std::uint32_t id = file.id;
  entries_[id] = Entry{std::move(file), std::move(bytes)};
  return id;
}

void MappedFiles::DropKept() {
  std::erase_if(entries_,
                [](const auto& one) { return one.second.file.inode == 0; });
}

void MappedFiles::LearnHash(std::uint32_t id, HashCache& hashes,
                            std::uint64_t limit) {
  auto entry = entries_.find(id);
  if (entry == entries_.end() || entry->second.file.inode == 0 ||
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

std::vector<const MappedFile*> MappedFiles::All() const {
  std::vector<const MappedFile*> all;
  for (const auto& [id, entry] : entries_) {
    if (entry.file.inode != 0) {
      all.push_back(&entry.file);
    }
  }
  return all;
}

int MappedFiles::fd(std::uint32_t id) const {
  auto entry = entries_.find(id);
  return entry == entries_.end() ? -1 : entry->second.fd.get();
}

}  // namespace ssi
