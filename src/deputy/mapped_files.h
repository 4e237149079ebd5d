#ifndef SSI_DEPUTY_MAPPED_FILES_H_
#define SSI_DEPUTY_MAPPED_FILES_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>

#include "base/result.h"
#include "base/unique_fd.h"
#include "fs/hash_cache.h"
#include "process/image.h"
#include "process/vmas.h"

namespace ssi {

// The home files that a process maps privately, each kept open so that it can
// be mapped again when the process comes home, whatever its name is by then.
//
// Owner:   the deputy of the process.
// Threads: the loop's.
class MappedFiles {
 public:
  // The file of a private mapping. Opens it by its path at its first sight and
  // checks that it is the same inode. kGone where that cannot be done (deleted,
  // replaced, not readable): such a mapping is kept in the stand-in. A file
  // that has changed since gets a new id: what it was is not what is mapped.
  Result<std::uint32_t> Find(const Vma& vma);
  // The regular file of a shared mapping that cannot be written to.
  Result<std::uint32_t> FindShared(const Vma& vma);
  // A file that the process mapped while it was away, shared or not; takes the
  // descriptor.
  Result<std::uint32_t> Add(UniqueFd fd, const std::string& path, bool shared);
  // A mapping that stays in the stand-in, of a file that ends at `size`.
  // `bytes`: a copy of it where it cannot be read from the stand-in's memory.
  std::uint32_t AddKept(const Vma& vma, std::uint64_t size, UniqueFd bytes);
  // Forgets them all: they are new at each departure.
  void DropKept();

  // Fills in its SHA-256, if it can be had and it is not larger than `limit`.
  void LearnHash(std::uint32_t id, HashCache& hashes, std::uint64_t limit);
  [[nodiscard]] const MappedFile* Get(std::uint32_t id) const;
  // Those that are not kept in the stand-in.
  [[nodiscard]] std::vector<const MappedFile*> All() const;
  // -1 for a kept one without a copy.
  [[nodiscard]] int fd(std::uint32_t id) const;

 private:
  [[nodiscard]] std::optional<std::uint32_t> Held(const Vma& vma) const;
  Result<std::uint32_t> Current(std::uint32_t id);

  struct Entry {
    MappedFile file;
    UniqueFd fd;
  };
  // Device and inode as /proc/PID/maps shows them, and the path: on stacked
  // file systems the numbers alone are not unique.
  using Identity =
      std::tuple<std::uint32_t, std::uint32_t, std::uint64_t, std::string>;

  std::map<Identity, std::uint32_t> by_identity_;
  std::map<std::uint32_t, Entry> entries_;
  std::uint32_t next_id_ = 1;
};

}  // namespace ssi

#endif  // SSI_DEPUTY_MAPPED_FILES_H_
