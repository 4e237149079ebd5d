// Calls that a stop for no signal at all ends early, which a program that
// nobody stops never sees: they are made again.
#ifndef SSI_DEPUTY_CUT_SHORT_H_
#define SSI_DEPUTY_CUT_SHORT_H_

#include <optional>

#include "base/result.h"
#include "process/image.h"
#include "process/registers.h"
#include "process/tracee.h"

namespace ssi {

// At a stop with no deliverable signal.
bool CutShort(const Registers& registers);
// Sets a call that was cut short to be made again as soon as it goes on.
Status MendCutShort(const Tracee& tracee);

// In a group-stop, or before one: a stop signal ends such calls natively, too
// (signal(7)), whatever stops for no signal follow.
Status KeepEintr(const Tracee& tracee);

// A write that has written a part into something where it waits for room (pipe,
// socket, terminal), and how much: natively only a signal ends it then.
std::optional<PendingCall> CutWrite(HostPid thread, const Registers& registers);

}  // namespace ssi

#endif  // SSI_DEPUTY_CUT_SHORT_H_
