#include "deputy/cut_short.h"

#include <cerrno>

#include "process/file_kind.h"
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

Status KeepEintr(const Tracee& tracee) {
  SSI_ASSIGN(auto registers, tracee.GetRegisters());
  if (!registers.InCall() || registers.result() != -EINTR) {
    return {};
  }
  registers.FinishCall(-EINTR);
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
  mode_t kind = FileKind(thread, static_cast<int>(registers.args()[0]));
  bool waits = S_ISFIFO(kind) || S_ISSOCK(kind) || S_ISCHR(kind);
  return waits ? std::optional(PendingCall{registers.call_number(),
                                           registers.args(),
                                           std::chrono::nanoseconds(-1), done})
               : std::nullopt;
}

}  // namespace ssi
