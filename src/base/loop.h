// The event loop of a process: Asio's io_context in one thread, and the two
// kinds of events that Asio has no object for.
#ifndef SSI_BASE_LOOP_H_
#define SSI_BASE_LOOP_H_

#include <signal.h>
#include <sys/signalfd.h>

#include <chrono>
#include <functional>
#include <initializer_list>
#include <memory>

#include "base/asio.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace ssi {

using Loop = asio::io_context;

// Calls `on_ready` each time a descriptor that someone else owns is readable.
//
// Owner:   whoever owns the descriptor; destroy or Stop() before closing it.
// Threads: the loop's only.
// The callback may destroy the watch.
class ReadWatch {
 public:
  ReadWatch(Loop& loop, int fd, std::function<void()> on_ready);
  ~ReadWatch();
  ReadWatch(const ReadWatch&) = delete;
  ReadWatch& operator=(const ReadWatch&) = delete;
  ReadWatch(ReadWatch&&) = delete;
  ReadWatch& operator=(ReadWatch&&) = delete;

  // Calls `on_writable` once, when the descriptor can be written.
  void OnceWritable(std::function<void()> on_writable);
  void Stop();

 private:
  struct State;
  static void Arm(const std::shared_ptr<State>& state);
  std::shared_ptr<State> state_;
};

// Calls `action` once after `delay`, unless destroyed or restarted first.
class Timer {
 public:
  explicit Timer(Loop& loop) : timer_(loop) {}
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  Timer(Timer&&) = delete;
  Timer& operator=(Timer&&) = delete;
  void Start(std::chrono::nanoseconds delay, std::function<void()> action);
  void Stop();
  [[nodiscard]] bool running() const { return running_ && *running_; }

 private:
  asio::steady_timer timer_;
  std::shared_ptr<bool> running_;  // false once stopped or fired
};

// Calls actions soon, in their order and from the loop: for what may not happen
// on the stack that asks for it. Those still to come when this is destroyed do
// not.
class Later {
 public:
  explicit Later(Loop& loop) : loop_(loop) {}
  ~Later() { *alive_ = false; }
  Later(const Later&) = delete;
  Later& operator=(const Later&) = delete;
  Later(Later&&) = delete;
  Later& operator=(Later&&) = delete;
  void Call(std::function<void()> action);

 private:
  Loop& loop_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// The signals of this process as events. The constructor does not block them:
// call BlockSignals first, at the start of main, before any thread exists.
class SignalSource {
 public:
  static Result<std::unique_ptr<SignalSource>> Make(
      Loop& loop, std::initializer_list<int> signals,
      std::function<void(const signalfd_siginfo&)> on_signal);

 private:
  SignalSource(Loop& loop, UniqueFd fd,
               std::function<void(const signalfd_siginfo&)> on_signal);
  void Drain();

  UniqueFd fd_;
  std::function<void(const signalfd_siginfo&)> on_signal_;
  ReadWatch watch_;
};

// Blocks `signals` in this thread and returns the mask that was in force.
sigset_t BlockSignals(std::initializer_list<int> signals);

}  // namespace ssi

#endif  // SSI_BASE_LOOP_H_
