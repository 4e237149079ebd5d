// The numbers of a session's frames: what makes several connections, one after
// the other, one unbroken conversation.
#ifndef SSI_PROTO_LEDGER_H_
#define SSI_PROTO_LEDGER_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>

#include "base/result.h"
#include "proto/frame.h"

namespace ssi::proto {

struct LedgerLimits {
  // So much that is sent and not acknowledged, and Full() says so: who can
  // wait with more, waits.
  std::size_t full_at = std::size_t{16} << 20;
  // So much, and the peer does not acknowledge what it gets: an error. Above
  // all that the calls of four thousand threads can have waiting at once.
  std::size_t most = std::size_t{4} << 30;
  // So much that has arrived since the peer was told, and it is told without
  // waiting for a frame to tell it on.
  std::size_t tell_after = std::size_t{4} << 20;
};

// One side of a session, as a pure model: no socket, no clock. Each frame but
// heartbeats and kResume has a number, one more than the one before, and every
// frame says which number of the other side was received last. What is not
// acknowledged is kept. On each new connection both sides begin with kResume:
// the last number received (as on every frame) and, as its id, the last one
// sent. What the other side has not received is then sent again, before
// anything else; what comes twice is dropped.
//
//   side A                                     side B
//     Attach, write Opening      ->              Attach, write Opening
//     OnFrame(kResume): kSendAgain, write Again  <-
//     Add: write what it gives   ->              OnFrame: kDeliver
//
// Owner:      a SteadyChannel (or a test), for as long as the session lives.
// Threads:    one; a plain value that cannot be copied.
// Invariants: acknowledged <= sent; what is kept are the frames after
//             acknowledged, to sent, whole and in order. What OnFrame lets
//             through has each number once, in order, whatever the
//             connections do.
// Errors:     kProtocol where the peer's numbers are impossible: the session
//             cannot go on.
class Ledger {
 public:
  enum class Take : std::uint8_t {
    kDeliver,    // a new frame of the session
    kDrop,       // nothing for the owner
    kSendAgain,  // the connection is resumed: write Again()
  };

  explicit Ledger(LedgerLimits limits = {}) : limits_(limits) {}

  // ---- the connection ----
  // There is a new one. Opening() must be the first that is written to it.
  void Attach();
  void Detach();
  // The other side's kResume has come: frames travel both ways.
  [[nodiscard]] bool Resumed() const { return attached_ && resumed_; }
  [[nodiscard]] FrameHeader Opening() const;

  // ---- sending ----
  // Numbers and keeps a frame. Gives it as it is to be written now, valid until
  // the next call of this object; nothing while it must wait.
  std::span<const std::byte> Add(
      FrameType type, std::uint16_t flags, std::uint64_t id,
      std::initializer_list<std::span<const std::byte>> parts);
  // What is to be written after kSendAgain, maybe nothing; once.
  std::span<const std::byte> Again();

  // ---- receiving ----
  Result<Take> OnFrame(const FrameHeader& header);
  // So much was received since the peer was told that it shall be told now, by
  // a heartbeat. Says so once.
  bool OwesWord();

  [[nodiscard]] bool Full() const { return kept_bytes() >= limits_.full_at; }
  [[nodiscard]] std::size_t kept_bytes() const { return end_ - begin_; }
  [[nodiscard]] std::uint64_t sent() const { return sent_; }
  [[nodiscard]] std::uint64_t acknowledged() const { return acknowledged_; }
  [[nodiscard]] std::uint64_t received() const { return received_; }

 private:
  Status TakeResume(const FrameHeader& header);
  Status TakeAcknowledged(std::uint64_t number);
  std::byte* Room(std::size_t size);

  LedgerLimits limits_;
  bool attached_ = false;
  bool resumed_ = false;  // this connection's kResume has come
  bool holding_ = false;  // nothing is written before it has
  bool again_ = false;    // all that is kept is to be written again
  std::uint64_t sent_ = 0;
  std::uint64_t acknowledged_ = 0;  // by the peer
  std::uint64_t received_ = 0;
  std::size_t untold_ = 0;  // bytes received since we last told the peer

  // Frames, one after the other, from begin_ to end_. One that is answered at
  // once lies at the front, and so does the next.
  std::unique_ptr<std::byte[]> kept_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace ssi::proto

#endif  // SSI_PROTO_LEDGER_H_
