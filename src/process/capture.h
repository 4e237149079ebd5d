// Reading the user context of a stopped process into an image.
#ifndef SSI_PROCESS_CAPTURE_H_
#define SSI_PROCESS_CAPTURE_H_

#include <vector>

#include "base/result.h"
#include "process/call_runner.h"
#include "process/image.h"
#include "process/tracee.h"
#include "process/vmas.h"

namespace ssi {

// What ptrace tells of a stopped thread, without executing anything in it. To
// be called before the first injected call, because of the following.
//
// A restartable sequence (rseq(2)) must not go on where another CPU's data may
// be under it: a thread inside one gets its ip set to the abort handler, as the
// kernel does at a migration, in the image and in the tracee. `tracee` is
// stopped in the signal path.
Result<ThreadImage> CaptureThread(const Tracee& tracee, HomePid tid);

// /proc/PID/stat, auxv and status: layout (all but brk), limits, name.
Status CaptureFromProc(HostPid pid, ProcessImage& image);

// What only calls of the process itself can tell: brk, the signal actions, the
// alternate stack, the tid address, prctl states. Fills `image` and its first
// thread.
Status CaptureByCalls(CallRunner& runner, ProcessImage& image);
// The same for a process whose actions and states the caller has followed:
// only brk and the alternate stack.
Status CaptureMovingParts(CallRunner& runner, ProcessImage& image);

// Unregisters rseq and robust list of the thread that runs the calls, so that
// its memory can be unmapped; or registers them again.
Status UnregisterUserMemory(CallRunner& runner, const ThreadImage& thread);
Status RegisterUserMemory(CallRunner& runner, const ThreadImage& thread);

}  // namespace ssi

#endif  // SSI_PROCESS_CAPTURE_H_
