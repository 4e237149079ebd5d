#include "migration/compatibility.h"

#include <unistd.h>

#include <algorithm>
#include <vector>

#include <xxhash.h>

#include "migration/image_wire.h"
#include "process/memory.h"
#include "process/vmas.h"

namespace ssi::migration {

std::string CaptureVersion(std::uint32_t payload_version) {
  return fmt::format("{} (image {}, calls {})", SSI_VERSION, kImageFormat,
                     payload_version);
}

void DescribeVdso(wire::AskDetails& details) {
  HostPid self{::getpid()};
  auto vmas = ReadVmas(self);
  if (!vmas) {
    return;
  }
  for (const auto& vma : *vmas) {
    if (vma.kind != Vma::Kind::kVvar && vma.kind != Vma::Kind::kVdso) {
      continue;
    }
    details.add_vdso_sizes(static_cast<std::uint32_t>(vma.size()));
    std::vector<std::byte> code(vma.size());
    if (vma.kind == Vma::Kind::kVdso &&
        ReadMemory(self, RemoteAddr{vma.start}, code)) {
      details.set_vdso_hash(XXH3_64bits(code.data(), code.size()));
    }
  }
}

bool SameVdso(const wire::AskDetails& details) {
  wire::AskDetails mine;
  DescribeVdso(mine);
  return std::equal(mine.vdso_sizes().begin(), mine.vdso_sizes().end(),
                    details.vdso_sizes().begin(), details.vdso_sizes().end()) &&
         mine.vdso_hash() == details.vdso_hash();
}

}  // namespace ssi::migration
