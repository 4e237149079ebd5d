#include "deputy/found.h"

#include "deputy/cut_short.h"

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
