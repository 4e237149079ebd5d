// The threads of a process that is away, as they are at home.
#ifndef SSI_DEPUTY_HOME_THREADS_H_
#define SSI_DEPUTY_HOME_THREADS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "base/clock.h"
#include "deputy/call_server.h"
#include "deputy/executor.h"
#include "deputy/home_signals.h"
#include "deputy/stand_in.h"
#include "deputy/waiter.h"
#include "process/signal_state.h"

namespace ssi {

// Makes or ends a thread of the stand-in: the home half of a life call.
//
// Owner: the thread that makes it. `made` comes when the call is over: the
// number of the new thread, or -errno; not at all where the thread ends.
class LifeJob final : public AgentJob {
 public:
  using Made = std::function<void(std::int64_t result)>;
  // clone3 with `flags`, what the new thread shares.
  static std::unique_ptr<LifeJob> NewThread(std::uint64_t flags, Made made);
  static std::unique_ptr<LifeJob> EndThread(int code);

  std::size_t Prepare(AgentWindow& window) override;
  void Finished(AgentWindow& window) override;

 private:
  LifeJob(std::uint64_t flags, int code, Made made)
      : flags_(flags), code_(code), made_(std::move(made)) {}

  std::uint64_t flags_;  // 0: ends
  int code_;
  Made made_;
};

// What serves one thread: its agent, its calls, its signals.
//
// Owner: HomeThreads.
struct HomeThread {
  struct Parts {
    HostPid pid;
    const Clock& clock;
    Waiter& waiter;
    SignalState& signals;
    GroupStop& group_stop;
    StandIn& stand_in;
    SignalOrigins& origins;
  };
  HomeThread(const Parts& parts, const StandInThread& thread,
             CallServer::Hooks call_hooks, HomeSignals::Hooks signal_hooks);

  HostPid tid;
  ThreadSignals signals;
  Executor executor;
  CallServer calls;
  HomeSignals home_signals;
  std::unique_ptr<LifeJob> life;
  std::optional<std::uint64_t> ending;  // the request to end it
};

// All of them, by their numbers.
//
// Owner:      the deputy, while its process is away; empty otherwise.
// Threads:    the tracer's.
class HomeThreads {
 public:
  [[nodiscard]] bool empty() const { return threads_.empty(); }
  [[nodiscard]] HomeThread* Find(HostPid tid) const;
  void Add(std::unique_ptr<HomeThread> thread);
  void Remove(HostPid tid);
  void Clear();

  // What the agents have finished.
  void Poll();
  // From Hold to Release every signal is blocked in every thread; `then` comes
  // once, when none is offered any more.
  void Hold(std::function<void()> then);
  void Release();
  // Release, and `then` once all that can be delivered has been offered.
  void ReleaseAndOffer(std::function<void()> then);
  void ForgetOffers() { when_quiet_ = nullptr; }
  // After a signal was taken from a queue, which others may have waited for.
  void LookAgain();
  // Calls `then` once, as soon as no agent has anything to do; perhaps at once.
  void WhenIdle(std::function<void()> then);
  // A SIGSTOP that came meanwhile is still to take effect.
  [[nodiscard]] bool StopLater() const;
  // What Serve needs.
  [[nodiscard]] std::uint64_t MaskOf(HostPid tid) const;
  void GiveUpOffers();
  [[nodiscard]] SignalOrigins& origins() { return origins_; }
  // How many calls of each number were made, those of ended threads included.
  [[nodiscard]] std::map<int, std::uint64_t> Counts() const;

 private:
  void CheckHeld();
  void CheckIdle();
  void CheckQuiet();

  std::map<HostPid, std::unique_ptr<HomeThread>> threads_;
  SignalOrigins origins_;
  std::map<int, std::uint64_t> counted_;  // of those that have ended
  std::function<void()> when_held_;
  std::function<void()> when_idle_;
  std::function<void()> when_quiet_;
  std::set<HostPid> unquiet_;
  bool holding_ = false;
};

}  // namespace ssi

#endif  // SSI_DEPUTY_HOME_THREADS_H_
