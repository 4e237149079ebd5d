// The connection for calls and control: frames over TLS on the event loop.
#ifndef SSI_PROTO_CHANNEL_H_
#define SSI_PROTO_CHANNEL_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>

#include "base/clock.h"
#include "base/loop.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "proto/frame.h"
#include "proto/tls.h"

namespace ssi::proto {

struct ChannelLimits {
  Nanos handshake = std::chrono::seconds(5);
  // A heartbeat goes out after this long in which nothing was sent.
  Nanos heartbeat = std::chrono::seconds(1);
  // The channel ends after this long in which nothing arrived. On BOOTTIME:
  // a sleep of the machine counts.
  Nanos silence = std::chrono::seconds(60);
};

// Owner:   whoever talks to that peer. May be destroyed at any time, also in
//          each of its callbacks; no callback comes after.
// Threads: the loop's only.
// Callbacks come from the loop or from PollFor, never from inside Client,
// Server, Send or Close:
//   on_open      once: the peer has proved that it has the key, or why not.
//                After an error nothing else comes.
//   on_frame     for each frame in order, heartbeats excepted. The payload is
//                valid until the callback returns.
//   on_heartbeat for each heartbeat.
//   on_closed    once, after a successful on_open: kGone (closed, broken,
//                silent) or kProtocol; end() tells which. What arrived before
//                was delivered.
//   on_received  each time authentic bytes of the peer arrived, before the
//                frames that they complete.
// Any may be empty.
class Channel {
 public:
  struct Callbacks {
    std::function<void(Status)> on_open;
    std::function<void(const FrameHeader&, std::span<const std::byte>)>
        on_frame;
    std::function<void(const FrameHeader&)> on_heartbeat;
    std::function<void(Error)> on_closed;
    std::function<void()> on_received;
  };

  using Limits = ChannelLimits;

  // How it ended.
  enum class End : std::uint8_t {
    kBroken,    // by the network, by silence, or by what only looks like TLS
    kGoodbye,   // the peer closed it
    kBadFrame,  // the peer, who has the key, broke the rules
  };

  struct Counters {
    std::uint64_t frames_in = 0;  // heartbeats included
    std::uint64_t frames_out = 0;
    std::uint64_t bytes_in = 0;  // headers included, TLS's own bytes not
    std::uint64_t bytes_out = 0;
  };

  // Takes a connected stream socket; TLS starts at once. `loop` must outlive
  // the channel.
  static std::unique_ptr<Channel> Client(Loop& loop, UniqueFd socket,
                                         const TlsContext& context,
                                         Callbacks callbacks,
                                         Limits limits = {});
  static std::unique_ptr<Channel> Server(Loop& loop, UniqueFd socket,
                                         const TlsContext& context,
                                         Callbacks callbacks,
                                         Limits limits = {});
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  Channel(Channel&&) = delete;
  Channel& operator=(Channel&&) = delete;
  ~Channel();

  // After on_open only. Writes at once what the socket takes; the rest waits
  // in memory without a bound: who can produce more than the peer reads looks
  // at queued_bytes(). At most kMaxFrame bytes in all parts together. After
  // the end of the connection it does nothing.
  void Send(FrameType type, std::uint16_t flags, std::uint64_t id,
            std::initializer_list<std::span<const std::byte>> parts);
  void Send(FrameType type, std::uint16_t flags, std::uint64_t id,
            std::span<const std::byte> payload);

  // Frames that the caller has put together, `count` of them, one after the
  // other.
  void SendWhole(std::span<const std::byte> frames, std::uint64_t count);
  void SendHeartbeat();
  // Heartbeats from now on say that this frame of the peer's has come.
  void SetAcknowledged(std::uint64_t number);

  // Asks the socket again and again until frames arrive, at most `limit`, and
  // delivers them; true if there were any. Does not run the loop. Called
  // inside a callback of this channel it returns false at once.
  bool PollFor(Nanos limit);

  // Says goodbye and ends without a callback. What still waits to be sent is
  // lost, and what the peer sent and nobody read may take our last frames with
  // it (TCP reset): end a conversation with a frame that the peer answers.
  void Close();
  // Ends without a callback and without a goodbye: what is under way is lost,
  // and the peer takes it for a broken connection.
  void Break();

  [[nodiscard]] bool is_open() const;
  // Once it is closed by the other side or by the network.
  [[nodiscard]] End end() const;
  // Encrypted bytes that the socket has not taken.
  [[nodiscard]] std::size_t queued_bytes() const;
  // When authentic bytes arrived last (on_open counts): CLOCK_BOOTTIME.
  [[nodiscard]] Nanos last_received() const;
  [[nodiscard]] const Counters& counters() const;

 private:
  class Core;
  explicit Channel(std::shared_ptr<Core> core);

  // Shared with calls in progress only, so that it outlives a callback that
  // destroys the channel.
  std::shared_ptr<Core> core_;
};

}  // namespace ssi::proto

#endif  // SSI_PROTO_CHANNEL_H_
