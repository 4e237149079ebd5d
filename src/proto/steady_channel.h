// A channel that outlives its connections.
#ifndef SSI_PROTO_STEADY_CHANNEL_H_
#define SSI_PROTO_STEADY_CHANNEL_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <vector>

#include "base/loop.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "proto/channel.h"
#include "proto/ledger.h"
#include "proto/tls.h"
#include "proto/tls_session.h"

namespace ssi::proto {

// Frames between the two ends of a session, over one connection after the
// other: what one of them lost is sent again on the next (ledger.h), so that
// the owners see nothing of it but the time that it takes. Who connects, and
// for how long it is tried, is theirs.
//
// Owner:   an end of a session. May be destroyed at any time, also in each of
//          its callbacks; no callback comes after.
// Threads: the loop's only.
// Callbacks come from the loop or from PollFor:
//   on_open      once: the first connection is good.
//   on_refused   a socket that was given did not become a connection.
//   on_frame     for each frame in order, each once.
//   on_lost      the connection broke. All is kept; what is sent meanwhile too.
//   on_back      another one has taken its place, and what was lost is sent
//                again. Also without on_lost, where only the peer had noticed.
//   on_ended     once: it cannot go on, because the peer has closed it (kGone)
//                or broke the rules (kProtocol). Nothing comes after.
//   on_received  each time authentic bytes of the peer arrived.
//   on_room      it is not Full() any more.
// Any may be empty.
class SteadyChannel {
 public:
  struct Callbacks {
    std::function<void()> on_open;
    std::function<void(const Error&)> on_refused;
    std::function<void(const FrameHeader&, std::span<const std::byte>)>
        on_frame;
    std::function<void(const Error&)> on_lost;
    std::function<void()> on_back;
    std::function<void(const Error&)> on_ended;
    std::function<void()> on_received;
    std::function<void()> on_room;
  };

  // `silence`: after this long in which nothing came a connection is broken.
  SteadyChannel(Loop& loop, Callbacks callbacks, Nanos silence);
  ~SteadyChannel();
  SteadyChannel(const SteadyChannel&) = delete;
  SteadyChannel& operator=(const SteadyChannel&) = delete;
  SteadyChannel(SteadyChannel&&) = delete;
  SteadyChannel& operator=(SteadyChannel&&) = delete;

  // A connected socket: takes the place of the present connection once the
  // peer has proved that it has the key.
  void Take(UniqueFd socket, const TlsContext& context, TlsRole role);

  // At most kMaxFrame bytes in all parts together. Never lost while the session
  // lives: who can wait looks at Full() first.
  void Send(FrameType type, std::uint16_t flags, std::uint64_t id,
            std::initializer_list<std::span<const std::byte>> parts);
  void Send(FrameType type, std::uint16_t flags, std::uint64_t id,
            std::span<const std::byte> payload);
  // As Channel's; false at once where there is no connection.
  bool PollFor(Nanos limit);

  // Says goodbye where there is a connection, and ends without a callback.
  void Close();
  // Breaks the connection now, as the network might; on_lost comes later.
  void Break(const Error& why);

  [[nodiscard]] bool connected() const { return channel_ != nullptr; }
  // So much waits for the peer that no more should be begun.
  [[nodiscard]] bool Full() const { return ledger_.Full(); }
  // The peer has said that it has all.
  [[nodiscard]] bool AllArrived() const { return ledger_.kept_bytes() == 0; }

 private:
  void OnOpen(Channel* candidate, const Status& status);
  void OnFrame(const FrameHeader& header, std::span<const std::byte> payload);
  void OnHeartbeat(const FrameHeader& header);
  bool Account(const FrameHeader& header, Ledger::Take& take);
  void OnClosed(const Error& error);
  void Attach(std::unique_ptr<Channel> channel);
  void TellRoom();
  void End(const Error& error);
  // The last that a method does: the owner may destroy this.
  template <typename Callback, typename... Arguments>
  void Tell(Callback Callbacks::*which, const Arguments&... arguments) {
    auto callbacks = callbacks_;
    if ((*callbacks).*which) {
      ((*callbacks).*which)(arguments...);
    }
  }

  Loop& loop_;
  std::shared_ptr<const Callbacks> callbacks_;
  ChannelLimits limits_;
  Ledger ledger_;
  std::unique_ptr<Channel> channel_;  // the present connection
  // Taken, and not yet proved to be the peer's.
  std::vector<std::unique_ptr<Channel>> candidates_;
  bool opened_ = false;    // once
  bool first_ = true;      // the present connection is
  bool was_full_ = false;  // and on_room is owed
  bool ended_ = false;
  Later later_;
};

}  // namespace ssi::proto

#endif  // SSI_PROTO_STEADY_CHANNEL_H_
