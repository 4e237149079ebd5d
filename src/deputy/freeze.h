#ifndef SSI_DEPUTY_FREEZE_H_
#define SSI_DEPUTY_FREEZE_H_

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "deputy/held_wait.h"
#include "deputy/held_write.h"

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
};

struct Frozen {
  std::vector<HostPid> threads;  // in interrupt stops, no signal in hand
  // The first thread has ended before the others; it is not in `threads`.
  bool leader_exited = false;
  // Of those that slept, as far as it is known.
  std::map<HostPid, WaitLeft> waits;
  // Where those slept that were in restart_syscall: restarted_call.h.
  std::map<HostPid, std::string> restarts;
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
