#ifndef SSI_REMOTE_LOCAL_FILES_H_
#define SSI_REMOTE_LOCAL_FILES_H_

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "fs/hash_cache.h"
#include "process/image.h"
#include "process/memory.h"

namespace ssi {

// Files of this node that have the bytes of mapped home files: this node's own
// where size and SHA-256 agree, else memory files that home fills. Kept for
// the next hops of the same job, so that bytes travel once.
//
// Owner:   the guest supervisor.
// Threads: the loop's; WriteAt also from a bulk thread.
class LocalFiles {
 public:
  explicit LocalFiles(HashCache& hashes) : hashes_(hashes) {}

  // Finds or makes the file for `file`, of which the ranges `needed` (offset
  // and size) must be readable. True: its bytes are there already.
  Result<bool> Prepare(const MappedFile& file,
                       const std::vector<MemoryRun>& needed);
  // False where a file that was prepared has all its bytes here in any case.
  [[nodiscard]] bool Partial(const MappedFile& file) const;
  // Of a file that was prepared.
  [[nodiscard]] const UniqueFd* Find(const MappedFile& file) const;
  // Bytes of a file that Prepare said are missing.
  static Status WriteAt(int fd, std::uint64_t offset,
                        std::span<const std::byte> data);
  // After all that `needed` named has been written.
  void Filled(const MappedFile& file, const std::vector<MemoryRun>& needed);

 private:
  // What makes two home files the same bytes: not the id, which is new for
  // each process.
  struct Identity {
    std::string path;
    std::uint64_t device;
    std::uint64_t inode;
    std::uint64_t size;
    std::int64_t mtime_ns;
    std::int64_t ctime_ns;
    std::uint32_t kept_id;  // of a kept mapping: its contents are its own
    // A snapshot has a file of its own here, so that the inode tells which of
    // two mappings of the same file is shared at home.
    bool shared;
    auto operator<=>(const Identity&) const = default;
  };
  struct Entry {
    UniqueFd fd;
    bool whole = false;
    std::vector<MemoryRun> filled;
  };

  static Identity IdentityOf(const MappedFile& file);
  Result<UniqueFd> OpenIdentical(const MappedFile& file);

  HashCache& hashes_;
  std::map<Identity, Entry> entries_;
};

}  // namespace ssi

#endif  // SSI_REMOTE_LOCAL_FILES_H_
