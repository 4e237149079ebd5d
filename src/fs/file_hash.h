#ifndef SSI_FS_FILE_HASH_H_
#define SSI_FS_FILE_HASH_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/result.h"

namespace ssi {

// What identifies the contents of a file on one node as long as nobody lies
// about its times.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;
  std::int64_t ctime_ns = 0;
  auto operator<=>(const FileIdentity&) const = default;
};
// Of an open regular file; kInvalid for anything else.
Result<FileIdentity> IdentifyFile(int fd);

constexpr std::size_t kSha256Size = 32;
// SHA-256 of all of a file, through pread. Reads up to `size` bytes, blocks.
Result<std::string> Sha256OfFile(int fd, std::uint64_t size);
std::string Sha256Of(const void* data, std::size_t size);

}  // namespace ssi

#endif  // SSI_FS_FILE_HASH_H_
