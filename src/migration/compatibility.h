// What must agree between two nodes beyond the protocol.
#ifndef SSI_MIGRATION_COMPATIBILITY_H_
#define SSI_MIGRATION_COMPATIBILITY_H_

#include <cstdint>
#include <string>

#include "proto/session.pb.h"

namespace ssi::migration {

// ssi's own version, the image format, and the version of call payloads.
std::string CaptureVersion(std::uint32_t payload_version);

// The kernel's own areas of this process: their sizes in order, and a hash of
// the vdso. Written into an ask.
void DescribeVdso(wire::AskDetails& details);
// Whether this process's kernel areas are the same as those described.
bool SameVdso(const wire::AskDetails& details);

}  // namespace ssi::migration

#endif  // SSI_MIGRATION_COMPATIBILITY_H_
