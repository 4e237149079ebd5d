#include "remote/remote.h"

#include <spdlog/spdlog.h>

#include "base/fault.h"
#include "base/files.h"
#include "migration/move_wire.h"
#include "process/cpu_features.h"
#include "proto/message.h"
#include "proto/session_frames.h"

namespace ssi {

using migration::Role;
using std::chrono::nanoseconds;

namespace {
using namespace std::chrono_literals;
constexpr Nanos kUsagePeriod = 1s;
// How often it is looked whether home has been silent for too long: by
// BOOTTIME, which goes on while the machine sleeps, and timers are not.
constexpr Nanos kHomeLook = 200ms;
}  // namespace

Remote::Remote(Places places, std::string name, std::function<void()> ended)
    : places_(places),
      name_(std::move(name)),
      ended_(std::move(ended)),
      channel_(places.loop, ChannelCallbacks(),
               migration::SilenceFor(places.policy.grace)),
      heard_at_(places.clock.Boot()),
      looked_at_(heard_at_),
      looked_before_(heard_at_),
      home_timer_(places.loop),
      bulk_(places.loop),
      usage_timer_(places.loop),
      later_(places.loop) {
  WatchHome();
}

Remote::~Remote() {
  DropGuest();
}

// ---- connections ------------------------------------------------------------

proto::SteadyChannel::Callbacks Remote::ChannelCallbacks() {
  proto::SteadyChannel::Callbacks callbacks;
  callbacks.on_refused = [this](const Error& error) {
    spdlog::warn("{}: a connection: {}", name_, error.message);
  };
  callbacks.on_frame = [this](const proto::FrameHeader& header,
                              std::span<const std::byte> payload) {
    OnFrame(header, payload);
  };
  callbacks.on_lost = [this](const Error& error) {
    OnLost(error);
  };
  callbacks.on_back = [this] {
    spdlog::info("{}: connected to home again", name_);
  };
  callbacks.on_ended = [this](const Error& error) {
    OnEnded(error);
  };
  callbacks.on_received = [this] {
    OnReceived();
  };
  callbacks.on_room = [this] {
    if (guest_) {
      guest_->OnRoom();
    }
  };
  return callbacks;
}

void Remote::TakeCalls(UniqueFd socket, const proto::TlsContext& context) {
  channel_.Take(std::move(socket), context, proto::TlsRole::kServer);
}

void Remote::TakeBulk(UniqueFd socket, const proto::TlsContext& context) {
  auto stream = proto::BulkStream::Server(std::move(socket), context);
  if (!stream) {
    EndSession(stream.error().message);
    return;
  }
  // In place of a connection before, which home has given up.
  bulk_.Open(*std::move(stream), [this](const Status& status) {
    if (!status && HasGuest()) {
      spdlog::warn("{}: connection for memory: {}", name_,
                   status.error().message);
      return;
    }
    if (!status) {
      EndSession(status.error().message);
      return;
    }
    if (auto go_on = std::exchange(when_bulk_ready_, nullptr)) {
      go_on();
    }
  });
}

void Remote::Transmit(proto::FrameType type,
                      const google::protobuf::MessageLite& message) {
  if (auto bytes = proto::EncodeMessage(message)) {
    channel_.Send(type, 0, 0, *bytes);
  }
}

void Remote::OnFrame(const proto::FrameHeader& header,
                     std::span<const std::byte> payload) {
  if (over_) {
    return;
  }
  if (auto status = HandleFrame(header, payload); !status) {
    EndSession(status.error().message);
  }
}

Status Remote::HandleFrame(const proto::FrameHeader& header,
                           std::span<const std::byte> payload) {
  namespace session = proto::session;
  if (header.type == session::kReply && guest_) {
    return guest_->OnReply(header.id, payload);
  }
  if (header.type == session::kMove) {
    return OnMoveFrame(payload);
  }
  if (header.type == session::kEnd) {
    SendUsage();
    DropGuest();
    channel_.Send(session::kEnded, 0, 0, std::span<const std::byte>());
    return {};
  }
  if (!guest_) {
    return {};  // it has left or ended meanwhile
  }
  if (header.type == session::kSignal) {
    wire::SignalOffer offer;
    SSI_TRY(proto::DecodeMessage(payload, offer));
    guest_->OnSignal(offer);
  } else if (header.type == session::kOnward) {
    return OnOnward(payload);
  } else if (header.type == session::kAskCpu) {
    Transmit(session::kUsage, guest_->CpuUsage());
  } else if (header.type == session::kStop) {
    guest_->OnStop();
  } else if (header.type == session::kContinue) {
    guest_->OnContinue();
  } else if (header.type == session::kMapFileReply) {
    wire::MapFileReply reply;
    SSI_TRY(proto::DecodeMessage(payload, reply));
    return guest_->OnMapReply(reply);
  } else if (header.type == session::kLifeReply) {
    wire::LifeReply reply;
    SSI_TRY(proto::DecodeMessage(payload, reply));
    return guest_->OnLifeReply(reply);
  } else {
    return Fail(ErrorCode::kProtocol, "frame type {}",
                static_cast<unsigned>(header.type));
  }
  return {};
}

// What is read now has come since the look before the last. If this process was
// stopped, that is long ago, and home may have given the connection up
// meanwhile.
void Remote::OnReceived() {
  heard_at_ = std::max(heard_at_, looked_before_);
  if (SinceHeard() > migration::GuestEndFor(places_.policy.grace)) {
    WatchHome();
    return;
  }
  places_.watchdog.Heard(heard_at_);
}

// Home makes another connection if it wants this session to go on. Before READY
// it cannot have said GO, so an arrival ends here.
void Remote::OnLost(const Error& error) {
  using State = TargetMachine::State;
  if (target_ && target_->state() != State::kReady &&
      target_->state() != State::kStarting) {
    Feed(migration::LinkLost{Role::kHome, error.message});
  }
  if (!guest_ && !target_ && !source_) {
    EndSession(error.message);
    return;
  }
  spdlog::warn("{}: connection to home lost, it may come back: {}", name_,
               error.message);
}

void Remote::OnEnded(const Error& error) {
  Feed(migration::LinkLost{Role::kHome, error.message});
  EndSession(error.message);
}

Nanos Remote::SinceHeard() const {
  return places_.clock.Boot() - heard_at_;
}

void Remote::WatchHome() {
  if (over_) {
    return;
  }
  looked_before_ = std::exchange(looked_at_, places_.clock.Boot());
  const Nanos limit = migration::GuestEndFor(places_.policy.grace);
  if (SinceHeard() > limit) {
    OnEnded(Error{ErrorCode::kGone,
                  fmt::format("nothing was heard from home for {:.1f} s",
                              std::chrono::duration<double>(limit).count()),
                  0});
    return;
  }
  home_timer_.Start(kHomeLook, [this] { WatchHome(); });
}

void Remote::EndSession(const std::string& reason) {
  if (over_) {
    return;
  }
  over_ = true;
  if (guest_) {
    spdlog::warn("{}: the guest is killed: {}", name_, reason);
  } else {
    spdlog::debug("{}: session ends: {}", name_, reason);
  }
  DropGuest();
  // Not from inside a callback of the channel.
  asio::post(places_.loop, ended_);
}

// ---- the machines -----------------------------------------------------------

Status Remote::OnMoveFrame(std::span<const std::byte> payload) {
  wire::Move move;
  SSI_TRY(proto::DecodeMessage(payload, move));
  SSI_ASSIGN(auto received, migration::FromWire(move));
  if (received.from != Role::kHome) {
    return Fail(ErrorCode::kProtocol, "a move not from home");
  }
  if (move.has_ask()) {
    if (guest_ || target_ || source_) {
      return Fail(ErrorCode::kProtocol, "asked while it has a process");
    }
    details_ = move.ask().details();
    shift_ = {nanoseconds(details_.monotonic_ns()) - places_.clock.Monotonic(),
              nanoseconds(details_.boot_ns()) - places_.clock.Boot()};
    home_node_ = details_.home();
    command_ = details_.command();
    target_.emplace(migration::MoveOf(received.message),
                    migration::HomeIs::kElsewhere);
  } else if (move.has_freeze() && guest_ && guest_->Running() && !source_) {
    source_.emplace(migration::MoveOf(received.message),
                    migration::HomeIs::kElsewhere);
    onward_ = move.freeze().onward();
  }
  Feed(migration::Received{received.from, received.message});
  return {};
}

// It is to go on from here: the way for its image is made while it still runs.
Status Remote::OnOnward(std::span<const std::byte> payload) {
  wire::SessionOpened where;
  SSI_TRY(proto::DecodeMessage(payload, where));
  if (source_) {
    return Fail(ErrorCode::kProtocol, "onward while it leaves");
  }
  CutAt("guest.onward");
  outbound_ = std::make_unique<Outbound>(
      places_.loop, where, [this](const Status& status) {
        wire::OnwardReady ready;
        if (!status) {
          ready.set_error(fmt::format("{}: {}", places_.policy.node,
                                      status.error().message));
        }
        Transmit(proto::session::kOnwardReady, ready);
      });
  return {};
}

// Events wait for the actions of the one before, also those that an action
// itself causes.
void Remote::Feed(migration::Event event) {
  events_.push_back(std::move(event));
  if (feeding_) {
    return;
  }
  feeding_ = true;
  while (!events_.empty()) {
    migration::Event next = std::move(events_.front());
    events_.pop_front();
    if (target_) {
      Carry(Role::kTarget, target_->On(next));
    } else if (source_) {
      Carry(Role::kSource, source_->On(next));
    }
  }
  feeding_ = false;
}

struct Remote::Carrier {
  Remote& remote;
  Role role;

