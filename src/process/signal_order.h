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

// A thread and its process.
struct Task {
  HostPid process{};
  HostPid thread{};
};

// Adds the call by which a thread queues a signal to itself; in its own queue,
// with any siginfo, or in the process's. For the latter a thread that is not
// the first one needs a siginfo that anybody may send: CanQueue
// (do_rt_tgsigqueueinfo and rt_sigqueueinfo, kernel/signal.c).
Status AddToQueue(CallBatch& batch, const Task& task, const siginfo_t& info,
                  bool of_thread);
bool CanQueue(const Task& task, const siginfo_t& info, bool of_thread);

// `queued`, where `older` were added last, with these in front. Of equal ones
// the last are meant; what is not there is left out.
SignalList WithOlderFirst(const SignalList& older, const SignalList& queued);
// `queued` in the order of `wanted`; others, which came later, behind them.
SignalList InOrderOf(const SignalList& wanted, const SignalList& queued);
bool SameSignals(const SignalList& a, const SignalList& b);

// Of a stopped thread; takes nothing away.
Result<QueuedSignals> PeekQueued(HostPid thread, int signal);
// Those of all numbers in its own queue.
Result<SignalList> PeekOwnQueue(HostPid thread);

// In a stopped thread, while all of its process block all signals: moves
// `older`, which are already in its queues, before all others of this number.
// Leaves the order as it is where a signal could not be taken and queued again
// as it was: one of a timer, one beyond RLIMIT_SIGPENDING, one that CanQueue
// denies. One that is sent meanwhile may come to stand before older ones for a
// moment.
Status PutInFront(InjectingRunner& runner, const Task& task, int signal,
                  const QueuedSignals& older);

}  // namespace ssi

#endif  // SSI_PROCESS_SIGNAL_ORDER_H_
