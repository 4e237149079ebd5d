#ifndef SSI_REMOTE_GUEST_TASK_H_
#define SSI_REMOTE_GUEST_TASK_H_

#include <cstdint>
#include <optional>

#include "base/ids.h"
#include "process/registers.h"
#include "process/signal_state.h"
#include "remote/away_calls.h"
#include "remote/away_signals.h"
#include "remote/forwarder.h"
#include "remote/guest_thread.h"
#include "remote/sleeper.h"

namespace ssi {

// A call that makes or ends a thread: first home does its half, then it is made
// here.
struct LifeCall {
  enum class Kind : std::uint8_t { kNewThread, kEndThread, kUndo };
  Kind kind{};
  std::uint64_t request = 0;  // what home answers
  std::int64_t result = 0;    // kUndo: of the call, which has failed here
  std::uint64_t number = 0;   // of the call
};

// One thread of a guest, and everything that answers for it.
//
// Owner:   the guest.
// Threads: the tracer's.
struct GuestTask {
  struct Parts {
    HostPid process;
    HomePid tid;
    const GuestThread& thread;
    SignalState& signals;
    std::uint64_t mask;
    Forwarder::Parts forwarder;
    AwaySignals::Hooks signal_hooks;
    AwayCalls::Hooks call_hooks;
    ProcessImage& followed;
  };
  explicit GuestTask(Parts parts);

  [[nodiscard]] HostPid here() const { return thread.tracee().pid(); }
  // None of its calls is at home, and none is to be made by both.
  [[nodiscard]] bool Settled() const {
    return thread.Stopped() && !forwarder.Outstanding() && !life;
  }

  HomePid tid;
  GuestThread thread;
  ThreadSignals signals;
  Forwarder forwarder;
  Sleeper sleeper;
  AwaySignals away_signals;
  AwayCalls calls;
  bool in_seccomp_stop = false;
  std::optional<LifeCall> life;
};

}  // namespace ssi

#endif  // SSI_REMOTE_GUEST_TASK_H_
