#include "proto/channel_core.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "proto/socket.h"

namespace ssi::proto {

namespace {

// One event delivers at most about this much before others have their turn.
constexpr std::size_t kDrainBudget = std::size_t{4} << 20;
// The tick never comes closer than this, whatever the limits.
constexpr Nanos kMinTick = std::chrono::milliseconds(1);

double Seconds(Nanos time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

Channel::Core::Core(Loop& loop, UniqueFd socket, Callbacks callbacks,
                    Limits limits)
    : loop_(loop),
      callbacks_(std::move(callbacks)),
      limits_(limits),
      wire_(std::move(socket)),
      timer_(loop) {}

void Channel::Core::Start(const TlsContext& context, TlsRole role) {
  Status started = TryStart(context, role);
  if (!started) {
    Break(started.error());
    return;
  }
  // The first flight leaves from the loop, so that a failure is told there.
  asio::post(loop_, Weakly(&Core::ContinueHandshake));
}

Status Channel::Core::TryStart(const TlsContext& context, TlsRole role) {
  SSI_TRY(PrepareSocket(wire_.fd()));
  SSI_ASSIGN(tls_, TlsSession::Make(context, role, wire_, TlsTuning{}));
  read_watch_.emplace(loop_, wire_.fd(), Weakly(&Core::OnReadable));
  timer_.Start(limits_.handshake, Weakly(&Core::OnHandshakeLimit));
  return {};
}

void Channel::Core::OnReadable() {
  if (state_ == State::kHandshake) {
    ContinueHandshake();
  } else {
    Drain();
  }
}

void Channel::Core::ContinueHandshake() {
  if (state_ != State::kHandshake) {
    return;
  }
  wire_.ExpectBytes();
  auto done = tls_->Handshake();
  if (!done) {
    Fail(done.error());
    return;
  }
  AfterWrite();
  if (*done) {
    Opened();
  }
}

void Channel::Core::OnHandshakeLimit() {
  Fail(
      Error{ErrorCode::kGone,
            fmt::format("the peer did not finish the TLS handshake in {:.3g} s",
                        Seconds(limits_.handshake)),
            0});
}

void Channel::Core::Opened() {
  state_ = State::kOpen;
  last_received_ = last_sent_ = clock_.Boot();
  StartTick();
  if (callbacks_.on_open) {
    busy_ = true;
    callbacks_.on_open({});
    busy_ = false;
  }
  Drain();  // frames may have come together with the end of the handshake
}

void Channel::Core::Send(
    FrameType type, std::uint16_t flags, std::uint64_t id,
    std::initializer_list<std::span<const std::byte>> parts) {
  SSI_CHECK(state_ != State::kHandshake, "Send before on_open");
  if (state_ != State::kOpen) {
    return;
  }
  std::size_t size = 0;
  for (auto part : parts) {
    size += part.size();
  }
  SSI_CHECK(size <= kMaxFrame, "a frame of {} bytes", size);
  const FrameHeader header{static_cast<std::uint32_t>(size), type, flags, id};
  Write(std::as_bytes(std::span(&header, 1)), parts, 1,
        kFrameHeaderSize + size);
}

void Channel::Core::SendWhole(std::span<const std::byte> frames,
                              std::uint64_t count) {
  if (state_ == State::kOpen && !frames.empty()) {
    Write(frames, {}, count, frames.size());
  }
}

void Channel::Core::SendHeartbeat() {
  if (state_ == State::kOpen) {
    FrameHeader header;
    header.type = FrameType::kHeartbeat;
    header.acknowledged = acknowledged_;
    Write(std::as_bytes(std::span(&header, 1)), {}, 1, kFrameHeaderSize);
  }
}

void Channel::Core::Write(
    std::span<const std::byte> head,
    std::initializer_list<std::span<const std::byte>> parts,
    std::uint64_t count, std::size_t size) {
  counters_.frames_out += count;
  counters_.bytes_out += size;
  last_sent_ = clock_.Boot();
  Status written = tls_->Write(head, parts);
  if (!written) {
    Break(written.error());
    return;
  }
  AfterWrite();
}

bool Channel::Core::PollFor(Nanos limit) {
  if (state_ != State::kOpen || busy_) {
    return false;
  }
  const auto end = std::chrono::steady_clock::now() + limit;
  do {
    if (Drain()) {
      return true;
    }
    __builtin_ia32_pause();
  } while (state_ == State::kOpen && std::chrono::steady_clock::now() < end);
  return false;
}

void Channel::Core::Close() {
  if (state_ != State::kClosed) {
    Release();
  }
}

// True if it delivered a frame.
bool Channel::Core::Drain() {
  if (state_ != State::kOpen || busy_) {
    return false;
  }
  busy_ = true;
  wire_.ExpectBytes();
  bool delivered = false;
  std::size_t drained = 0;
  while (state_ == State::kOpen) {
    if (drained >= kDrainBudget) {
      // Not by the watch: the rest may be in TLS's buffer already.
      asio::post(loop_, Weakly(&Core::OnReadable));
      break;
    }
    auto got = tls_->Read(reader_.Space());
    if (!got) {
      Fail(got.error());
      break;
    }
    if (*got == 0) {
      break;
    }
    drained += *got;
    reader_.Filled(*got);
    last_received_ = clock_.Boot();
    if (callbacks_.on_received) {
      callbacks_.on_received();
    }
    delivered |= DeliverFrames();
  }
  busy_ = false;
  return delivered;
}

bool Channel::Core::DeliverFrames() {
  bool delivered = false;
  FrameHeader header;
  std::span<const std::byte> payload;
  while (state_ == State::kOpen) {
    auto next = reader_.Next(header, payload);
    if (!next) {
      FailBadFrame(next.error());
      break;
    }
    if (!*next) {
      break;
    }
    ++counters_.frames_in;
    counters_.bytes_in += kFrameHeaderSize + payload.size();
    if (header.type == FrameType::kHeartbeat) {
      if (header.length != 0) {
        FailBadFrame(
            Error{ErrorCode::kProtocol, "a heartbeat with a payload", 0});
      } else if (callbacks_.on_heartbeat) {
        callbacks_.on_heartbeat(header);
      }
      continue;
    }
    delivered = true;
    if (callbacks_.on_frame) {
      callbacks_.on_frame(header, payload);
    }
  }
  return delivered;
}

// Sees to what the socket did not take.
void Channel::Core::AfterWrite() {
  if (wire_.queued() == 0 || write_watch_) [[likely]] {
    return;
  }
  Status watched = WatchWrites();
  if (!watched) {
    Break(watched.error());
  }
}

// Waits with a duplicate, which goes again when the queue is empty: Asio leaves
// EPOLLOUT on a descriptor once it has waited for it (epoll_reactor::start_op,
// Boost 1.74), and then each wait for reading would end at once by "writable".
Status Channel::Core::WatchWrites() {
  SSI_ASSIGN(UniqueFd duplicate, Duplicate(wire_.fd()));
  asio::posix::stream_descriptor watch(loop_);
  boost::system::error_code error;
  watch.assign(duplicate.get(), error);
  if (error) {
    return FailErrno(error.value(), "watch a socket");
  }
  (void)duplicate.Release();
  write_watch_.emplace(std::move(watch));
  WaitForWriting();
  return {};
}

void Channel::Core::WaitForWriting() {
  write_watch_->async_wait(asio::posix::descriptor_base::wait_write,
                           [handler = Weakly(&Core::OnWritable)](
                               const boost::system::error_code& error) {
                             if (!error) {
                               handler();
                             }
                           });
}

void Channel::Core::OnWritable() {
  if (state_ == State::kClosed || !write_watch_) {
    return;
  }
  wire_.Flush();
  if (wire_.failure()) {
    Break(*wire_.failure());
  } else if (wire_.queued() > 0) {
    WaitForWriting();
  } else {
    write_watch_.reset();
  }
}

void Channel::Core::Break(Error error) {
  if (!broken_) {
    broken_ = std::move(error);
    asio::post(loop_, Weakly(&Core::OnBroken));
  }
}

void Channel::Core::OnBroken() {
  // A peer that went away may have said something last.
  Drain();
  Fail(*broken_);
}

void Channel::Core::StartTick() {
  Nanos heartbeat_at = last_sent_ + limits_.heartbeat;
  Nanos silent_at = last_received_ + limits_.silence;
  timer_.Start(
      std::max(std::min(heartbeat_at, silent_at) - clock_.Boot(), kMinTick),
      Weakly(&Core::OnTick));
}

void Channel::Core::OnTick() {
  if (clock_.Boot() - last_received_ >= limits_.silence) {
    // Perhaps it is this process that did not run.
    Drain();
    if (clock_.Boot() - last_received_ >= limits_.silence) {
      Fail(Error{ErrorCode::kGone,
                 fmt::format("the peer was silent for {:.3g} s",
                             Seconds(limits_.silence)),
                 0});
    }
  }
  if (state_ != State::kOpen) {
    return;
  }
  if (clock_.Boot() - last_sent_ >= limits_.heartbeat) {
    if (wire_.queued() == 0) {
      SendHeartbeat();
    } else {
      last_sent_ = clock_.Boot();  // what waits will do as a sign of life
    }
  }
  StartTick();
}

void Channel::Core::FailBadFrame(Error error) {
  end_ = End::kBadFrame;
  Fail(std::move(error));
}

// Tells the owner, which may destroy the channel in the callback: the caller
// holds the core.
void Channel::Core::Fail(Error error) {
  if (state_ == State::kClosed) {
    return;
  }
  const bool was_open = state_ == State::kOpen;
  if (end_ != End::kBadFrame) {
    end_ = tls_ && tls_->peer_said_goodbye() ? End::kGoodbye : End::kBroken;
  }
  if (was_open && end_ == End::kBroken) {
    Abandon();
  } else {
    Release();
  }
  if (was_open && callbacks_.on_closed) {
    callbacks_.on_closed(std::move(error));
  } else if (!was_open && callbacks_.on_open) {
    callbacks_.on_open(std::unexpected(std::move(error)));
  }
}

void Channel::Core::Release() {
  if (tls_) {
    tls_->SayGoodbye();
  }
  CloseAll();
}

// Without a word: nothing that is still under way arrives after this.
void Channel::Core::Abandon() {
  if (state_ != State::kClosed) {
    SendNothingMore(wire_.fd());
    CloseAll();
  }
}

void Channel::Core::CloseAll() {
  state_ = State::kClosed;
  timer_.Stop();
  read_watch_.reset();
  write_watch_.reset();
  wire_.Close();
}

}  // namespace ssi::proto
