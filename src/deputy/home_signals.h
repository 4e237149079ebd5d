#ifndef SSI_DEPUTY_HOME_SIGNALS_H_
#define SSI_DEPUTY_HOME_SIGNALS_H_

#include <cstdint>
#include <functional>
#include <optional>

#include "deputy/call_server.h"
#include "deputy/executor.h"
#include "deputy/signal_origins.h"
#include "process/registers.h"
#include "process/signal_state.h"
#include "process/tracee.h"
#include "process/wait_status.h"
#include "proto/session.pb.h"

namespace ssi {

// Job control of a stand-in, all threads together.
struct GroupStop {
  bool stopped = false;
};

// The stops of one thread of a stand-in whose process is away: signals that
// arrive for it are offered to the remote, stop signals stop it, and calls are
// interrupted.
//
// A signal for the process is offered for the thread that the kernel has chosen
// for it here. Refused, it goes back, and the kernel chooses another one, until
// all block it.
//
// The stand-in's thread stays in its delivery stop until the remote has
// answered. Accepted: the signal is taken away here, and the call that the
// thread is in ends. Refused: it goes back to the queue that it came from.
//
// Owner:      the deputy, while its process is away.
// Threads:    the tracer's.
// Invariants: at most one signal is offered at a time.
class HomeSignals {
 public:
  struct Hooks {
    std::function<void(const wire::SignalOffer&)> offer;
    std::function<void(int signal)> stopped;  // in a group-stop by `signal`
    std::function<void()> continued;
    // A signal has been taken or put back: who waited for it looks again.
    std::function<void()> taken;
  };

  struct Parts {
    HostPid pid;
    Tracee tracee;  // the thread
    RemoteAddr agent_code;
    Executor& executor;
    CallServer& calls;
    ThreadSignals& signals;
    GroupStop& group_stop;
    SignalOrigins& origins;
  };
  HomeSignals(const Parts& parts, Hooks hooks)
      : pid_(parts.pid),
        tracee_(parts.tracee),
        agent_code_(parts.agent_code),
        executor_(parts.executor),
        calls_(parts.calls),
        signals_(parts.signals),
        group_stop_(parts.group_stop),
        origins_(parts.origins),
        hooks_(std::move(hooks)) {}

  // Not for an end of the process.
  void OnStop(const Stop& stop);
  void OnAnswer(const wire::SignalAnswer& answer);
  // The process has ended there: nobody answers. Out of the stop for the offer.
  void GiveUpOffer();
  // The remote wants the call `id` back, finished or interrupted.
  void OnCancel(std::uint64_t id);

  // Blocks every signal in this thread, for a process that is about to come
  // home; calls `then` when none is offered any more. Release takes it back.
  void Hold(std::function<void()> then);
  void Release();
  // Goes on with a Hold that had to wait, or with an AwaitQuiet.
  void TryToHold();
  // After Release: calls `then` when all that could be delivered has been
  // offered and answered, or the thread is stopped by job control.
  void AwaitQuiet(std::function<void()> then) { when_quiet_ = std::move(then); }
  [[nodiscard]] bool held() const { return holding_ == Holding::kInForce; }
  // A SIGSTOP came in the meantime, and is still to take effect.
  [[nodiscard]] bool stop_later() const { return stop_later_; }

 private:
  struct Offered {
    std::uint64_t id = 0;
    siginfo_t info{};
    bool temporary = false;
    bool of_thread = false;
    std::uint64_t under = 0;  // the mask that let it in
  };
  void OnSignal(int signal);
  void UndoEintr();
  void EndByStop();
  // Of a call that goes on, though it was interrupted.
  void KeepTime();
  void Drop();
  void Offer(const siginfo_t& info, bool of_thread);
  void EnterHandler(const Offered& offered);
  void OnInterrupted();
  // In a stop: the registers, if the thread is in a call of the agent's job.
  [[nodiscard]] std::optional<Registers> InCall() const;
  // In a stop: ends the call under way with what the kernel left in rax, or
  // EINTR.
  void EndCall(bool as_eintr);
  // In a stop outside the call: takes care that it is not made.
  void EndCallNotBegun();
  void GoOn(int signal = 0);
  void PutBack(int signal);
  void BeQuiet();
  // Onto the queue that it came from, with `mask` in force, which blocks it.
  void Requeue(int signal, std::uint64_t mask);
  Status RequeueInFront(int signal);

  HostPid pid_;
  Tracee tracee_;
  RemoteAddr agent_code_;
  Executor& executor_;
  CallServer& calls_;
  ThreadSignals& signals_;
  GroupStop& group_stop_;
  SignalOrigins& origins_;
  Hooks hooks_;

  std::optional<Offered> offered_;
  std::uint64_t next_offer_ = 1;
  bool stop_later_ = false;
  std::optional<std::uint64_t> cancel_;
  enum class Holding : std::uint8_t { kNo, kWanted, kInForce };
  Holding holding_ = Holding::kNo;
  std::function<void()> when_held_;
  std::function<void()> when_quiet_;
};

}  // namespace ssi

#endif  // SSI_DEPUTY_HOME_SIGNALS_H_
