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

namespace {

wire::AskDetails OwnVdso() {
  wire::AskDetails details;
  HostPid self{::getpid()};
  auto vmas = ReadVmaRanges(self);
  if (!vmas) {
    return details;
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
  return details;
}

}  // namespace

void DescribeVdso(wire::AskDetails& details) {
  // The kernel gives a process its areas once.
  static const wire::AskDetails own = OwnVdso();
  details.MergeFrom(own);
}

bool SameVdso(const wire::AskDetails& details) {
  wire::AskDetails mine;
  DescribeVdso(mine);
  return std::equal(mine.vdso_sizes().begin(), mine.vdso_sizes().end(),
                    details.vdso_sizes().begin(), details.vdso_sizes().end()) &&
         mine.vdso_hash() == details.vdso_hash();
}

}  // namespace ssi::migration
