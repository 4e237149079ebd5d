// What a Channel is made of. Only channel.cc includes this.
#ifndef SSI_PROTO_CHANNEL_CORE_H_
#define SSI_PROTO_CHANNEL_CORE_H_

#include <memory>
#include <optional>

#include "proto/channel.h"
#include "proto/frame_reader.h"
#include "proto/queued_wire.h"
#include "proto/tls_session.h"

namespace ssi::proto {

// Handlers that wait in the loop hold it weakly; a call in progress holds it
// strongly, and looks at state_ after each callback.
class Channel::Core final : public std::enable_shared_from_this<Core> {
 public:
  Core(Loop& loop, UniqueFd socket, Callbacks callbacks, Limits limits);

  void Start(const TlsContext& context, TlsRole role);
  void Send(FrameType type, std::uint16_t flags, std::uint64_t id,
            std::initializer_list<std::span<const std::byte>> parts);
  void SendWhole(std::span<const std::byte> frames, std::uint64_t count);
  void SendHeartbeat();
  void SetAcknowledged(std::uint64_t number) { acknowledged_ = number; }
  bool PollFor(Nanos limit);
  void Close();
  void Abandon();

  [[nodiscard]] bool is_open() const { return state_ == State::kOpen; }
  [[nodiscard]] End end() const { return end_; }
  [[nodiscard]] std::size_t queued_bytes() const { return wire_.queued(); }
  [[nodiscard]] Nanos last_received() const { return last_received_; }
  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  enum class State { kHandshake, kOpen, kClosed };

  // A handler that calls `method` if the core still lives.
  template <typename Method>
  auto Weakly(Method method) {
    return [weak = weak_from_this(), method] {
      if (auto core = weak.lock()) {
        (core.get()->*method)();
      }
    };
  }

  Status TryStart(const TlsContext& context, TlsRole role);
  void OnReadable();
  void ContinueHandshake();
  void OnHandshakeLimit();
  void Opened();
  bool Drain();
  bool DeliverFrames();
  void Write(std::span<const std::byte> head,
             std::initializer_list<std::span<const std::byte>> parts,
             std::uint64_t count, std::size_t size);
  void AfterWrite();
  Status WatchWrites();
  void WaitForWriting();
  void OnWritable();
  void Break(Error error);
  void OnBroken();
  void OnTick();
  void StartTick();
  void FailBadFrame(Error error);
  void Fail(Error error);
  void Release();
  void CloseAll();

  Loop& loop_;
  Callbacks callbacks_;
  Limits limits_;
  SystemClock clock_;
  State state_ = State::kHandshake;
  QueuedWire wire_;
  std::unique_ptr<TlsSession> tls_;  // uses wire_
  FrameReader reader_;
  std::optional<ReadWatch> read_watch_;  // on the wire's descriptor
  // On a duplicate of it, there only while bytes wait to be sent.
  std::optional<asio::posix::stream_descriptor> write_watch_;
  Timer timer_;  // the handshake's limit, then heartbeat and silence
  Nanos last_received_{};
  Nanos last_sent_{};
  Counters counters_;
  End end_ = End::kBroken;
  std::uint64_t acknowledged_ = 0;  // for heartbeats
  bool busy_ = false;  // in Drain() or a callback: PollFor does nothing
  // Found where no callback may come from; OnBroken() is on its way to tell.
  std::optional<Error> broken_;
};

}  // namespace ssi::proto

#endif  // SSI_PROTO_CHANNEL_CORE_H_
