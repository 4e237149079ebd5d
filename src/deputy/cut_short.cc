#include "deputy/cut_short.h"

#include <cerrno>

#include "process/kernel.h"
#include "supervisor/call_table.h"

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

}  // namespace ssi
