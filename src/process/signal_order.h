// The order of real-time signals: those of one number and one queue are
// delivered in the order in which they were sent (signal(7)). What was taken
// from a queue and is put back goes behind what was sent later; here it gets
// its place again.
#ifndef SSI_PROCESS_SIGNAL_ORDER_H_
#define SSI_PROCESS_SIGNAL_ORDER_H_

#include <signal.h>

#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "process/call_runner.h"

namespace ssi {

// The kernel's SIGRTMIN; the C library keeps the first two for itself.
constexpr int kFirstRealTime = 32;

using SignalList = std::vector<siginfo_t>;

// Signals of one number, in order, by the queue in which they are.
struct QueuedSignals {
  SignalList of_thread;
  SignalList of_process;
};

// Adds the call by which a process of one thread queues a signal to itself
// (it may do so with any siginfo, rt_sigqueueinfo(2)); in the thread's own
// queue or in the process's.
Status AddToQueue(CallBatch& batch, HostPid pid, const siginfo_t& info,
                  bool of_thread);

// `queued`, where `older` were added last, with these in front. Of equal ones
// the last are meant; what is not there is left out.
SignalList WithOlderFirst(const SignalList& older, const SignalList& queued);
// `queued` in the order of `wanted`; others, which came later, behind them.
SignalList InOrderOf(const SignalList& wanted, const SignalList& queued);
bool SameSignals(const SignalList& a, const SignalList& b);

// Of a stopped thread; takes nothing away.
Result<QueuedSignals> PeekQueued(HostPid pid, int signal);

// In a stopped process with all signals blocked: moves `older`, which are
// already in its queues, before all others of this number. Leaves the order as
// it is where a signal could not be taken and queued again as it was: one of a
// timer, or one beyond RLIMIT_SIGPENDING. One that is sent meanwhile may come
// to stand before older ones for a moment.
Status PutInFront(InjectingRunner& runner, HostPid pid, int signal,
                  const QueuedSignals& older);

}  // namespace ssi

#endif  // SSI_PROCESS_SIGNAL_ORDER_H_
