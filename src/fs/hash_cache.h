#ifndef SSI_FS_HASH_CACHE_H_
#define SSI_FS_HASH_CACHE_H_

#include <map>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "fs/file_hash.h"

namespace ssi {

// SHA-256 of files, computed once for each identity and kept in a file that
// all runtime processes of one node and user share.
//
// The file is a row of fixed records, only ever appended to by single writes:
// FileIdentity (40 bytes), SHA-256 (32), XXH64 of both (8, against a torn end).
// It is made anew when it has grown past kMostRecords.
//
// Owner:   each supervisor has its own view of the file.
// Threads: one.
// Errors:  an unusable file is no error: hashes are then computed each time.
class HashCache {
 public:
  static constexpr std::size_t kMostRecords = 1 << 16;

  // `path` in the node's runtime folder.
  explicit HashCache(const std::string& path);

  // Of an open regular file; computes it where it is not known. Files larger
  // than `limit` are not hashed: kUnsupported.
  Result<std::string> HashOf(int fd, std::uint64_t limit);

 private:
  void Load();
  void Append(const FileIdentity& identity, const std::string& hash);

  UniqueFd file_;
  std::uint64_t loaded_ = 0;  // bytes of the file that are in known_
  std::map<FileIdentity, std::string> known_;
};

}  // namespace ssi

#endif  // SSI_FS_HASH_CACHE_H_
