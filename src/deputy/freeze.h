#ifndef SSI_DEPUTY_FREEZE_H_
#define SSI_DEPUTY_FREEZE_H_

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "deputy/found.h"
#include "deputy/held_wait.h"

namespace ssi {

struct FrozenThread {
  HostPid tid{};
  // If it slept in a call with a time limit, as far as it is known.
  std::optional<WaitLeft> wait;
  // Where it slept if it was in restart_syscall: restarted_call.h.
  std::string restart_place;
};

struct Frozen {
  std::vector<FrozenThread> threads;  // in interrupt stops, no signal in hand
  // The first thread has ended before the others; it is not in `threads`.
  bool leader_exited = false;
};

// Stops all threads of a process. kRetry, with the thread and the call that it
// is in, where they do not stop within `limit`; then those of `found.running`
// are traced and run, each to be detached at its next stop; who is in a call
// that was cut short makes it again, those in `found.waits` with what is left
// of its time. While one waits for a CPU it has longer,
// migration::kStarvedLimit. kDenied where the process is stopped by a signal;
// kGone where it has ended.
//
// Threads: the tracer's, which serves nothing else meanwhile.
Result<Frozen> Freeze(HostPid pid, Found& found,
                      std::chrono::nanoseconds limit);

}  // namespace ssi

#endif  // SSI_DEPUTY_FREEZE_H_
