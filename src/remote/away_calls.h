#ifndef SSI_REMOTE_AWAY_CALLS_H_
#define SSI_REMOTE_AWAY_CALLS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/loop.h"
#include "process/image.h"
#include "process/signal_state.h"
#include "process/told.h"
#include "remote/away_signals.h"
#include "remote/forwarder.h"
#include "remote/guest_thread.h"
#include "remote/known_ids.h"
#include "remote/sleeper.h"
#include "supervisor/call_table.h"

namespace ssi {

// What happens to each call of one thread of a guest that the filter hands us.
//
// Owner:      the remote. Borrows everything it is made from.
// Threads:    the tracer's.
// Invariants: every notified call is answered exactly once.
class AwayCalls {
 public:
  struct Parts {
    GuestThread& thread;
    Forwarder& forwarder;
    Sleeper& sleeper;
    AwaySignals& signals;
    ThreadSignals& signal_state;
    ProcessImage& followed;  // what home and the next place must know
    Loop& loop;
    const Clock& clock;
    HostPid guest;      // the process
    HostPid thread_id;  // the thread, here
    HomePid tid;        // and its number at home
  };
  struct Hooks {
    std::function<void(const Told&)> tell;
    // The call cannot be made here: the thread is to stop and go home.
    std::function<void(int number, std::string_view reason)> come_home;
    std::function<void(const Notification&)> map_file;
    std::function<void(const Notification&)> remap;
    // The kernel is about to return from a signal handler, to the address in
    // `slot` of the frame.
    std::function<void(RemoteAddr slot)> before_return;
    // Another thread of the process, here.
    std::function<std::optional<HostPid>(HomePid)> thread_of;
  };

  AwayCalls(Parts parts, Hooks hooks)
      : parts_(parts), hooks_(std::move(hooks)), limit_timer_(parts.loop) {}

  void OnCall(const Notification& call);
  // The notified call is for home alone: the thread stops, and the process is
  // asked to be brought home.
  void ComeHome(const Notification& call, std::string_view reason);
  // Ends whatever the thread waits for here, not at home.
  void InterruptLocal() { parts_.sleeper.Interrupt(); }

  // Of the call that was interrupted last: what is left of its time limit. To
  // be asked when the thread is stopped with kRestartBlock.
  std::optional<PendingCall> PendingOf(const Registers& registers);
  // Of a write that was cut short: how much is done. To be asked at a freeze;
  // `registers` then say the same.
  std::optional<PendingCall> CutOf(Registers& registers);
  // The thread has stopped, and is about to go on: a wait whose time is up
  // ends.
  void OnThreadStopped();
  // A call that was interrupted where the thread came from.
  void SetPending(std::optional<PendingCall> pending) {
    pending_ = std::move(pending);
  }
  // A write that was cut short there, and is about to be made again.
  void SetRest(const PendingCall& rest) { rest_ = rest; }
  // In the stop of a signal: a write that was to go on is over with what it
  // has, as it is natively.
  void BeforeSignal();

  // Calls that the program has made here, but for those that the filter lets
  // through; one that is made again because it was not begun counts once.
  struct Counted {
    std::uint64_t calls = 0;
    std::uint64_t answered_here = 0;  // of these: without asking home
    Counted& operator+=(const Counted& more) {
      calls += more.calls;
      answered_here += more.answered_here;
      return *this;
    }
  };
  using Counts = std::map<std::pair<supervisor::CallClass, int>, Counted>;
  [[nodiscard]] const Counts& counts() const { return counts_; }
  // CPU time of the thread, here and where it was before.
  [[nodiscard]] CpuTime UsedByThread() const;
  // One that the program does not make here.
  void CountStop(supervisor::CallClass call_class, int number) {
    ++counts_[{call_class, number}].calls;
  }

 private:
  void LocalTold(const Notification& call,
                 const supervisor::Decision& decision);
  void Both(const Notification& call, const supervisor::Decision& decision);
  void Home(const Notification& call, const supervisor::Decision& decision);

  void SignalMask(const Notification& call);
  void SignalAction(const Notification& call);
  void SignalReturn();
  void ChangeMask(std::uint64_t mask, const std::function<void()>& before);
  void Sleep(const Notification& call);
  void Restart(const Notification& call);
  std::optional<PendingCall> TakePending(const CallArgs& args);
  // A wait that was interrupted elsewhere, and can only be made at home.
  void GoOnAtHome(const PendingCall& pending);
  bool FinishRest(Registers& registers) const;
  void CpuClock(const Notification& call, const supervisor::Decision& decision);
  void Dumpable(const Notification& call);
  void AfterBoth(const Notification& call, supervisor::Special special,
                 std::int64_t result);
  void ApplyLimits(const Notification& call);
  void ApplyPriority(const Notification& call);

  void ByKernel();
  void Answer(std::int64_t result);
  [[nodiscard]] CpuTime UsedAway() const;
  [[nodiscard]] CpuTime UsedByThread(HomePid tid, HostPid here) const;
  [[nodiscard]] std::optional<HomePid> ThreadOfClock(
      const Notification& call) const;

  Parts parts_;
  Hooks hooks_;
  KnownIds known_;
  // A wait that the kernel makes here, whose start we remember.
  struct Began {
    PendingCall call;
    Nanos at{};
  };
  std::optional<Began> began_;
  Timer limit_timer_;  // of one that began elsewhere
  bool time_is_up_ = false;
  std::optional<PendingCall> pending_;
  std::optional<PendingCall> rest_;  // of a write, before it is made again
  Counts counts_;
  Counted* current_ = nullptr;  // of the call in hand
};

}  // namespace ssi

#endif  // SSI_REMOTE_AWAY_CALLS_H_
