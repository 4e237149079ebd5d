#ifndef SSI_REMOTE_AWAY_SIGNALS_H_
#define SSI_REMOTE_AWAY_SIGNALS_H_

#include <signal.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "process/image.h"
#include "process/signal_state.h"
#include "process/told.h"
#include "proto/session.pb.h"
#include "remote/guest_thread.h"

namespace ssi {

// The signals of one thread of a guest: judges what home offers, delivers it
// with its siginfo, and tells home what that changed.
//
// Home offers a signal; the kernel here holds the true mask. Unblocked: it is
// accepted and sent to the thread, and home ends the call that the thread may
// wait in. Blocked: refused, and home puts it back on its queue.
//
// Owner:      the remote. Borrows the thread.
// Threads:    the tracer's.
// Invariants: an offer is answered as soon as the mask can be read, for home's
//             thread stands still until then, and with it the call that this
//             thread may wait for. Of each number at most one carrier is on
//             its way to the thread: standard signals would melt into one.
class AwaySignals {
 public:
  struct Hooks {
    std::function<void(const wire::SignalAnswer&)> answer;
    std::function<void(const Told&)> tell;
    // A signal was accepted while the thread waits here for something that is
    // not a home call.
    std::function<void()> interrupt_local;
    // The thread is to enter a handler, and may be stopped where the program's
    // memory must not say that it was.
    std::function<void()> before_handler;
  };

  struct Parts {
    HostPid process;
    HomePid tid;  // the thread's number at home
    GuestThread& thread;
    ThreadSignals& signals;
  };
  AwaySignals(const Parts& parts, Hooks hooks)
      : process_(parts.process),
        tid_(parts.tid),
        thread_(parts.thread),
        signals_(parts.signals),
        hooks_(std::move(hooks)) {}

  // The thread is about to run; until then it has not its own mask.
  void OnStarting() { started_ = true; }
  void OnOffer(const wire::SignalOffer& offer);
  // The thread is stopped where its mask can be read and set.
  void OnThreadStopped();
  // The thread has entered a call, which was begun. A stop that was asked for
  // before comes only when the call is answered, and home may answer it only
  // when the offers are.
  void OnCallTaken();
  // It is in the delivery stop of `signal`. Makes it go on.
  void OnDeliveryStop(int signal);
  // The thread is about to be answered: a temporary mask needs a stop before
  // the program runs on.
  void BeforeAnswer();

  // An rt_sigprocmask or rt_sigreturn that unblocks is on its way home: what
  // home offers now is judged by the mask that is to come.
  void AwaitMask(std::uint64_t mask) { awaited_mask_ = mask; }
  void MaskArrived() { awaited_mask_.reset(); }

  // Accepted, sent to the thread, but not delivered: they move with it.
  [[nodiscard]] std::vector<QueuedSignal> Undelivered() const;
  // Those with which it has arrived: accepted on the node before.
  void TakeUp(const std::vector<QueuedSignal>& undelivered) {
    for (const auto& signal : undelivered) {
      SendToThread(signal);
    }
  }
  // One that another thread had accepted, which has ended.
  void TakeOver(const siginfo_t& info) { SendToThread({info, false}); }

 private:
  void Judge(const wire::SignalOffer& offer);
  void JudgeWaiting();
  void Accept(const wire::SignalOffer& offer, const QueuedSignal& signal);
  // Where a signal pends: the thread's queue, or that of the process.
  struct Queue {
    int signal = 0;
    bool of_thread = false;
    auto operator<=>(const Queue&) const = default;
  };
  void SendToThread(const QueuedSignal& signal);
  void SendNext();
  void Unload(int signal);
  void BeforeHandler();
  void EnterHandler(int signal, std::uint64_t under);
  [[nodiscard]] std::uint64_t MaskWhenDelivered() const;
  void GoToDelivery();
  void FinishTemporaryStep();
  [[nodiscard]] std::optional<std::uint64_t> MaskNow() const;

  struct Temporary {
    std::uint64_t mask = 0;      // while the call waited
    std::uint64_t old_mask = 0;  // to be in force after the handler
    enum class Step : std::uint8_t { kWaitStop, kWaitDelivery, kWaitFrame };
    Step step = Step::kWaitStop;
  };

  HostPid process_;
  HomePid tid_;
  GuestThread& thread_;
  ThreadSignals& signals_;
  Hooks hooks_;
  std::deque<wire::SignalOffer> waiting_;
  std::map<Queue, std::deque<siginfo_t>> sent_;
  std::map<int, Queue> on_way_;  // by their numbers
  std::optional<std::uint64_t> awaited_mask_;
  std::optional<Temporary> temporary_;
  bool started_ = false;
};

}  // namespace ssi

#endif  // SSI_REMOTE_AWAY_SIGNALS_H_
