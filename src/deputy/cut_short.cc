#include "deputy/cut_short.h"

#include <sys/stat.h>

#include <cerrno>
#include <string>

#include "process/kernel.h"
#include "supervisor/call_table.h"
#include "supervisor/process_memory.h"
#include "supervisor/transfers.h"

namespace ssi {

bool CutShort(const Registers& registers) {
  if (!registers.InCall()) {
    return false;
  }
  const auto* row =
      supervisor::FindCall(static_cast<int>(registers.call_number()));
  return registers.RandomCutShort() ||
         (registers.result() == -EINTR && row != nullptr &&
          row->Has(supervisor::kEintrAtFreeze));
}

Status MendCutShort(const Tracee& tracee) {
  SSI_ASSIGN(auto registers, tracee.GetRegisters());
  if (!CutShort(registers)) {
    return {};
  }
  registers.SetInterrupted(registers.call_number(), kRestartNoHand);
  return tracee.SetRegisters(registers);
}

std::optional<PendingCall> CutWrite(HostPid thread,
                                    const Registers& registers) {
  if (!registers.InCall() || registers.result() <= 0) {
    return std::nullopt;
  }
  ProcessMemory memory(thread);
  auto done = static_cast<std::uint64_t>(registers.result());
  std::uint64_t total = 0;
  for (const auto& range :
       supervisor::RangesToWrite(static_cast<int>(registers.call_number()),
                                 registers.args(), memory)) {
    total += range.length;
  }
  if (done >= total) {
    return std::nullopt;
  }
  struct stat info {};
  std::string file = fmt::format("/proc/{}/fd/{}", Raw(thread),
                                 static_cast<int>(registers.args()[0]));
  bool waits = ::stat(file.c_str(), &info) == 0 &&
               (S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode) ||
                S_ISCHR(info.st_mode));
  return waits ? std::optional(PendingCall{registers.call_number(),
                                           registers.args(),
                                           std::chrono::nanoseconds(-1), done})
               : std::nullopt;
}

}  // namespace ssi
