#include "migration/compatibility.h"

#include <fmt/format.h>

#include "migration/image_wire.h"

namespace ssi::migration {

std::string CaptureVersion(std::uint32_t payload_version) {
  return fmt::format("{} (image {}, calls {})", SSI_VERSION, kImageFormat,
                     payload_version);
}

}  // namespace ssi::migration
