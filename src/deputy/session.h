#ifndef SSI_DEPUTY_SESSION_H_
#define SSI_DEPUTY_SESSION_H_

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/clock.h"
#include "base/loop.h"
#include "base/result.h"
#include "migration/bulk_link.h"
#include "proto/control.pb.h"
#include "proto/dial.h"
#include "proto/steady_channel.h"
#include "proto/tls.h"

namespace ssi {

// Home's end of a session: the two connections to a guest supervisor. The one
// for calls is made again when it breaks, until the grace period is over; the
// one for memory for the next move.
//
// Owner:   the deputy. Destroying it closes both.
// Threads: the loop's.
// `opened` comes once; after an error nothing else does. `lost` and `back` come
// as the connection for calls does; `closed` at most once, when an open session
// ends for good: its remote is dead then, or cannot be reached before it is.
class Session {
 public:
  struct Hooks {
    std::function<void(Status)> opened;
    std::function<void(const proto::FrameHeader&, std::span<const std::byte>)>
        on_frame;
    std::function<void(const Error&)> lost;
    std::function<void(Nanos after)> back;
    std::function<void(const Error&)> closed;
  };

  // Whose image arrives there first: home's, or that of a third node, which
  // makes its own connection for memory. Home makes its one later then.
  enum class FirstImage : std::uint8_t { kOfHome, kOfOther };

  Session(Loop& loop, const Clock& clock, std::string node, Nanos grace,
          const wire::SessionOpened& where, FirstImage first, Hooks hooks);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  Session(Session&&) = delete;
  Session& operator=(Session&&) = delete;

  [[nodiscard]] const std::string& node() const { return node_; }
  // For the connection that another node makes to it.
  [[nodiscard]] const wire::SessionOpened& where() const { return where_; }
  // What is sent while the connection is lost is kept for the next one.
  [[nodiscard]] proto::SteadyChannel& channel() { return channel_; }
  // It lives, with a connection for calls or between two.
  [[nodiscard]] bool Open() const { return open_; }
  [[nodiscard]] bool Connected() const { return open_ && !lost_at_; }
  // Both connections are good: it can serve another move.
  [[nodiscard]] bool Whole() const { return Connected() && bulk_.Good(); }
  // The other end has all that was sent to it.
  [[nodiscard]] bool AllArrived() const { return channel_.AllArrived(); }
  // Makes the bulk connection anew if it is of no use any more; Whole tells
  // when it is there. Where it cannot be made nothing else is lost.
  void RenewBulk();
  [[nodiscard]] bool Renewing() const { return renewing_; }
  // Calls `then` once, as soon as no such attempt is under way.
  void WhenRenewed(std::function<void()> then);

  // One piece of blocking work on the bulk connection at a time.
  void RunBulk(std::function<void(proto::BulkStream&)> work,
               std::function<void()> done);
  // Breaks it off, if there is one under way; the connection is of no use then.
  void StopBulk();
  // And it is of no use either where none is: something is left unread.
  void SpoilBulk();

 private:
  proto::SteadyChannel::Callbacks ChannelCallbacks();
  void Connect(proto::Purpose purpose);
  void OpenBulk(proto::Dial::Dialed dialed);
  void EndRenewal();
  void OnLost(const Error& error);
  void OnBack();
  void TryAgain(const Error& error);
  void WatchGrace();
  void Fail(Error error);
  void FailConnection(proto::Purpose purpose, const Error& error);
  void CheckOpen();

  Loop& loop_;
  const Clock& clock_;
  std::string node_;
  Nanos grace_;
  wire::SessionOpened where_;
  FirstImage first_;
  Hooks hooks_;
  std::unique_ptr<proto::Dial> calls_dial_;
  std::unique_ptr<proto::Dial> bulk_dial_;
  proto::SteadyChannel channel_;
  migration::BulkLink bulk_;
  bool calls_open_ = false;
  bool renewing_ = false;  // bulk
  std::function<void()> when_renewed_;
  bool open_ = false;
  bool failed_ = false;

  // ---- while the connection for calls is lost ----
  std::optional<Nanos> lost_at_;  // BOOTTIME: nothing that was sent before can
                                  // arrive later
  Nanos down_at_{};               // since when it is, for people
  std::string lost_why_;
  Nanos pause_{};                    // before the next attempt
  std::optional<Nanos> refused_at_;  // since when nobody listens there
  Timer again_timer_;
  Timer grace_timer_;
  Later later_;
};

}  // namespace ssi

#endif  // SSI_DEPUTY_SESSION_H_
