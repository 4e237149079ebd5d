#ifndef SSI_DEPUTY_WAITER_H_
#define SSI_DEPUTY_WAITER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "base/loop.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace ssi {

// The thread that sleeps on the agents' alarm words (agent_window.h) while
// their calls take long, and wakes the event loop when one moves.
//
// Owner:   the home supervisor, one.
// Threads: constructed and called by the loop's thread; its own thread only
//          sleeps in futex_waitv(2) (Linux 5.16) and writes to an eventfd.
// A word must stay mapped until the last of its users has left it.
class Waiter {
 public:
  // `on_alarm` runs in the loop after any watched word has changed; it may
  // come without a change.
  static Result<std::unique_ptr<Waiter>> Make(Loop& loop,
                                              std::function<void()> on_alarm);
  ~Waiter();
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  Waiter(Waiter&&) = delete;
  Waiter& operator=(Waiter&&) = delete;

  // The threads of a process share a word; each joins before it lets it be
  // watched.
  void Join(std::atomic<std::uint32_t>& word);
  void Leave(std::atomic<std::uint32_t>& word);
  // Watches `word` until it is no longer `value`; then forgets it by itself.
  void Watch(std::atomic<std::uint32_t>& word, std::uint32_t value);

 private:
  struct Entry {
    std::atomic<std::uint32_t>* word;
    std::uint32_t value;
  };

  Waiter(Loop& loop, UniqueFd event, std::function<void()> on_alarm);
  void Run();
  // Makes the thread look at the list again, and waits until it has let go of
  // the words it had.
  void Poke();

  UniqueFd event_;
  std::function<void()> on_alarm_;
  ReadWatch watch_;

  std::map<std::atomic<std::uint32_t>*, int> users_;

  std::mutex mutex_;
  std::vector<Entry> entries_;  // guarded by mutex_
  bool stopping_ = false;       // guarded by mutex_

  std::atomic<std::uint32_t> poke_{0};  // futex: bumped by the loop
  std::atomic<std::uint32_t> seen_{0};  // futex: the poke_ it has acted on
  std::thread thread_;
};

}  // namespace ssi

#endif  // SSI_DEPUTY_WAITER_H_
