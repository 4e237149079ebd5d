#include "process/private_memory.h"

#include <fmt/format.h>

#include "base/files.h"
#include "process/status_text.h"

namespace ssi {

std::uint64_t PrivateMemoryOf(HostPid thread) {
  auto status = ReadFile(fmt::format("/proc/{}/status", Raw(thread)));
  if (!status) {
    return 0;
  }
  return (StatusNumber(*status, "RssAnon").value_or(0) +
          StatusNumber(*status, "VmSwap").value_or(0))
         << 10;
}

}  // namespace ssi
