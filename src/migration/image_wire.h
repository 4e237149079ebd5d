// Images between processes and their form on the wire (proto/image.proto).
#ifndef SSI_MIGRATION_IMAGE_WIRE_H_
#define SSI_MIGRATION_IMAGE_WIRE_H_

#include "base/result.h"
#include "process/image.h"
#include "proto/image.pb.h"

namespace ssi::migration {

// Raised by every change that the other side must know of.
inline constexpr std::uint32_t kImageFormat = 4;

// More areas than the kernel's default limit (vm.max_map_count 65530) make no
// process, whatever a peer says.
inline constexpr int kMostAreas = 1 << 17;
inline constexpr int kMostThreads = 1 << 15;

void ToWire(const CapturedProcess& captured, wire::Image& out);
// Checks everything that later steps rely on: order, alignment and bounds of
// areas and contents, that contents lie inside areas, one thread, sizes of
// registers and tables. kProtocol otherwise. Of the memory only `contents` is
// there: the rest matters to who reads the pages.
Result<CapturedProcess> FromWire(const wire::Image& in);

void FileToWire(const MappedFile& file, wire::MappedFile& out);
MappedFile FileFromWire(const wire::MappedFile& in);

}  // namespace ssi::migration

#endif  // SSI_MIGRATION_IMAGE_WIRE_H_
