#ifndef SSI_REMOTE_FORWARDER_H_
#define SSI_REMOTE_FORWARDER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "base/clock.h"
#include "base/loop.h"
#include "process/image.h"
#include "proto/steady_channel.h"
#include "supervisor/args.h"
#include "supervisor/process_memory.h"

namespace ssi {

// What was done of a call elsewhere.
struct Before {
  std::optional<Nanos> left;  // its time limit, instead of the caller's
  std::uint64_t done = 0;     // bytes of a write
};

// Sends the calls of one thread of a guest home and brings back their results.
//
// Owner:      the remote; one call at a time (the thread waits for it).
// Borrows:    the channel.
// Threads:    the loop's.
// Invariants: `finish` comes exactly once for each call, unless the forwarder
//             is destroyed first; with a value, -errno, or a restart code when
//             the call was cancelled before it had a result.
class Forwarder {
 public:
  using Finish = std::function<void(std::int64_t result)>;
  // May change the bytes of an output buffer of a reply before they go to the
  // guest: argument, and its bytes.
  using Adjust =
      std::function<void(std::uint8_t argument, std::span<std::byte> bytes)>;

  // How far the guest's clocks are behind home's of a moment that is over.
  using Behind = std::function<Nanos(const ClockFloor& home)>;

  struct Parts {
    Loop& loop;
    const Clock& clock;
    proto::SteadyChannel& channel;
    HostPid guest;
    HomePid tid;  // the thread's number at home
    Behind behind;
  };

  explicit Forwarder(Parts parts)
      : tid_(parts.tid),
        channel_(parts.channel),
        memory_(parts.guest),
        clock_(parts.clock),
        behind_(std::move(parts.behind)),
        catch_up_(parts.loop) {}

  // Marshals and sends. False, and nothing was sent, where the arguments turn
  // out to be such that the call must come home.
  [[nodiscard]] bool Forward(const supervisor::CallRow& row,
                             const CallArgs& args, Finish finish,
                             Adjust adjust = {}, const Before& before = {});
  // Lets the stand-in finish a call that was interrupted at home when the
  // process left (restart_syscall). Of a poll, `pending` says where the
  // results go.
  void ForwardRestart(const PendingCall& pending, Finish finish);

  // Sets the stand-in's signal mask; finishes when all that becomes deliverable
  // by that has been offered.
  void ChangeMask(std::uint64_t mask, Finish finish);

  // Asks home to interrupt the call that is under way. Its finish comes as
  // for any other.
  void Cancel();
  [[nodiscard]] bool Outstanding() const { return static_cast<bool>(finish_); }

  // A kReply frame. kProtocol for one that fits nothing.
  Status OnReply(std::uint64_t id, std::span<const std::byte> payload);

  // Of the call that finished last with a restart code: with how much of its
  // time limit left it must be issued again.
  [[nodiscard]] std::optional<PendingCall> TakePending();

  // Of the call that finished last: a write, and how much of it was done when
  // it was cancelled.
  [[nodiscard]] const std::optional<PendingCall>& cut() const { return cut_; }

  [[nodiscard]] std::uint64_t calls() const { return calls_; }

 private:
  [[nodiscard]] std::uint64_t NextId();
  void SendRequest(std::uint16_t flags);
  Status TakeCallReply(const supervisor::ReplyView& given);
  Status TakeRestartReply(const supervisor::ReplyView& reply);
  void End(std::int64_t result);
  void NoteTimeLeft();
  void NoteCut(bool of_file);
  void Undo(const supervisor::UndoHint& undo, std::int64_t result);
  void SendUndo(const char* name, const CallArgs& args, std::int64_t result);

  HomePid tid_;
  proto::SteadyChannel& channel_;
  ProcessMemory memory_;
  const Clock& clock_;
  Behind behind_;
  Timer catch_up_;
  supervisor::CallRequest request_;
  supervisor::CallRequest undo_;
  std::vector<std::byte> adjusted_;
  Finish finish_;
  Adjust adjust_;
  // What the reply to come belongs to.
  enum class Kind : std::uint8_t { kCall, kRestart, kMask, kUndo };
  Kind kind_ = Kind::kCall;
  PendingCall restarting_;        // kRestart
  std::int64_t undo_result_ = 0;  // kUndo
  bool of_file_ = false;  // kCall: a later piece of a regular file's transfer
  std::optional<Nanos> limit_;
  Nanos started_{};
  std::optional<PendingCall> pending_;
  bool cancelled_ = false;  // the call under way
  std::optional<PendingCall> cut_;
  std::uint64_t id_ = 0;
  std::uint64_t calls_ = 0;
};

}  // namespace ssi

#endif  // SSI_REMOTE_FORWARDER_H_
