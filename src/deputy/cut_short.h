// Calls that a stop for no signal at all ends early, which a program that
// nobody stops never sees: they are made again.
#ifndef SSI_DEPUTY_CUT_SHORT_H_
#define SSI_DEPUTY_CUT_SHORT_H_

#include "base/result.h"
#include "process/registers.h"
#include "process/tracee.h"

namespace ssi {

// At a stop with no deliverable signal.
bool CutShort(const Registers& registers);
// Sets a call that was cut short to be made again as soon as it goes on.
Status MendCutShort(const Tracee& tracee);

}  // namespace ssi

#endif  // SSI_DEPUTY_CUT_SHORT_H_
