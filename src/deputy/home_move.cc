#include "deputy/home_move.h"

#include <signal.h>
#include <unistd.h>

#include <spdlog/spdlog.h>

#include "base/fault.h"
#include "base/files.h"
#include "deputy/movable.h"
#include "migration/compatibility.h"
#include "migration/image_wire.h"
#include "migration/move_wire.h"
#include "process/cpu_features.h"
#include "process/private_memory.h"
#include "process/threads.h"
#include "proto/message.h"
#include "proto/session_frames.h"
#include "supervisor/call_payload.h"

namespace ssi {

using migration::Direction;
using migration::HomeIs;
using migration::Role;

namespace {
using namespace std::chrono_literals;

// Files larger than this are not compared by their hash; the part that is
// mapped is sent.
constexpr std::uint64_t kMostHashed = std::uint64_t{256} << 20;

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

// ---- leaving ----------------------------------------------------------------

std::uint64_t HomeMove::SizeOfProcess() const {
  return plan_.direction == Direction::kOnward
             ? plan_.size
             : PrivateMemoryOf(LivingThread(process_.pid));
}

void HomeMove::DescribeFiles(wire::AskDetails& details) {
  if (plan_.direction == Direction::kOnward) {
    for (const auto* file : process_.files.All()) {
      migration::FileToWire(*file, *details.add_files());
    }
    return;
  }
  if (auto vmas = ReadVmaRanges(LivingThread(process_.pid))) {
    std::map<std::uint32_t, bool> seen;
    for (const auto& vma : *vmas) {
      bool shared = vma.kind == Vma::Kind::kShared;
      if (vma.kind != Vma::Kind::kFile && !shared) {
        continue;
      }
      auto id =
          shared ? process_.files.FindShared(vma) : process_.files.Find(vma);
      if (id && !std::exchange(seen[*id], true)) {
        process_.files.LearnHash(*id, places_.hashes, kMostHashed);
        migration::FileToWire(*process_.files.Get(*id), *details.add_files());
      }
    }
  }
}

void HomeMove::DescribeAsk(wire::AskDetails& details) {
  details.set_home(places_.node);
  details.set_command(process_.command);
  details.set_possible_cpus(
      static_cast<std::uint32_t>(::sysconf(_SC_NPROCESSORS_CONF)));
  DescribeFiles(details);
  // Last, so that they are as new as can be when they arrive.
  details.set_realtime_ns(places_.clock.Real().count());
  details.set_monotonic_ns(places_.clock.Monotonic().count());
  details.set_boot_ns(places_.clock.Boot().count());
}

void HomeMove::FreezeHere() {
  (void)fault::Hit("home.freezing");
  froze_ = places_.clock.Monotonic();
  auto frozen =
      StandIn::Freeze(process_.pid, process_.found, migration::kFreezeLimit);
  if (!frozen) {
    // One that has ended meanwhile gives EPERM (ptrace_attach,
    // kernel/ptrace.c).
    auto why = frozen.error().code == ErrorCode::kRetry
                   ? std::nullopt
                   : WhyNotMovable(process_.pid, places_.baseline, true);
    Feed(Role::kSource,
         migration::StepFailed{why.value_or(frozen.error().message)});
    return;
  }
  process_.stand_in.emplace(*std::move(frozen));
  // Until it stood still it may have made a thread, or whatever else forbids.
  auto why = WhyNotMovable(process_.pid, places_.baseline, true);
  auto vmas = ReadVmas(process_.stand_in->living());
  if (!why) {
    why = vmas ? WhyAreasForbid(*vmas)
               : std::optional<std::string>(vmas.error().message);
  }
  if (!why) {
    why = process_.stand_in->WhyItStays();
  }
  Status status =
      why ? Status(std::unexpected(Error{ErrorCode::kUnsupported, *why, 0}))
          : process_.stand_in->Plant(*std::move(vmas));
  if (!status) {
    Feed(Role::kSource, migration::StepFailed{status.error().message});
    return;
  }
  Feed(Role::kSource, migration::Frozen{});
}

void HomeMove::SendImage() {
  (void)fault::Hit("home.sending");
  auto captured = process_.stand_in->Capture(process_.files);
  if (!captured) {
    Feed(Role::kSource, migration::StepFailed{captured.error().message});
    return;
  }
  ProcessImage& image = captured->image;
  for (auto& file : image.files) {
    process_.files.LearnHash(file.id, places_.hashes, kMostHashed);
    file = *process_.files.Get(file.id);
  }
  image.cpu_elsewhere = process_.history.CpuAway();
  for (auto& thread : image.threads) {
    auto used = process_.thread_cpu.find(HostPid{Raw(thread.tid)});
    if (used != process_.thread_cpu.end()) {
      thread.cpu_elsewhere = used->second;
    }
  }
  image.clock_floor = {places_.clock.Monotonic(), places_.clock.Boot()};
  image.coarse_floor = MonotonicCoarse();
  process_.signals = SignalState(image.actions);
  auto sources = migration::FileSourcesOf(
      *captured,
      [this](const MappedFile& file) { return process_.files.fd(file.id); });
  auto result = std::make_shared<Result<migration::SendResult>>();
  process_.session->RunBulk(
      [result, captured = *std::move(captured), sources = std::move(sources),
       pid = process_.stand_in->living()](proto::BulkStream& bulk) {
        *result = migration::StreamImage(bulk, captured, pid, sources);
      },
      [this, result] {
        if (*result) {
          bytes_ = (*result)->bytes;
          Feed(Role::kSource, migration::ImageSent{(*result)->checksum});
        } else {
          Feed(Role::kSource, migration::StepFailed{result->error().message});
        }
      });
}

void HomeMove::ResumeHere() {
  if (process_.session) {
    process_.session->StopBulk();  // it may still read the process
  }
  if (process_.stand_in) {
    auto status = process_.stand_in->Resume();
    if (!status && status.error().code != ErrorCode::kGone) {
      spdlog::error("process {} cannot go on: {}", Raw(process_.pid),
                    status.error().message);
    }
    hooks_.resumed();
  }
}

void HomeMove::EmptyStandIn() {
  (void)fault::Hit("home.emptying");
  auto status = process_.stand_in->Empty();
  if (status) {
    const StandIn& stand_in = *process_.stand_in;
    status = process_.stand_in->Serve([&stand_in](HostPid tid) {
      return stand_in.Find(tid)->image.signal_mask;
    });
  }
  if (!status && status.error().code != ErrorCode::kGone) {
    spdlog::error("process {}: stand-in: {}", Raw(process_.pid),
                  status.error().message);
  }
  hooks_.away();
}

void HomeMove::DestroyHere(const std::string& reason) {
  spdlog::debug("process {} is destroyed: {}", Raw(process_.pid), reason);
  ::kill(Raw(process_.pid), SIGKILL);
}

}  // namespace ssi
