// How long a thread has slept in the call that it is in.
//
// Of some calls the kernel keeps what is left of their time limit; those of
// signal(7) that end with EINTR it just gives up. What it tells of them is in
// /proc/TID/sched: when the thread last ran, by the clock of its CPU.
#ifndef SSI_DEPUTY_SLEEP_MARK_H_
#define SSI_DEPUTY_SLEEP_MARK_H_

#include <chrono>
#include <cstdint>
#include <optional>

#include "base/ids.h"
#include "deputy/held_wait.h"
#include "process/image.h"
#include "process/thread_call.h"

namespace ssi {

struct SleepMark {
  std::uint64_t number = 0;  // the call
  CallArgs args{};
  Nanos limit{};  // of the whole call
  std::int64_t cpu = 0;
  std::uint64_t sleeps = 0;  // how often it has gone to sleep
  Nanos ran{};
};

// Whether the arguments of a futex call say FUTEX_WAIT: with a relative limit.
bool IsFutexWait(const CallArgs& args);

// The time limit of a call of which the kernel does not keep what is left.
// Nothing of one that has none, or that is another call.
std::optional<Nanos> LimitNotKept(HostPid process, HostPid thread, int number,
                                  const CallArgs& args);

// Before a thread of a process is stopped that does this. Nothing of one that
// does not sleep in a call with a time limit of which only this tells, or where
// the kernel does not say.
std::optional<SleepMark> MarkSleep(HostPid process, HostPid thread,
                                   const ThreadCall& call);

// The call of that thread, once it has been stopped, and when its time is over:
// never sooner than it really is, and later only if the sleep was interrupted
// before. Nothing where it has done anything in between, or is on another CPU,
// whose clock may be another one.
std::optional<WaitLeft> WaitAfter(const SleepMark& mark, HostPid thread);

}  // namespace ssi

#endif  // SSI_DEPUTY_SLEEP_MARK_H_
