#ifndef SSI_DEPUTY_FOUND_H_
#define SSI_DEPUTY_FOUND_H_

#include <map>
#include <optional>
#include <set>

#include "base/ids.h"
#include "deputy/held_wait.h"
#include "deputy/held_write.h"
#include "process/image.h"
#include "process/registers.h"
#include "process/tracee.h"

namespace ssi {

// How this thread finds the threads of a process: all others are untraced.
struct Found {
  std::optional<HostPid> stopped;  // in a ptrace stop, with no signal in hand
  std::set<HostPid> running;       // traced: freezes before were given up
  // What some of those that run are in, and are traced for:
  std::map<HostPid, HeldWait> waits;
  std::map<HostPid, HeldWrite> writes;

  [[nodiscard]] bool Holds(HostPid thread) const {
    return waits.contains(thread) || writes.contains(thread);
  }
  // From a stop, whose registers are these: it goes on with a wait or with a
  // write that was cut short, and is traced for it. False where it was in
  // neither; then it stays in its stop.
  bool Hold(const Tracee& thread, const std::optional<WaitLeft>& wait,
            const Registers& registers);
  // From a stop in which it is about to make this call: one that the kernel
  // would end for a signal that the thread ignores, because it is traced. It
  // goes on, and is held until the call is over. False where it is no such
  // call; then it stays in its stop.
  bool HoldFromStart(HostPid process, const Tracee& thread, int number,
                     Nanos now);
  // A thread that runs, with what it is traced for.
  void TakeRunning(Found& from, HostPid thread);
  // Its call is over.
  void Release(HostPid thread);
  // It has ended.
  void Forget(HostPid thread);
};

}  // namespace ssi

#endif  // SSI_DEPUTY_FOUND_H_
