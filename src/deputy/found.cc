#include "deputy/found.h"

#include "deputy/cut_short.h"
#include "deputy/sleep_mark.h"
#include "supervisor/call_table.h"

namespace ssi {

// One that cannot begin is dying.
bool Found::Hold(const Tracee& thread, const std::optional<WaitLeft>& wait,
                 const Registers& registers) {
  HostPid tid = thread.pid();
  if (wait && wait->IsMadeAgain(registers)) {
    running.insert(tid);
    (void)waits.emplace(tid, *wait).first->second.Begin(thread);
    return true;
  }
  auto cut = CutWrite(tid, registers);
  if (!cut) {
    return false;
  }
  HeldWrite write(*cut);
  auto begun = write.Begin(thread);
  if (begun && !*begun) {
    return false;
  }
  running.insert(tid);
  writes.emplace(tid, write);
  return true;
}

bool Found::HoldFromStart(HostPid process, const Tracee& thread, int number,
                          Nanos now) {
  constexpr Nanos kForEver = std::chrono::years(100);
  const auto* row = supervisor::FindCall(number);
  auto registers = thread.GetRegisters();
  if (row == nullptr || !row->Has(supervisor::kEintrAtFreeze) || !registers) {
    return false;
  }
  CallArgs args = registers->args();
  HostPid tid = thread.pid();
  Nanos limit = LimitNotKept(process, tid, number, args).value_or(kForEver);
  PendingCall call{static_cast<std::uint64_t>(number), args, limit};
  running.insert(tid);
  (void)waits.emplace(tid, WaitLeft{call, now + limit})
      .first->second.Begin(thread);
  return true;
}

void Found::TakeRunning(Found& from, HostPid thread) {
  running.insert(thread);
  waits.insert(from.waits.extract(thread));
  writes.insert(from.writes.extract(thread));
}

void Found::Release(HostPid thread) {
  waits.erase(thread);
  writes.erase(thread);
}

void Found::Forget(HostPid thread) {
  running.erase(thread);
  Release(thread);
}

}  // namespace ssi
