#ifndef SSI_DEPUTY_TRACED_RUN_H_
#define SSI_DEPUTY_TRACED_RUN_H_

#include <sys/ptrace.h>

#include <cstdint>
#include <functional>
#include <string>

#include "base/ids.h"
#include "base/result.h"
#include "process/tracee.h"

namespace ssi {

// How home traces its processes, wherever that begins: its stops are read by
// it.
constexpr unsigned long kHomeOptions =
    PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC;

// A process at home that runs natively under our eyes for a while: the one
// call for which it came home, or a new program up to its entry point. Signals
// are delivered as if nobody looked.
//
// Owner:   the deputy.
// Threads: the tracer's.
// `done` comes once, with the process in a stop, no signal in hand; it may
// destroy this. Not at all if the process ends before.
class TracedRun {
 public:
  enum class Until : std::uint8_t {
    kCallOver,  // the next system call is over; an execve ends it at kEntry
    kEntry,     // AT_ENTRY of the program that the process has just executed
  };
  enum class Result : std::uint8_t {
    kReached,
    // A program that gains privilege when it is not traced: it was executed
    // again and is detached.
    kLetGo,
  };
  // `tracee`: the thread of process `pid` that is looked at.
  TracedRun(Tracee tracee, HostPid pid, Until until,
            std::function<void(Result)> done)
      : tracee_(tracee), pid_(pid), until_(until), done_(std::move(done)) {}

  // From a stop.
  void Begin();
  void OnStop(const Stop& stop);
  // Its call is over, and it has stopped.
  void OnCallOver();
  // The only one that is left after an execve has the number of the process.
  [[nodiscard]] HostPid thread() const { return tracee_.pid(); }

 private:
  void OnExec();
  void GoToEntry();
  bool AtEntry();
  void Resume(int signal = 0);

  Tracee tracee_;
  HostPid pid_;
  Until until_;
  std::function<void(Result)> done_;
  bool in_call_ = false;
  std::uint64_t entry_ = 0;  // where a breakpoint is; 0: none
  std::uint64_t saved_word_ = 0;
};

// Makes a traced thread go on until its next system call begins or is over. An
// error, but that it is gone, gets into the log.
void StepOn(const Tracee& tracee, int signal = 0);

// Makes a traced thread go on from a stop as if nobody looked.
void RunOn(const Tracee& tracee, const Stop& stop);

// Whether executing the program of this process gives it privilege that a
// tracer takes away: set-uid or set-gid for somebody else, or file
// capabilities.
bool GainsPrivilege(HostPid pid);

// At PTRACE_EVENT_EXEC: makes the process execute its program again and lets
// it go, so that the kernel gives it its privilege.
Status ExecuteAgainUntraced(const Tracee& tracee);

}  // namespace ssi

#endif  // SSI_DEPUTY_TRACED_RUN_H_
