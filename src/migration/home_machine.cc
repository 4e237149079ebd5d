#include "migration/home_machine.h"

#include <chrono>
#include <utility>

#include <fmt/format.h>

namespace ssi::migration {

namespace {

std::string Seconds(Nanos limit) {
  return fmt::format(
      "{} s", std::chrono::duration_cast<std::chrono::seconds>(limit).count());
}

}  // namespace

std::span<const Rule<HomeMachine>> HomeMachine::Rules() {
  using S = State;
  using H = HomeMachine;
  static constexpr std::array kRules = {
      In<S::kIdle, &H::OnMoveRequested>(),

      In<S::kAsking, &H::OnAccept>(),
      In<S::kAsking, &H::OnRefuse>(),
      InTimer<S::kAsking, TimerKind::kAsk, &H::OnAskLimit>(),
      In<S::kAsking, &H::OnAbortRequested>(),
      In<S::kAsking, &H::OnLinkLost>(),
      In<S::kAsking, &H::OnProcessGone>(),
      In<S::kAsking, &H::OnSecondRequest>(),

      In<S::kGathering, &H::OnReady>(),
      In<S::kGathering, &H::OnHeld>(),
      In<S::kGathering, &H::OnResumed>(),
      In<S::kGathering, &H::OnDied>(),
      In<S::kGathering, &H::OnFailed>(),
      InTimer<S::kGathering, TimerKind::kCommit, &H::OnCommitLimit>(),
      In<S::kGathering, &H::OnAbortRequested>(),
      In<S::kGathering, &H::OnLinkLost>(),
      In<S::kGathering, &H::OnProcessGone>(),
      In<S::kGathering, &H::OnSecondRequest>(),

      In<S::kStarting, &H::OnRunning>(),
      In<S::kStarting, &H::OnStartFailed>(),
      InTimer<S::kStarting, TimerKind::kStart, &H::OnStartLimit>(),
      In<S::kStarting, &H::OnLinkLostAfterGo>(),
      In<S::kStarting, &H::OnLateAbort>(),
      In<S::kStarting, &H::OnGoneAfterGo>(),
      In<S::kStarting, &H::OnSecondRequest>(),

      InTimer<S::kCutOff, TimerKind::kGrace, &H::OnGraceWithoutSource>(),
      In<S::kCutOff, &H::OnLateAbort>(),
      In<S::kCutOff, &H::OnGoneAfterGo>(),
      In<S::kCutOff, &H::OnSecondRequest>(),

      InTimer<S::kUncertain, TimerKind::kGrace, &H::OnGraceWithoutTarget>(),
      In<S::kUncertain, &H::OnLinkLostAfterGo>(),
      In<S::kUncertain, &H::OnLateAbort>(),
      In<S::kUncertain, &H::OnGoneAfterGo>(),
      In<S::kUncertain, &H::OnSecondRequest>(),

      In<S::kDone, &H::OnLateAbort>(),
      In<S::kDone, &H::OnSecondRequest>(),
  };
  static_assert(AreUnique(kRules));
  return kRules;
}

Actions HomeMachine::On(const Event& event) {
  Actions out;
  const auto* rule = FindRule(Rules(), state_, KeyOf(event));
  if (IsStale(event, move_.id, timer_)) {
    out.push_back(Note{fmt::format("ignored: {}", migration::Describe(event))});
  } else if (rule == nullptr || HasWrongSender(event)) {
    Unexpected(event, out);
  } else {
    rule->run(*this, event, out);
  }
  return out;
}

void HomeMachine::Unexpected(const Event& event, Actions& out) {
  bool before_go = state_ == State::kAsking || state_ == State::kGathering;
  if (std::holds_alternative<Received>(event) && before_go) {
    std::string reason =
        fmt::format("protocol error: {} in state \"{}\"",
                    migration::Describe(event), NameOf(state_));
    DropTarget(reason, out);
    ReturnToSource(reason, out);
    return;
  }
  out.push_back(Note{fmt::format("unexpected in state \"{}\": {}",
                                 NameOf(state_), migration::Describe(event))});
}

// ---- asking ----------------------------------------------------------------

void HomeMachine::OnMoveRequested(const MoveRequested& request, Actions& out) {
  Ask ask = request.ask;
  ask.move = move_.id;
  size_ = ask.size;
  state_ = State::kAsking;
  timer_.Start(TimerKind::kAsk, kAskLimit, out);
  out.push_back(Send{Role::kTarget, std::move(ask)});
}

void HomeMachine::OnSecondRequest(const MoveRequested& request, Actions& out) {
  out.push_back(RefuseMove{
      request.ask.move,
      state_ == State::kDone
          ? std::string("this move has ended")
          : fmt::format("it is being moved to {} already", move_.target)});
}

void HomeMachine::OnAccept(const Accept& accept, Actions& out) {
  state_ = State::kGathering;
  timer_.Start(TimerKind::kCommit, CommitLimit(size_), out);
  out.push_back(Send{Role::kSource, Freeze{move_.id, accept.route}});
}

void HomeMachine::OnRefuse(const Refuse& refuse, Actions& out) {
  ReturnToSource(fmt::format("{} refused: {}", move_.target, refuse.reason),
                 out);
}

void HomeMachine::OnAskLimit(const TimerFired& /*fired*/, Actions& out) {
  std::string reason = fmt::format("{} did not answer within {}", move_.target,
                                   Seconds(kAskLimit));
  DropTarget(reason, out);
  ReturnToSource(reason, out);
}

// ---- between ASK and GO ----------------------------------------------------

void HomeMachine::OnReady(const Ready& ready, Actions& out) {
  if (ready_) {
    Unexpected(Received{Role::kTarget, ready}, out);
    return;
  }
  ready_ = ready.checksum;
  TryToCommit(out);
}

void HomeMachine::OnHeld(const Held& held, Actions& out) {
  if (held_) {
    Unexpected(Received{Role::kSource, held}, out);
    return;
  }
  held_ = held.checksum;
  TryToCommit(out);
}

void HomeMachine::TryToCommit(Actions& out) {
  if (!ready_ || !held_) {
    return;
  }
  if (*ready_ != *held_) {
    std::string reason = fmt::format(
        "the image at {} has checksum {:016x}, at {} it had {:016x}",
        move_.target, Raw(*ready_), move_.source, Raw(*held_));
    DropTarget(reason, out);
    ReturnToSource(reason, out);
    return;
  }
  timer_.Stop(out);
  state_ = State::kStarting;
  out.push_back(RecordPlace{});
  out.push_back(Send{Role::kTarget, Go{move_.id}});
  // At home a start ends in Started or StepFailed; no link can hide it.
  if (move_.direction != Direction::kReturn) {
    timer_.Start(TimerKind::kStart, kStartLimit, out);
  }
}

void HomeMachine::OnResumed(const Resumed& resumed, Actions& out) {
  timer_.Stop(out);
  DropTarget(resumed.reason, out);
  Finish(Outcome::kStayed, resumed.reason, out);
}

void HomeMachine::OnDied(const Died& died, Actions& out) {
  timer_.Stop(out);
  DropTarget(died.reason, out);
  Finish(Outcome::kEnded, died.reason, out);
}

void HomeMachine::OnFailed(const Failed& failed, Actions& out) {
  ReturnToSource(fmt::format("{}: {}", move_.target, failed.reason), out);
}

void HomeMachine::OnCommitLimit(const TimerFired& /*fired*/, Actions& out) {
  std::string reason =
      fmt::format("{} within {}",
                  held_    ? move_.target + " had not rebuilt it"
                  : ready_ ? move_.source + " had not said that it holds it"
                           : "its image had not come across",
                  Seconds(CommitLimit(size_)));
  DropTarget(reason, out);
  ReturnToSource(reason, out);
}

void HomeMachine::OnAbortRequested(const AbortRequested& request,
                                   Actions& out) {
  if (source_lost_) {
    // The source only waits for its watchdog now: going on is all there is.
    out.push_back(RefuseAbort{
        fmt::format("the link to {} is lost, it can only go on to {}",
                    move_.source, move_.target)});
    return;
  }
  DropTarget(request.reason, out);
  ReturnToSource(request.reason, out);
}

void HomeMachine::OnLinkLost(const LinkLost& lost, Actions& out) {
  if (lost.peer == Role::kTarget) {
    target_lost_ = true;
    ReturnToSource(fmt::format("the link to {} was lost before it was started "
                               "there: {}",
                               move_.target, lost.reason),
                   out);
    return;
  }
  source_lost_ = true;
  if (held_) {
    return;  // it can not resume without us: wait for READY, and commit
  }
  std::string reason = fmt::format("the link to {}, where it was, was lost: {}",
                                   move_.source, lost.reason);
  DropTarget(reason, out);
  ReturnToSource(reason, out);
}

void HomeMachine::OnProcessGone(const ProcessGone& gone, Actions& out) {
  timer_.Stop(out);
  DropTarget(gone.reason, out);
  if (state_ == State::kGathering && !source_lost_) {
    out.push_back(
        Send{Role::kSource, Destroy{move_.id, Outcome::kEnded, gone.reason}});
  }
  Finish(Outcome::kEnded, gone.reason, out);
}

void HomeMachine::DropTarget(const std::string& reason, Actions& out) {
  if (!target_lost_) {
    out.push_back(Send{Role::kTarget, Abort{move_.id, reason}});
  }
}

void HomeMachine::ReturnToSource(const std::string& reason, Actions& out) {
  if (source_lost_) {
    AwaitEnd(State::kCutOff, reason, out);
    return;
  }
  timer_.Stop(out);
  if (state_ == State::kGathering) {
    out.push_back(Send{Role::kSource, Abort{move_.id, reason}});
  }
  Finish(Outcome::kStayed, reason, out);
}

// ---- after GO --------------------------------------------------------------

void HomeMachine::OnRunning(const Running& /*running*/, Actions& out) {
  timer_.Stop(out);
  if (!source_lost_) {
    out.push_back(Send{Role::kSource, Destroy{move_.id, Outcome::kMoved,
                                              "it runs at " + move_.target}});
  }
  Finish(Outcome::kMoved, gone_.value_or(""), out);
}

void HomeMachine::OnStartFailed(const Failed& failed, Actions& out) {
  FinishLost(
      fmt::format("{} could not start it: {}", move_.target, failed.reason),
      out);
}

void HomeMachine::OnStartLimit(const TimerFired& /*fired*/, Actions& out) {
  std::string reason = fmt::format("{} did not say within {} that it runs",
                                   move_.target, Seconds(kStartLimit));
  out.push_back(BreakLink{Role::kTarget, reason});
  target_lost_ = true;
  AwaitEnd(State::kUncertain, reason, out);
}

void HomeMachine::OnLinkLostAfterGo(const LinkLost& lost, Actions& out) {
  if (lost.peer == Role::kSource) {
    source_lost_ = true;  // its watchdog destroys the copy that it holds
    return;
  }
  if (state_ == State::kStarting) {
    target_lost_ = true;
    AwaitEnd(State::kUncertain,
             fmt::format("the link to {} was lost while it was started there: "
                         "{}",
                         move_.target, lost.reason),
             out);
  }
}

void HomeMachine::OnLateAbort(const AbortRequested& /*request*/, Actions& out) {
  switch (state_) {
    case State::kStarting:
    case State::kUncertain:
      out.push_back(RefuseAbort{
          fmt::format("it has been started at {} already", move_.target)});
      return;
    case State::kCutOff:
      out.push_back(
          RefuseAbort{fmt::format("the link to {} is lost", move_.source)});
      return;
    default:
      out.push_back(RefuseAbort{"it is not being moved"});
  }
}

// The move goes on to its end; the deputy then ends what runs at the target,
// as it does for any remote whose stand-in was killed.
void HomeMachine::OnGoneAfterGo(const ProcessGone& gone, Actions& /*out*/) {
  gone_ = gone.reason;
}

// ---- the ends --------------------------------------------------------------

void HomeMachine::AwaitEnd(State state, std::string reason, Actions& out) {
  state_ = state;
  reason_ = std::move(reason);
  timer_.Start(TimerKind::kGrace, move_.grace, out);
}

void HomeMachine::OnGraceWithoutSource(const TimerFired& /*fired*/,
                                       Actions& out) {
  if (gone_) {
    Finish(Outcome::kEnded, *gone_, out);
    return;
  }
  Finish(Outcome::kLost,
         fmt::format("{} was out of reach for {}, so its watchdog has ended "
                     "the process there ({})",
                     move_.source, Seconds(move_.grace), reason_),
         out);
}

void HomeMachine::OnGraceWithoutTarget(const TimerFired& /*fired*/,
                                       Actions& out) {
  FinishLost(fmt::format("{} was out of reach for {} after it was told to "
                         "start the process ({})",
                         move_.target, Seconds(move_.grace), reason_),
             out);
}

// After GO and without a running copy: the one that the source holds must not
// run again.
void HomeMachine::FinishLost(const std::string& reason, Actions& out) {
  timer_.Stop(out);
  const Outcome outcome = gone_ ? Outcome::kEnded : Outcome::kLost;
  const std::string& why = gone_ ? *gone_ : reason;
  if (!source_lost_) {
    out.push_back(Send{Role::kSource, Destroy{move_.id, outcome, why}});
  }
  Finish(outcome, why, out);
}

void HomeMachine::Finish(Outcome outcome, std::string reason, Actions& out) {
  state_ = State::kDone;
  out.push_back(Finished{outcome, std::move(reason)});
}

std::string HomeMachine::Describe() const {
  return fmt::format(
      "home: {}, timer {}, ready {:x}, held {:x}{}{}{}", NameOf(state_),
      timer_.running() ? NameOf(*timer_.running()) : "none",
      ready_ ? Raw(*ready_) : 0, held_ ? Raw(*held_) : 0,
      source_lost_ ? ", source lost" : "", target_lost_ ? ", target lost" : "",
      gone_ ? ", process gone" : "");
}

const char* NameOf(HomeMachine::State state) {
  switch (state) {
    case HomeMachine::State::kIdle:
      return "idle";
    case HomeMachine::State::kAsking:
      return "asking";
    case HomeMachine::State::kGathering:
      return "gathering";
    case HomeMachine::State::kStarting:
      return "starting";
    case HomeMachine::State::kCutOff:
      return "cut off";
    case HomeMachine::State::kUncertain:
      return "uncertain";
    case HomeMachine::State::kDone:
      return "done";
  }
  return "?";
}

}  // namespace ssi::migration
