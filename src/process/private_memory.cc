#include "process/private_memory.h"

#include <string_view>

#include <fmt/format.h>

#include "base/files.h"

namespace ssi {

namespace {

// A line "Name:   NUMBER kB".
std::uint64_t Kilobytes(std::string_view status, std::string_view name) {
  auto at = status.find(name);
  if (at == std::string_view::npos) {
    return 0;
  }
  status.remove_prefix(at + name.size());
  status.remove_prefix(
      std::min(status.find_first_not_of(" \t"), status.size()));
  return ParseNumber<std::uint64_t>(status.substr(0, status.find(' ')))
      .value_or(0);
}

}  // namespace

std::uint64_t PrivateMemoryOf(HostPid thread) {
  auto status = ReadFile(fmt::format("/proc/{}/status", Raw(thread)));
  if (!status) {
    return 0;
  }
  return (Kilobytes(*status, "\nRssAnon:") + Kilobytes(*status, "\nVmSwap:"))
         << 10;
}

}  // namespace ssi
