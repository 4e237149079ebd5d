#include "deputy/home_move.h"

#include <signal.h>

#include <spdlog/spdlog.h>

#include "base/fault.h"
#include "base/files.h"
#include "migration/compatibility.h"
#include "migration/move_wire.h"
#include "process/cpu_features.h"
#include "proto/message.h"
#include "proto/session_frames.h"
#include "supervisor/call_payload.h"

namespace ssi {

using migration::Direction;
using migration::HomeIs;
using migration::Role;

namespace {

using namespace std::chrono_literals;

migration::Move MoveOf(MoveId id, const HomeMove::Plan& plan,
                       const std::string& home, Nanos grace) {
  migration::Move move;
  move.id = id;
  move.direction = plan.direction;
  move.source = plan.direction == Direction::kDeparture ? home
                : plan.direction == Direction::kOnward  ? plan.from
                                                        : plan.node;
  move.target = plan.direction == Direction::kReturn ? home : plan.node;
  move.grace = grace;
  return move;
}

}  // namespace

HomeMove::HomeMove(HomePlaces& places, HomeProcess& process, Plan plan,
                   Hooks hooks)
    : places_(places),
      process_(process),
      plan_(std::move(plan)),
      hooks_(std::move(hooks)),
      id_(MoveId{RandomId()}),
      home_(MoveOf(id_, plan_, places.node, places.grace)),
      go_timer_(places.loop),
      settle_timer_(places.loop),
      later_(places.loop) {
  if (plan_.direction == Direction::kDeparture) {
    source_.emplace(id_, HomeIs::kHere);
  } else if (plan_.direction == Direction::kReturn) {
    target_.emplace(id_, HomeIs::kHere);
  }
}

HomeMove::~HomeMove() {
  process_.threads.WhenIdle(nullptr);
  process_.threads.ForgetOffers();
  if (process_.session) {
    process_.session->StopBulk();
  }
}

bool HomeMove::IsHere(Role role) const {
  return role == Role::kHome ||
         (role == Role::kSource && plan_.direction == Direction::kDeparture) ||
         (role == Role::kTarget && plan_.direction == Direction::kReturn);
}

Role HomeMove::PeerAt(Link link) const {
  switch (plan_.direction) {
    case Direction::kDeparture:
      return Role::kTarget;
    case Direction::kReturn:
      return Role::kSource;
    case Direction::kOnward:
      break;
  }
  return (link == Link::kOther) == switched_ ? Role::kSource : Role::kTarget;
}

Session* HomeMove::SessionWith(Role role) const {
  Session* of_process = process_.session.get();
  return role == PeerAt(Link::kOfProcess) ? of_process
                                          : process_.other_session.get();
}

// What calls have raised whose results are in the image comes before the next
// instruction: offered before it starts.
void HomeMove::OfferFirst() {
  constexpr Nanos kMost = 2s;
  go_timer_.Start(kMost, [this] { SayGo(); });
  process_.threads.ReleaseAndOffer([this] {
    // Not from inside a stop of the last.
    go_timer_.Start(Nanos(0), [this] { SayGo(); });
  });
}

void HomeMove::SayGo() {
  if (!std::exchange(offered_, true)) {
    Send(Role::kHome, Role::kTarget, migration::Go{id_});
  }
}

void HomeMove::SwitchSessions() {
  if (plan_.direction == Direction::kOnward) {
    hooks_.switched();
    switched_ = true;
  }
}

// ---- running the machines ---------------------------------------------------

void HomeMove::Begin() {
  (void)fault::Hit("home.asking");
  began_ = places_.clock.Monotonic();
  migration::Move move = MoveOf(id_, plan_, places_.node, places_.grace);
  hop_.from = move.source;
  hop_.to = move.target;
  hop_.reason = plan_.reason;
  hop_.at = places_.clock.Real();
  migration::Ask ask;
  ask.move = id_;
  ask.version = migration::CaptureVersion(supervisor::kPayloadVersion);
  ask.features = CpuFeatures();
  ask.size = SizeOfProcess();
  ask.reason = plan_.reason;
  Feed(Role::kHome, migration::MoveRequested{ask});
}

// Events wait for the actions of the one before, also those that an action
// itself causes.
void HomeMove::Feed(Role role, migration::Event event) {
  queue_.push_back({role, std::move(event)});
  if (draining_) {
    return;
  }
  draining_ = true;
  while (!queue_.empty()) {
    Queued next = std::move(queue_.front());
    queue_.pop_front();
    Deliver(next.to, next.event);
  }
  draining_ = false;
  bool local_done = !source_ && !target_;
  if (outcome_ && local_done && !reported_) {
    reported_ = true;
    // The owner destroys this.
    later_.Call([finished = hooks_.finished, end = *outcome_] {
      finished(end.outcome, end.reason);
    });
  }
}

void HomeMove::Deliver(Role role, const migration::Event& event) {
  if (role == Role::kHome) {
    Carry(role, home_.On(event));
  } else if (role == Role::kSource && source_) {
    Carry(role, source_->On(event));
  } else if (role == Role::kTarget && target_) {
    Carry(role, target_->On(event));
  }
}

struct HomeMove::Carrier {
  HomeMove& move;
  Role role;

