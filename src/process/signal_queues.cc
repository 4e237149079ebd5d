#include "process/signal_queues.h"

#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/files.h"

namespace ssi {

namespace {

std::optional<std::uint64_t> SetIn(const std::string& status,
                                   std::string_view field) {
  auto at = status.find(field);
  if (at == std::string::npos) {
    return std::nullopt;
  }
  constexpr std::size_t kDigits = 16;
  return ParseNumber<std::uint64_t>(
      std::string_view(status).substr(at + field.size(), kDigits), 16);
}

}  // namespace

std::optional<SignalQueues> ReadSignalQueues(HostPid thread) {
  auto status = ReadFile(fmt::format("/proc/{}/status", Raw(thread)));
  if (!status) {
    return std::nullopt;
  }
  auto own = SetIn(*status, "\nSigPnd:\t");
  auto shared = SetIn(*status, "\nShdPnd:\t");
  auto blocked = SetIn(*status, "\nSigBlk:\t");
  if (!own || !shared || !blocked) {
    return std::nullopt;
  }
  return SignalQueues{*own | *shared, *blocked};
}

}  // namespace ssi
