#ifndef SSI_PROCESS_LEAVE_VDSO_H_
#define SSI_PROCESS_LEAVE_VDSO_H_

#include <functional>
#include <vector>

#include "base/result.h"
#include "process/tracee.h"
#include "process/vmas.h"

namespace ssi {

// Lets a stopped thread finish a clock that it is reading in the vdso, step by
// step, before it is captured: that code is in the middle of time pages that
// are others elsewhere. Outside of a time namespace the second one is not there
// (SIGBUS); where the vdso leads to another one they are zeros.
// Stops before a `syscall` of the vdso, which depends on nothing. Signals stay
// pending meanwhile. The thread is stopped again afterwards, as before. kRetry
// where it takes too long.
Status LeaveVdso(const Tracee& tracee, const std::vector<Vma>& vmas);

// The same for any code: lets a stopped thread make steps while `goes_on` says
// so of where it is. Ends early where it faults.
using GoesOn = std::function<bool(RemoteAddr ip)>;
Status StepWhile(const Tracee& tracee, const GoesOn& goes_on);

}  // namespace ssi

#endif  // SSI_PROCESS_LEAVE_VDSO_H_
