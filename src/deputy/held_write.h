#ifndef SSI_DEPUTY_HELD_WRITE_H_
#define SSI_DEPUTY_HELD_WRITE_H_

#include <cstdint>
#include <optional>

#include "base/result.h"
#include "process/image.h"
#include "process/registers.h"
#include "process/tracee.h"

namespace ssi {

// A thread at home whose write a move or a freeze has cut short: the rest is
// written, and then the call gives what it gives when nobody stops it. Traced
// until that is done. A signal with a handler ends it, as it does natively.
//
// Owner:   whoever has its thread in Found::writes.
// Threads: the tracer's.
class HeldWrite {
 public:
  // `cut`: as CutWrite says.
  explicit HeldWrite(const PendingCall& cut) : cut_(cut) {}

  // From a stop in which its registers say that the call gave `cut.done`. False
  // where nothing is left to write: it stays in its stop.
  Result<bool> Begin(const Tracee& tracee);
  // As HeldWait::OnStop.
  std::optional<int> OnStop(const Tracee& tracee, const Stop& stop);
  // At a stop of a freeze: puts its registers back to a call that gave what is
  // done by now. False where it must run on before that.
  bool Settle(const Tracee& tracee, const Stop& stop);

 private:
  // The part that is written next. False where there is none.
  bool NextPart(const Tracee& tracee);
  std::optional<int> OnResult(const Tracee& tracee);
  void WritePart(const Tracee& tracee);
  void Finish(const Tracee& tracee);
  [[nodiscard]] bool IsPart(const Registers& registers) const;

  PendingCall cut_;
  Registers saved_;
  MemoryRun part_{};
  bool in_call_ = false;
};

}  // namespace ssi

#endif  // SSI_DEPUTY_HELD_WRITE_H_
