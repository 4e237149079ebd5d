#include "process/signal_queues.h"

#include <fmt/format.h>

#include "base/files.h"
#include "process/status_text.h"

namespace ssi {

std::optional<SignalQueues> ReadSignalQueues(HostPid thread) {
  auto status = ReadFile(fmt::format("/proc/{}/status", Raw(thread)));
  if (!status) {
    return std::nullopt;
  }
  constexpr int kHexadecimal = 16;
  auto own = StatusNumber(*status, "SigPnd", kHexadecimal);
  auto shared = StatusNumber(*status, "ShdPnd", kHexadecimal);
  auto blocked = StatusNumber(*status, "SigBlk", kHexadecimal);
  if (!own || !shared || !blocked) {
    return std::nullopt;
  }
  return SignalQueues{*own | *shared, *blocked};
}

}  // namespace ssi
