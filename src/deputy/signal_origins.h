#ifndef SSI_DEPUTY_SIGNAL_ORIGINS_H_
#define SSI_DEPUTY_SIGNAL_ORIGINS_H_

#include <signal.h>

#include <map>

#include "base/ids.h"
#include "process/signal_order.h"

namespace ssi {

// From which queue a signal of the stand-in was taken: its thread's, or that
// of the process. A siginfo of tgkill(2) tells that, one of pthread_sigqueue(3)
// looks like one of sigqueue(3). So what is sent to a single thread is noted.
//
// What nobody sees here counts as the process's: SIGIO for a thread
// (F_SETOWN_EX), and rt_tgsigqueueinfo(2) by a process outside.
//
// Owner:   the threads of a process that is away.
// Threads: the tracer's.
class SignalOrigins {
 public:
  // Queued for one thread alone, or about to be.
  void Note(const Task& to, const siginfo_t& info);
  // It was not queued after all.
  void NotQueued(const Task& to, const siginfo_t& info);
  // A thread has taken this one: whether from its own queue.
  bool Taken(const Task& by, const siginfo_t& info);
  void Forget(HostPid thread) { noted_.erase(thread); }

 private:
  bool Remove(HostPid thread, const siginfo_t& info);

  std::map<HostPid, SignalList> noted_;
};

// Whether a POSIX timer of the process signals one of its threads
// (SIGEV_THREAD_ID), by /proc/PID/timers (proc_pid_timers(5)).
bool TimerSignalsThread(HostPid process, int timer);

}  // namespace ssi

#endif  // SSI_DEPUTY_SIGNAL_ORIGINS_H_
