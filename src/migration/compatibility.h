// What must agree between two nodes beyond the protocol.
#ifndef SSI_MIGRATION_COMPATIBILITY_H_
#define SSI_MIGRATION_COMPATIBILITY_H_

#include <cstdint>
#include <string>

namespace ssi::migration {

// ssi's own version, the image format, and the version of call payloads.
std::string CaptureVersion(std::uint32_t payload_version);

}  // namespace ssi::migration

#endif  // SSI_MIGRATION_COMPATIBILITY_H_
