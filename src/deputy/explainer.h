#ifndef SSI_DEPUTY_EXPLAINER_H_
#define SSI_DEPUTY_EXPLAINER_H_

#include <sys/types.h>

#include <functional>
#include <map>
#include <set>

#include "base/ids.h"
#include "process/tracee.h"
#include "proto/control.pb.h"
#include "supervisor/call_tally.h"

namespace ssi {

// `ssirun --explain`: sees every call of CMD and of what it starts that would
// not be local away, lets the kernel make it here, and keeps the tally.
//
// It traces instead of being notified: a thread that waits for its notification
// to be received leaves that wait for any signal, and its call then fails with
// EINTR where the handler has no SA_RESTART, also one that natively never does
// (dash: "Cannot fork"). Nobody traces with a notification's ease, so that
// could not be mended. A traced thread stops before its call, and signals come
// after.
//
// Owner:   the job. The tree dies with its tracer (PTRACE_O_EXITKILL).
// Threads: the tracer's.
class Explainer {
 public:
  // A process is stopped by `signal`, or goes on (0).
  using OnState = std::function<void(pid_t pid, int signal)>;
  Explainer(const supervisor::AwayAssumptions& assumptions, OnState on_state)
      : assumptions_(assumptions), on_state_(std::move(on_state)) {}

  // CMD is in the stop of its exec, where the tally begins.
  void Begin(HostPid main);
  // Whatever waitpid has said of a thread.
  void OnStop(HostPid thread, const Stop& stop);

  void Describe(wire::Explanation& explanation) const;

 private:
  void OnCall(const Tracee& tracee);
  void OnResult(const Tracee& tracee);
  void OnSignal(const Tracee& tracee, int signal);
  void GoOn(const Tracee& tracee, int signal = 0);

  supervisor::AwayAssumptions assumptions_;
  OnState on_state_;
  supervisor::CallTally tally_;
  // The rows of reads and writes that threads are in.
  std::map<pid_t, supervisor::TallyRow*> transfers_;
  // Threads whose next call is one that we made the kernel begin again.
  std::set<pid_t> again_;
  std::set<pid_t> stopped_;  // by job control
};

}  // namespace ssi

#endif  // SSI_DEPUTY_EXPLAINER_H_
