#ifndef SSI_PROCESS_THREADS_H_
#define SSI_PROCESS_THREADS_H_

#include <vector>

#include "base/ids.h"
#include "base/result.h"

namespace ssi {

// The threads of a process, the first one first, then in order of their
// numbers; one that has exited, but is not reaped, included. They come and go
// while this looks, unless all are stopped.
Result<std::vector<HostPid>> ThreadsOf(HostPid pid);

// Whether a number is a process's, not another thread's; also of one that is
// still to be reaped.
bool IsProcess(HostPid pid);

// The first thread that has not exited: it shows the memory and all else that
// is the process's in /proc.
HostPid LivingThread(HostPid pid);

// Whether it is there no more, or only to be reaped.
bool HasExited(HostPid thread);

}  // namespace ssi

#endif  // SSI_PROCESS_THREADS_H_
