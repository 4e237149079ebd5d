#ifndef SSI_DEPUTY_CALL_SERVER_H_
#define SSI_DEPUTY_CALL_SERVER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "deputy/executor.h"
#include "process/image.h"
#include "process/kernel.h"
#include "process/memory.h"
#include "process/registers.h"
#include "process/signal_state.h"
#include "process/told.h"
#include "supervisor/args.h"

namespace ssi {

// Executes at home what one thread of a remote sends: calls, and changes that
// it tells.
//
// Owner:      the deputy, while its process is away. Borrows the executor.
// Threads:    the loop's.
// Invariants: one call at a time (its thread waits for it); everything runs in
//             the order of arrival.
// Errors:     kProtocol for what a remote must not send: the deputy then ends
//             the session.
class CallServer {
 public:
  struct Hooks {
    // A reply: its head, then the parts.
    std::function<void(std::uint64_t id, const supervisor::CallReply& reply)>
        reply;
    // A mask that the remote waits for has been set.
    std::function<void()> mask_set;
    // A call is about to queue a signal for one thread of a process; in the end
    // it may not have been `queued`.
    std::function<void(HostPid process, HostPid thread, const siginfo_t& info,
                       bool queued)>
        for_thread;
  };

  CallServer(HostPid thread, const Clock& clock, Executor& executor,
             ThreadSignals& signals, Hooks hooks);
  CallServer(const CallServer&) = delete;
  CallServer& operator=(const CallServer&) = delete;
  CallServer(CallServer&&) = delete;
  CallServer& operator=(CallServer&&) = delete;
  ~CallServer() = default;

  // `following`: carries on what an earlier call began.
  Status OnCall(std::uint64_t id, bool following,
                std::span<const std::byte> payload);
  Status OnTold(std::uint64_t id, bool answer,
                std::span<const std::byte> payload);

  // The call `id` is in the agent, or waits to be.
  [[nodiscard]] bool HasCall(std::uint64_t id) const {
    return call_.busy && call_.id == id;
  }
  [[nodiscard]] bool Busy() const { return call_.busy; }
  // The agent has been given the call; else it waits behind what was told.
  [[nodiscard]] bool InAgent() const { return executor_.Runs(call_); }
  // What an interrupted call answers that was not begun: it is made again,
  // whatever handler runs before.
  [[nodiscard]] std::int64_t ResultIfNotBegun() const {
    return call_.restart ? kRestartBlock : kRestartNoIntr;
  }
  // The call in the agent was interrupted for nothing that the program sees,
  // and is about to be made again: with what is left of its time. Over where
  // only its socket knows that: the remote learns how long that was. False
  // where `registers` are as they were.
  bool KeepTime(Registers& registers);
  // The call that waits is not made, and answers so.
  void EndWaiting() { call_.ended = true; }
  // A mask that the remote waits for is still to be set.
  [[nodiscard]] bool SettingMask() const;

  // From Hold to Release every signal is blocked here, because the process is
  // about to come home: what a call raises now would reach the process too
  // late. So it gets no answer that would let it go on: calls wait unmade, and
  // answers wait, each until the remote takes its call back.
  void Hold() { held_ = true; }
  void Release();
  // The remote takes the call `id` back: true where it gets its answer now,
  // that it was made, or that it was not.
  bool AnswerHeld(std::uint64_t id);

  // The temporary signal mask with which the call waits, if it has one.
  [[nodiscard]] std::optional<std::uint64_t> TemporaryMask() const;
  // How many calls of each number were made.
  [[nodiscard]] const std::map<int, std::uint64_t>& counts() const {
    return counts_;
  }

  // The pollfds of a poll that the stand-in finishes by restart_syscall lie in
  // its own memory, at the process's addresses.
  void SetWaitedOn(std::optional<MemoryRun> memory) { waited_on_ = memory; }

 private:
  struct CallJob final : AgentJob {
    explicit CallJob(CallServer& owner) : server(owner) {}
    std::size_t Prepare(AgentWindow& window) override;
    void Finished(AgentWindow& window) override;

    CallServer& server;
    bool busy = false;
    bool ended = false;  // before the agent was given it
    std::uint64_t id = 0;
    Nanos begun{};  // with the time limit that it has now
    std::span<const std::byte> payload;
    std::vector<std::byte> copy;  // of it, where it has to wait
    supervisor::LaidOutCall call;
    std::optional<std::int64_t> refused;  // instead of making it
    std::optional<std::uint64_t> mask;    // its temporary one
    std::optional<siginfo_t> signal;      // that it queues for a thread
    bool restart = false;
    supervisor::CallReply reply;
    std::vector<std::byte> restart_bytes;
  };
  struct ToldJob final : AgentJob {
    ToldJob(CallServer& owner, const Told& change)
        : server(owner), told(change) {}
    std::size_t Prepare(AgentWindow& window) override;
    void Finished(AgentWindow& window) override;

    CallServer& server;
    Told told;
    std::uint64_t id = 0;
    bool answer = false;
  };

  void SendForThread(const supervisor::LaidOutCall& call, const siginfo_t& info,
                     bool queued) const;
  [[nodiscard]] std::uint8_t FlagsOf(const supervisor::LaidOutCall& call,
                                     std::int64_t result) const;
  [[nodiscard]] std::uint32_t TimeLimitOf(const supervisor::LaidOutCall& call,
                                          std::int64_t result) const;
  void FinishRestart(std::int64_t result);
  void Reply(std::uint64_t id, const supervisor::CallReply& reply);
  void SendKept();

  HostPid thread_;
  const Clock& clock_;
  Executor& executor_;
  ThreadSignals& signals_;
  Hooks hooks_;
  CallJob call_;
  std::vector<std::unique_ptr<ToldJob>> told_;
  bool held_ = false;
  bool waits_unmade_ = false;  // call_ came while held
  std::optional<std::uint64_t> taken_back_;
  struct Kept {
    std::uint64_t id = 0;
    supervisor::CallReply reply;
    std::vector<std::byte> bytes;  // of its parts
  };
  std::optional<Kept> kept_;
  std::optional<MemoryRun> waited_on_;
  std::map<int, std::uint64_t> counts_;
};

}  // namespace ssi

#endif  // SSI_DEPUTY_CALL_SERVER_H_
