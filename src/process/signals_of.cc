#include "process/signals_of.h"

#include <string>
#include <string_view>

#include "base/files.h"

namespace ssi {

namespace {

Result<std::uint64_t> Field(std::string_view status, std::string_view name) {
  constexpr std::size_t kDigits = 16;
  constexpr int kBase = 16;
  auto at = status.find(name);
  if (at == std::string_view::npos) {
    return Fail(ErrorCode::kProtocol, "no {} in /proc/PID/status", name);
  }
  auto value = ParseNumber<std::uint64_t>(
      status.substr(at + name.size(), kDigits), kBase);
  if (!value) {
    return Fail(ErrorCode::kProtocol, "{} of /proc/PID/status", name);
  }
  return *value;
}

}  // namespace

Result<SignalsOf> ReadSignalsOf(HostPid pid) {
  SSI_ASSIGN(std::string status,
             ReadFile(fmt::format("/proc/{0}/task/{0}/status", Raw(pid))));
  SignalsOf found;
  SSI_ASSIGN(std::uint64_t thread, Field(status, "SigPnd:\t"));
  SSI_ASSIGN(std::uint64_t process, Field(status, "ShdPnd:\t"));
  SSI_ASSIGN(found.blocked, Field(status, "SigBlk:\t"));
  found.pending = thread | process;
  return found;
}

}  // namespace ssi
