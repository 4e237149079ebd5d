// The agent: a few dozen bytes of code inside a process, and a window of
// memory that we share with it, through which it takes system calls, executes
// them and tells their results.
//
// The same agent runs in the stand-in at home, where it executes the calls of
// the process that is away, and in a process under construction, where it
// executes the calls that rebuild it. Each thread has a window of its own.
#ifndef SSI_PROCESS_AGENT_WINDOW_H_
#define SSI_PROCESS_AGENT_WINDOW_H_

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/ids.h"
#include "process/registers.h"

namespace ssi {

// One system call for the agent.
struct AgentCall {
  std::uint64_t number = 0;
  CallArgs args{};
  std::int64_t result = 0;
};
static_assert(sizeof(AgentCall) == 64);

// The head of a window. agent_code.S knows the offsets.
struct WindowHead {
  std::atomic<std::uint32_t> posted;  // futex: the newest job
  std::atomic<std::uint32_t> done;    // futex: the newest finished job
  std::atomic<std::uint32_t> armed;   // whom to wake: an Armed below
  std::atomic<std::uint32_t> alarm;   // futex of the waiter thread
  std::uint32_t count;                // calls of the posted job
  std::uint32_t pad;
  std::uint64_t alarm_at;  // the alarm that this one rings, in that process
  std::uint32_t rest[8];
};
static_assert(sizeof(WindowHead) == 64);

enum class Armed : std::uint32_t {
  kNobody = 0,
  kLoop = 1,    // someone sleeps on `done`
  kWaiter = 2,  // someone sleeps on the word at `alarm_at`
};

// The code, position independent, smaller than a page. Entered with rbx = the
// address of the window in that process; uses no stack and never returns.
std::span<const std::byte> AgentCode();

// Where in the code a thread's ip is while it is in a call that it was given,
// as opposed to the agent's own waiting.
std::size_t AgentInCallOffset();

constexpr std::size_t kWindowSize = (std::size_t{1} << 20) + (64 << 10);
constexpr std::size_t kMaxBatch = 255;  // calls of one job
// The calls are behind the head; the rest of the window is for their data.
constexpr std::size_t kWindowDataOffset = 64 + kMaxBatch * sizeof(AgentCall);
static_assert(kWindowDataOffset == 16384);

// Our end of a window: a view of memory that its site has mapped.
//
// Owner:      the site (agent_site.h).
// Threads:    one posts.
// Invariants: at most one job at a time. The other end may be hostile or dead:
//             nothing here trusts what it reads beyond being a number.
class AgentWindow {
 public:
  // kWindowSize bytes at `base`, which the process sees at `remote`. `alarm`:
  // the word that it rings for the waiter, and where the process sees that.
  AgentWindow(std::byte* base, RemoteAddr remote,
              std::atomic<std::uint32_t>& alarm, RemoteAddr alarm_at);
  // Of the first window of a site, whose alarm serves all.
  static std::atomic<std::uint32_t>& AlarmOf(std::byte* base);

  // Where buffers of calls go, here and as the process sees it.
  [[nodiscard]] std::span<std::byte> data() const {
    return {base_ + kWindowDataOffset, kWindowSize - kWindowDataOffset};
  }
  [[nodiscard]] RemoteAddr remote_data() const {
    return remote_ + kWindowDataOffset;
  }
  [[nodiscard]] RemoteAddr remote() const { return remote_; }
  // After the process has moved its end.
  void SetRemote(RemoteAddr address, RemoteAddr alarm_at);
  // Makes it as new, for another thread, whose agent starts here.
  void Clear();
  [[nodiscard]] std::span<AgentCall> calls() const {
    return {reinterpret_cast<AgentCall*>(base_ + sizeof(WindowHead)),
            kMaxBatch};
  }

  // Memory of the process that only a full batch of calls uses, for calls that
  // are made while the agent is in a job of few.
  static constexpr std::size_t kSpareSize = 8 * sizeof(AgentCall);
  [[nodiscard]] RemoteAddr remote_spare() const {
    return remote_ + (kWindowDataOffset - kSpareSize);
  }

  // Hands the first `count` of calls() to the agent.
  void Post(std::size_t count);
  [[nodiscard]] bool Done() const;
  // Waits up to `limit` for the job; true when it is done.
  bool WaitDone(std::chrono::nanoseconds limit);
  // Lets the agent ring the alarm when the job ends. False if it has ended
  // already: then nobody will be woken.
  bool ArmWaiter();
  // For a stopped thread in the agent whose posted job is one call: registers
  // with which it takes `result` for that call without making it. Nothing
  // where it has begun the call or is done with it. `code`: the agent's.
  [[nodiscard]] std::optional<Registers> SkipCall(const Registers& registers,
                                                  RemoteAddr code,
                                                  std::int64_t result) const;
  // The futex word that the waiter thread sleeps on, and its value now.
  [[nodiscard]] std::atomic<std::uint32_t>& alarm_word() const {
    return *alarm_;
  }

 private:
  [[nodiscard]] WindowHead* head() const {
    return reinterpret_cast<WindowHead*>(base_);
  }

  std::byte* base_;
  RemoteAddr remote_;
  std::atomic<std::uint32_t>* alarm_;
  std::uint32_t job_ = 0;
};

}  // namespace ssi

#endif  // SSI_PROCESS_AGENT_WINDOW_H_
