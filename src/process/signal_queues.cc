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
  auto ignored = StatusNumber(*status, "SigIgn", kHexadecimal);
  auto caught = StatusNumber(*status, "SigCgt", kHexadecimal);
  if (!own || !shared || !blocked || !ignored || !caught) {
    return std::nullopt;
  }
  // By their default action (signal(7)).
  constexpr std::uint64_t kByDefault = SignalBit(SIGCHLD) | SignalBit(SIGURG) |
                                       SignalBit(SIGWINCH) | SignalBit(SIGCONT);
  return SignalQueues{*own | *shared, *blocked,
                      *ignored | (kByDefault & ~*caught)};
}

bool Ignores(HostPid thread, int signal) {
  auto queues = ReadSignalQueues(thread);
  return queues && queues->Ignores(signal);
}

}  // namespace ssi
