#include "fs/hash_cache.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include <xxhash.h>

namespace ssi {

namespace {

struct Record {
  FileIdentity identity;
  std::array<char, kSha256Size> hash;
  std::uint64_t check = 0;

  [[nodiscard]] std::uint64_t Check() const {
    return XXH64(this, offsetof(Record, check), 0);
  }
};
static_assert(sizeof(Record) == 80);

}  // namespace

HashCache::HashCache(const std::string& path) {
  auto file = Open(path, O_RDWR | O_CREAT | O_APPEND, 0600);
  if (file) {
    file_ = *std::move(file);
    if (::lseek(file_.get(), 0, SEEK_END) >
        static_cast<off_t>(kMostRecords * sizeof(Record))) {
      (void)!::ftruncate(file_.get(), 0);
    }
    Load();
  }
}

void HashCache::Load() {
  if (!file_.valid()) {
    return;
  }
  std::vector<Record> records(256);
  for (;;) {
    ssize_t n =
        ::pread(file_.get(), records.data(), records.size() * sizeof(Record),
                static_cast<off_t>(loaded_));
    if (n < static_cast<ssize_t>(sizeof(Record))) {
      return;
    }
    auto count = static_cast<std::size_t>(n) / sizeof(Record);
    for (std::size_t i = 0; i < count; ++i) {
      if (records[i].check == records[i].Check()) {
        known_[records[i].identity] =
            std::string(records[i].hash.data(), records[i].hash.size());
      }
    }
    loaded_ += count * sizeof(Record);
  }
}

void HashCache::Append(const FileIdentity& identity, const std::string& hash) {
  known_[identity] = hash;
  if (!file_.valid()) {
    return;
  }
  Record record{identity, {}, 0};
  std::memcpy(record.hash.data(), hash.data(), record.hash.size());
  record.check = record.Check();
  // A full disk leaves a torn record, which its check gives away.
  (void)!::write(file_.get(), &record, sizeof record);
}

Result<std::string> HashCache::HashOf(int fd, std::uint64_t limit) {
  SSI_ASSIGN(FileIdentity identity, IdentifyFile(fd));
  if (identity.size > limit) {
    return Fail(ErrorCode::kUnsupported, "file of {} bytes", identity.size);
  }
  auto known = known_.find(identity);
  if (known == known_.end()) {
    Load();  // another process may have computed it meanwhile
    known = known_.find(identity);
  }
  if (known != known_.end()) {
    return known->second;
  }
  SSI_ASSIGN(std::string hash, Sha256OfFile(fd, identity.size));
  // Only if nobody wrote to it meanwhile.
  SSI_ASSIGN(FileIdentity after, IdentifyFile(fd));
  if (after == identity) {
    Append(identity, hash);
  }
  return hash;
}

}  // namespace ssi
