// An image over the bulk connection: what the two bulk threads say.
//
//   sender                                   receiver
//     | kImage: wire::Image -------------------> |
//     | <------ kWanted: ids of mapped files     |   whose bytes it lacks
//     | kFile: bytes of one of them -----------> |   any number
//     | kPages: runs, and their bytes ---------> |   any number
//     | kEnd: checksum ------------------------> |
//     | <----------------- kGot: its checksum    |   all of it is in place
//
// Each record is a u32 type, a u32 length and that many bytes, little endian.
#ifndef SSI_MIGRATION_IMAGE_STREAM_H_
#define SSI_MIGRATION_IMAGE_STREAM_H_

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/result.h"
#include "migration/messages.h"
#include "process/image.h"
#include "proto/bulk_stream.h"

namespace ssi::migration {

// Where the bytes of a mapped file come from, at the sender.
struct FileSource {
  std::uint32_t id = 0;
  int fd = -1;                    // read from here, or
  std::vector<MemoryRun> memory;  // from these areas of the process,
  std::vector<std::uint64_t> at;  // which lie at these offsets of the file
  std::vector<MemoryRun> ranges;  // fd: which ranges are mapped
};

struct SendResult {
  Checksum checksum{};
  std::uint64_t bytes = 0;  // of pages and files
};

// `fd` tells where the bytes of a mapped file are here, or -1: then they are
// read from the process.
std::vector<FileSource> FileSourcesOf(
    const CapturedProcess& captured,
    const std::function<int(const MappedFile&)>& fd);

// Sends an image whose process `from` is frozen. Blocks; for a bulk thread.
// kGone where the stream breaks or the process dies.
Result<SendResult> StreamImage(proto::BulkStream& stream,
                               const CapturedProcess& captured, HostPid from,
                               const std::vector<FileSource>& files);

// The receiver's steps, each blocking, for a bulk thread. Between the first
// and the second the process is built.
Result<CapturedProcess> ReadImage(proto::BulkStream& stream);

struct Destination {
  HostPid process{};
  bool nowhere = false;               // read all the same, and forget
  std::vector<std::uint32_t> wanted;  // file ids
  // Writes bytes of a wanted file.
  std::function<Status(std::uint32_t id, std::uint64_t offset,
                       std::span<const std::byte>)>
      write_file;
};
// All contents into the process. `contents` is what the image announced: pages
// outside of it are a protocol error. Where they cannot be written the rest is
// read all the same, so that the stream can carry another image later.
Result<Checksum> ReadContents(proto::BulkStream& stream,
                              const std::vector<MemoryRun>& contents,
                              const Destination& destination);

}  // namespace ssi::migration

#endif  // SSI_MIGRATION_IMAGE_STREAM_H_
