#ifndef SSI_DEPUTY_EXECUTOR_H_
#define SSI_DEPUTY_EXECUTOR_H_

#include <cstddef>
#include <deque>
#include <functional>

#include "base/result.h"
#include "deputy/waiter.h"
#include "process/agent_window.h"

namespace ssi {

// Something for the agent of a stand-in to execute.
class AgentJob {
 public:
  virtual ~AgentJob() = default;
  // Fills calls and data of the window; returns how many calls. 0: nothing to
  // do after all, Finished comes at once.
  virtual std::size_t Prepare(AgentWindow& window) = 0;
  // The results stand in the window's calls. May submit other jobs and may
  // destroy this one.
  virtual void Finished(AgentWindow& window) = 0;
};

// Runs jobs in the agent of one thread of a stand-in, one after the other, in
// the order in which they were submitted.
//
// Owner:      the deputy, as long as its stand-in has an agent.
// Threads:    the loop's.
// Invariants: the agent has at most one job. A job is borrowed from Submit
//             until its Finished, or until the executor is destroyed.
class Executor {
 public:
  Executor(AgentWindow& window, Waiter& waiter);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;
  Executor(Executor&&) = delete;
  Executor& operator=(Executor&&) = delete;

  void Submit(AgentJob& job);
  // Looks whether the agent has finished; called when the waiter alarms, and
  // when the stand-in was made to go on.
  void Poll();
  // Calls `then` once, as soon as no job is left; perhaps at once.
  void WhenIdle(std::function<void()> then);
  // This job is in the agent.
  [[nodiscard]] bool Runs(const AgentJob& job) const {
    return current_ == &job;
  }
  [[nodiscard]] const AgentWindow& window() const { return window_; }
  // A job is in the agent.
  [[nodiscard]] bool Busy() const { return current_ != nullptr; }
  [[nodiscard]] bool Idle() const {
    return current_ == nullptr && queue_.empty();
  }

 private:
  void StartNext();
  void Complete();
  void SleepOn();
  void TellIdle();

  AgentWindow& window_;
  Waiter& waiter_;
  std::deque<AgentJob*> queue_;
  AgentJob* current_ = nullptr;
  std::function<void()> when_idle_;
  bool starting_ = false;  // inside StartNext, which is not re-entered
};

}  // namespace ssi

#endif  // SSI_DEPUTY_EXECUTOR_H_