  void operator()(const migration::Send& send) const {
    move.Send(role, send.to, send.message);
  }
  void operator()(const migration::StartTimer& start) const {
    move.StartTimer(role, start.kind, start.limit);
  }
  void operator()(const migration::StopTimer& stop) const {
    move.timers_.erase({role, stop.kind});
  }
  void operator()(const migration::Note& note) const {
    spdlog::debug("process {}: {}", Raw(move.process_.pid), note.text);
  }
  void operator()(const migration::Finished& finished) const {
    if (role == Role::kHome) {
      move.Finish(finished);
    } else {
      move.source_.reset();
      move.target_.reset();
    }
  }
  void operator()(const migration::RecordPlace&) const {
    (void)fault::Hit("home.committing");
    move.SwitchSessions();
  }
  void operator()(const migration::BreakLink&) const {
    move.process_.session.reset();
  }
  void operator()(const migration::RefuseMove&) const {}
  void operator()(const migration::RefuseAbort& refuse) const {
    spdlog::info("process {}: {}", Raw(move.process_.pid), refuse.reason);
  }
  void operator()(const migration::FreezeProcess&) const { move.FreezeHere(); }
  void operator()(const migration::CancelHomeCalls&) const {
    move.Feed(role, migration::HomeCallsSettled{});
  }
  void operator()(const migration::SendImage&) const { move.SendImage(); }
  void operator()(const migration::ResumeHere&) const { move.ResumeHere(); }
  void operator()(const migration::EmptyStandIn&) const { move.EmptyStandIn(); }
  void operator()(const migration::DestroyCopy& destroy) const {
    move.DestroyHere(destroy.reason);
  }
  void operator()(const migration::CheckAsk&) const {
    move.Feed(role, migration::Admitted{"bulk"});
  }
  void operator()(const migration::ReceiveImage&) const { move.ReceiveImage(); }
  void operator()(const migration::BeginRebuild&) const { move.BeginRebuild(); }
  void operator()(const migration::StartHere&) const { move.StartHere(); }
  void operator()(const migration::DiscardRebuild&) const {
    move.DiscardRebuild();
  }
};

void HomeMove::Carry(Role role, const migration::Actions& actions) {
  for (const auto& action : actions) {
    std::visit(Carrier{*this, role}, action);
  }
}

void HomeMove::Send(Role from, Role to, const migration::Message& message) {
  if (IsHere(to)) {
    Feed(to, migration::Received{from, message});
    return;
  }
  Session* session = SessionWith(to);
  if (session == nullptr || !session->Open()) {
    return;  // what is sent to a lost link is swallowed
  }
  if (std::holds_alternative<migration::Freeze>(message)) {
    (void)fault::Hit("home.freezing");
    froze_ =
        places_.clock.Monotonic();  // the other node does it a little later
  }
  bool waits = plan_.direction == Direction::kOnward &&
               std::holds_alternative<migration::Go>(message);
  if (waits && !offered_) {
    OfferFirst();
    return;
  }
  wire::AskDetails details;
  if (std::holds_alternative<migration::Ask>(message)) {
    DescribeAsk(details);
  }
  wire::Move move;
  migration::ToWire(from, message, details, move);
  if (move.has_freeze()) {
    move.mutable_freeze()->set_onward(plan_.direction == Direction::kOnward);
  }
  if (auto bytes = proto::EncodeMessage(move)) {
    session->channel().Send(proto::session::kMove, 0, 0, *bytes);
  } else {
    spdlog::error("process {}: {}", Raw(process_.pid), bytes.error().message);
  }
}

void HomeMove::StartTimer(Role role, migration::TimerKind kind, Nanos limit) {
  auto& timer = timers_[{role, kind}];
  timer = std::make_unique<Timer>(places_.loop);
  // A link is lost only once the grace period is over, or the other end dead.
  bool over = kind == migration::TimerKind::kGrace && link_lost_;
  timer->Start(over ? Nanos(0) : limit, [this, role, kind, limit] {
    bool waits = kind == migration::TimerKind::kStart && process_.session &&
                 process_.session->Open() && !process_.session->Connected();
    if (waits) {
      StartTimer(role, kind, limit);  // RUNNING cannot come now
      return;
    }
    Feed(role, migration::TimerFired{kind, ""});
  });
}

Status HomeMove::OnFrame(Link link, std::span<const std::byte> payload) {
  wire::Move wire_move;
  SSI_TRY(proto::DecodeMessage(payload, wire_move));
  SSI_ASSIGN(auto received, migration::FromWire(wire_move));
  if (received.from != PeerAt(link)) {
    return Fail(ErrorCode::kProtocol, "the {} is elsewhere",
                migration::NameOf(received.from));
  }
  if (wire_move.has_held() && plan_.direction == Direction::kOnward) {
    bytes_ = wire_move.held().bytes();
  }
  source_holds_ = source_holds_ ||
                  (std::holds_alternative<migration::Held>(received.message) &&
                   migration::MoveOf(received.message) == id_);
  Feed(Role::kHome, migration::Received{received.from, received.message});
  if (source_holds_ && std::exchange(rebuild_waits_, false)) {
    BeginRebuild();
  }
  return {};
}

void HomeMove::OnLinkLost(Link link, const std::string& reason) {
  link_lost_ = true;
  Feed(Role::kHome, migration::LinkLost{PeerAt(link), reason});
}

void HomeMove::OnProcessGone(const std::string& reason) {
  Feed(Role::kHome, migration::ProcessGone{reason});
  if (source_) {
    Feed(Role::kSource, migration::ProcessDied{reason});
  } else if (target_) {
    Feed(Role::kTarget, migration::StepFailed{reason});
  }
}

// After GO home refuses this: the target has it, or gets it again.
void HomeMove::OnDisconnected(const std::string& reason) {
  Feed(Role::kHome, migration::AbortRequested{reason});
}

void HomeMove::Finish(const migration::Finished& finished) {
  hop_.moved = finished.outcome == migration::Outcome::kMoved;
  if (!hop_.moved) {
    hop_.reason = finished.reason;
  }
  hop_.whole = places_.clock.Monotonic() - began_;
  hop_.frozen =
      froze_ == Nanos(0) ? Nanos(0) : places_.clock.Monotonic() - froze_;
  hop_.bytes = bytes_;
  process_.history.Add(hop_);
  outcome_ = finished;
  using migration::SourceMachine;
  if (source_ && source_->state() == SourceMachine::State::kRunning) {
    source_.reset();  // it took no part
  }
}

}  // namespace ssi
