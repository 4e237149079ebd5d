#ifndef SSI_DEPUTY_STAND_IN_THREAD_H_
#define SSI_DEPUTY_STAND_IN_THREAD_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "deputy/held_wait.h"
#include "process/agent_window.h"
#include "process/image.h"
#include "process/injector.h"
#include "process/tracee.h"

namespace ssi {

// One thread of a stand-in.
//
// Owner:   the stand-in.
// Threads: the tracer's.
struct StandInThread {
  explicit StandInThread(HostPid tid) : tracee(tid) {}

  [[nodiscard]] HostPid tid() const { return tracee.pid(); }

  // In the stop of a freeze: its state, and what it must make again where the
  // freeze has cut it short.
  Status Capture();
  // What leaves of it. `alone`: no other thread can wake it.
  [[nodiscard]] ThreadImage Leaving(bool alone) const;
  // The call that it will finish by restart_syscall, if it was in one.
  [[nodiscard]] std::optional<PendingCall> WaitingCall() const;
  // A call that was interrupted away, with `left` of its time: made here with
  // the process's own pointers and interrupted at once, so that the kernel has
  // it as its restart block and goes on with it exactly as after a signal.
  Status MakeRestartBlock(Injector& injector);

  Tracee tracee;
  ThreadImage image;
  AgentWindow* window = nullptr;  // of one of the stand-in's sites
  std::size_t site = 0;
  // In its own queue when it was frozen.
  std::vector<siginfo_t> queued;
  // A call with a time limit that it was in when it was frozen, and cannot
  // finish by restart_syscall; or one that came home so.
  std::optional<WaitLeft> wait;
  // Where it slept if it was in restart_syscall.
  std::string restart_place;
  // Where a poll that it finishes by restart_syscall has its results.
  std::optional<MemoryRun> wait_memory;
};

}  // namespace ssi

#endif  // SSI_DEPUTY_STAND_IN_THREAD_H_
