// Reading the user context of a stopped process into an image.
#ifndef SSI_PROCESS_CAPTURE_H_
#define SSI_PROCESS_CAPTURE_H_

#include <array>
#include <cstddef>
#include <span>
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

// /proc/PID/stat, auxv and status: layout (all but brk), limits, names.
// `living`: a thread that has not exited, which shows the memory; the threads
// of the image are those of this machine.
Status CaptureFromProc(HostPid living, ProcessImage& image);

// What only calls of the process itself can tell: brk, the signal actions,
// prctl states.
Status CaptureByCalls(CallRunner& runner, ProcessImage& image);
// The same for a process whose actions and states the caller has followed:
// only brk and what the program can set unseen.
Status CaptureMovingParts(CallRunner& runner, ProcessImage& image);

// Which protection keys are allocated, a bit for each; -1 without such keys.
Result<std::int64_t> AllocatedKeys(CallRunner& runner);

// What only calls of each thread itself can tell: its alternate stack, its tid
// address, its TSC mode. `space`: kThreadAnswers bytes of its memory.
constexpr std::size_t kThreadAnswers = 64;
std::array<AgentCall, 3> ThreadQuestions(RemoteAddr space);
Status TakeThreadAnswers(CallRunner& runner, std::span<const AgentCall> answers,
                         ThreadImage& thread);

// The calls by which a thread unregisters rseq, robust list and tid address, so
// that its memory can be unmapped; or registers them again.
void AddUnregister(CallBatch& batch, const ThreadImage& thread);
void AddRegister(CallBatch& batch, const ThreadImage& thread);

}  // namespace ssi

#endif  // SSI_PROCESS_CAPTURE_H_
