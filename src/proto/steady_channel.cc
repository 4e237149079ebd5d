#include "proto/steady_channel.h"

#include <algorithm>
#include <utility>

namespace ssi::proto {

namespace {

// More strangers than this at one session wait for their turn elsewhere: each
// has the handshake's limit to prove that it has the key.
constexpr std::size_t kMostCandidates = 4;

}  // namespace

SteadyChannel::SteadyChannel(Loop& loop, Callbacks callbacks, Nanos silence)
    : loop_(loop),
      callbacks_(std::make_shared<const Callbacks>(std::move(callbacks))),
      later_(loop) {
  limits_.silence = silence;
}

SteadyChannel::~SteadyChannel() {
  Close();
}

// ---- connections ------------------------------------------------------------

void SteadyChannel::Take(UniqueFd socket, const TlsContext& context,
                         TlsRole role) {
  if (ended_ || candidates_.size() >= kMostCandidates) {
    return;
  }
  auto self = std::make_shared<Channel*>(nullptr);
  Channel::Callbacks callbacks;
  callbacks.on_open = [this, self](const Status& status) {
    OnOpen(*self, status);
  };
  callbacks.on_frame = [this](const FrameHeader& header,
                              std::span<const std::byte> payload) {
    OnFrame(header, payload);
  };
  callbacks.on_heartbeat = [this](const FrameHeader& header) {
    OnHeartbeat(header);
  };
  callbacks.on_closed = [this](const Error& error) {
    OnClosed(error);
  };
  callbacks.on_received = callbacks_->on_received;
  auto channel = role == TlsRole::kClient
                     ? Channel::Client(loop_, std::move(socket), context,
                                       std::move(callbacks), limits_)
                     : Channel::Server(loop_, std::move(socket), context,
                                       std::move(callbacks), limits_);
  *self = channel.get();
  candidates_.push_back(std::move(channel));
}

void SteadyChannel::OnOpen(Channel* candidate, const Status& status) {
  auto found =
      std::ranges::find(candidates_, candidate, &std::unique_ptr<Channel>::get);
  auto channel = std::move(*found);
  candidates_.erase(found);
  if (!status) {
    channel.reset();
    Tell(&Callbacks::on_refused, status.error());
    return;
  }
  Attach(std::move(channel));
  if (!std::exchange(opened_, true)) {
    Tell(&Callbacks::on_open);
  }
}

void SteadyChannel::Attach(std::unique_ptr<Channel> channel) {
  first_ = !opened_;
  if (channel_) {
    channel_->Break();  // what it had under way comes again on the new one
  }
  channel_ = std::move(channel);
  ledger_.Attach();
  channel_->SetAcknowledged(ledger_.received());
  const FrameHeader opening = ledger_.Opening();
  channel_->SendWhole(std::as_bytes(std::span(&opening, 1)), 1);
}

void SteadyChannel::OnClosed(const Error& error) {
  const Channel::End end = channel_->end();
  if (end != Channel::End::kBroken) {
    End(error);
    return;
  }
  channel_.reset();
  ledger_.Detach();
  Tell(&Callbacks::on_lost, error);
}

void SteadyChannel::Break(const Error& why) {
  if (channel_) {
    channel_->Break();
    later_.Call([this, why, broken = channel_.get()] {
      if (channel_.get() == broken) {
        OnClosed(why);
      }
    });
  }
}

void SteadyChannel::Close() {
  ended_ = true;
  candidates_.clear();
  channel_.reset();
  ledger_.Detach();
}

void SteadyChannel::End(const Error& error) {
  Close();
  Tell(&Callbacks::on_ended, error);
}

// ---- frames -----------------------------------------------------------------

void SteadyChannel::Send(
    FrameType type, std::uint16_t flags, std::uint64_t id,
    std::initializer_list<std::span<const std::byte>> parts) {
  if (ended_) {
    return;
  }
  auto frame = ledger_.Add(type, flags, id, parts);
  was_full_ = was_full_ || ledger_.Full();
  if (channel_) {
    channel_->SendWhole(frame, 1);
  }
}

void SteadyChannel::Send(FrameType type, std::uint16_t flags, std::uint64_t id,
                         std::span<const std::byte> payload) {
  Send(type, flags, id, {payload});
}

bool SteadyChannel::PollFor(Nanos limit) {
  return channel_ && channel_->PollFor(limit);
}

void SteadyChannel::OnHeartbeat(const FrameHeader& header) {
  Ledger::Take take{};
  (void)Account(header, take);
}

void SteadyChannel::OnFrame(const FrameHeader& header,
                            std::span<const std::byte> payload) {
  Ledger::Take take{};
  if (!Account(header, take)) {
    return;
  }
  if (take == Ledger::Take::kDeliver) {
    Tell(&Callbacks::on_frame, header, payload);
  } else if (take == Ledger::Take::kSendAgain) {
    channel_->SendWhole(ledger_.Again(), 1);
    if (!first_) {
      Tell(&Callbacks::on_back);
    }
  }
}

// False: the session has ended, and this may be destroyed.
bool SteadyChannel::Account(const FrameHeader& header, Ledger::Take& take) {
  auto taken = ledger_.OnFrame(header);
  if (!taken) {
    End(taken.error());
    return false;
  }
  take = *taken;
  channel_->SetAcknowledged(ledger_.received());
  if (ledger_.OwesWord()) {
    channel_->SendHeartbeat();
  }
  if (was_full_ && !ledger_.Full()) {
    was_full_ = false;
    TellRoom();
  }
  return true;
}

// Not before the frame that made it is delivered.
void SteadyChannel::TellRoom() {
  later_.Call([this] {
    if (!ended_) {
      Tell(&Callbacks::on_room);
    }
  });
}

}  // namespace ssi::proto