  void operator()(const migration::Send& send) const {
    remote.Send(role, send.message);
  }
  void operator()(const migration::StartTimer& start) const {
    remote.StartTimer(start.kind, start.limit);
  }
  void operator()(const migration::StopTimer& stop) const {
    remote.timers_.erase(stop.kind);
  }
  void operator()(const migration::Note& note) const {
    spdlog::info("{}: {}", remote.name_, note.text);
  }
  void operator()(const migration::Finished& finished) const {
    spdlog::debug("{}: move {}: {}", remote.name_,
                  migration::NameOf(finished.outcome), finished.reason);
    if (role == Role::kTarget) {
      remote.target_.reset();
      remote.sandbox_.reset();
    } else {
      remote.source_.reset();
      remote.outbound_.reset();
    }
    remote.timers_.clear();
  }
  void operator()(const migration::FreezeProcess&) const {
    remote.CutAt("guest.freezing");
    remote.guest_->Freeze();
  }
  void operator()(const migration::CancelHomeCalls&) const {
    remote.guest_->Settle();
  }
  void operator()(const migration::SendImage&) const { remote.SendImage(); }
  void operator()(const migration::ResumeHere& resume) const {
    spdlog::info("{}: goes on here: {}", remote.name_, resume.reason);
    remote.when_bulk_ready_ = nullptr;
    remote.bulk_.Stop();
    remote.outbound_.reset();
    remote.guest_->Resume();
  }
  void operator()(const migration::DestroyCopy& destroy) const {
    spdlog::debug("{}: copy destroyed: {}", remote.name_, destroy.reason);
    remote.CutAt("guest.destroying");
    remote.DropGuest();
  }
  void operator()(const migration::CheckAsk& check) const {
    remote.CheckAsk(check.ask);
  }
  void operator()(const migration::ReceiveImage&) const {
    remote.ReceiveImage();
  }
  void operator()(const migration::BeginRebuild&) const {
    remote.BeginRebuild();
  }
  void operator()(const migration::StartHere&) const { remote.StartHere(); }
  void operator()(const migration::DiscardRebuild& discard) const {
    remote.Discard(discard.reason);
  }
  // Home's own: no machine of this side asks for them.
  void operator()(const migration::RecordPlace&) const {}
  void operator()(const migration::BreakLink&) const {}
  void operator()(const migration::RefuseMove&) const {}
  void operator()(const migration::RefuseAbort&) const {}
  void operator()(const migration::EmptyStandIn&) const {}
};

void Remote::Carry(Role role, const migration::Actions& actions) {
  for (const auto& action : actions) {
    std::visit(Carrier{*this, role}, action);
  }
}

void Remote::Send(Role from, const migration::Message& message) {
  wire::Move move;
  migration::ToWire(from, message, {}, move);
  if (move.has_held()) {
    move.mutable_held()->set_bytes(sent_bytes_);
  }
  Transmit(proto::session::kMove, move);
}

void Remote::StartTimer(migration::TimerKind kind, Nanos limit) {
  auto& timer = timers_[kind];
  timer = std::make_unique<Timer>(places_.loop);
  timer->Start(limit, [this, kind] {
    std::string detail = guest_ ? guest_->WhereItIs() : "";
    Feed(migration::TimerFired{kind, detail});
  });
}

// ---- the guest --------------------------------------------------------------

void Remote::DropGuest() {
  usage_timer_.Stop();
  // They may still read or write the guest. A stream that is broken off in the
  // middle is of no use any more: home makes a new one for the next move.
  bulk_.Stop();
  outbound_.reset();
  sandbox_.reset();
  guest_.reset();
}

void Remote::SendUsage() {
  if (!guest_ || over_) {
    return;
  }
  Transmit(proto::session::kUsage, guest_->Usage());
  usage_timer_.Start(kUsagePeriod, [this] { SendUsage(); });
}

void Remote::PollStops() {
  if (guest_) {
    guest_->PollStops();
  }
}

void Remote::Supersede() {
  OnEnded(Error{ErrorCode::kGone, "home has begun another session", 0});
}

void Remote::AskToLeave(const std::string& reason) {
  if (guest_ && guest_->Running()) {
    wire::ComeHome come;
    come.set_number(-1);
    come.set_reason(reason);
    come.set_stay(true);
    Transmit(proto::session::kComeHome, come);
  }
}

bool Remote::HasGuest() const {
  return guest_ && guest_->Running();
}

wire::Usage Remote::Usage() const {
  return guest_ ? guest_->Usage() : wire::Usage();
}

}  // namespace ssi
