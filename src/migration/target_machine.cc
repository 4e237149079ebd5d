#include "migration/target_machine.h"

#include <utility>

#include <fmt/format.h>

#include "migration/limits.h"

namespace ssi::migration {

std::span<const Rule<TargetMachine>> TargetMachine::Rules() {
  using S = State;
  using M = TargetMachine;
  static constexpr std::array kRules = {
      In<S::kIdle, &M::OnAsk>(),

      In<S::kChecking, &M::OnAdmitted>(),
      In<S::kChecking, &M::OnRejected>(),
      In<S::kChecking, &M::OnAbort>(),
      In<S::kChecking, &M::OnLinkLost>(),
      In<S::kChecking, &M::OnWatchdog>(),

      In<S::kReceiving, &M::OnImageArrived>(),
      In<S::kReceiving, &M::OnStepFailed>(),
      InTimer<S::kReceiving, TimerKind::kGo, &M::OnGoLimit>(),
      In<S::kReceiving, &M::OnAbort>(),
      In<S::kReceiving, &M::OnLinkLost>(),
      In<S::kReceiving, &M::OnWatchdog>(),

      In<S::kRebuilding, &M::OnRebuilt>(),
      In<S::kRebuilding, &M::OnStepFailed>(),
      InTimer<S::kRebuilding, TimerKind::kGo, &M::OnGoLimit>(),
      In<S::kRebuilding, &M::OnAbort>(),
      In<S::kRebuilding, &M::OnLinkLost>(),
      In<S::kRebuilding, &M::OnWatchdog>(),

      In<S::kReady, &M::OnGo>(),
      In<S::kReady, &M::OnStepFailed>(),
      InTimer<S::kReady, TimerKind::kGo, &M::OnGoLimit>(),
      In<S::kReady, &M::OnAbort>(),
      In<S::kReady, &M::OnLinkLost>(),
      In<S::kReady, &M::OnWatchdog>(),

      In<S::kStarting, &M::OnStarted>(),
      In<S::kStarting, &M::OnStartFailed>(),
      In<S::kStarting, &M::OnLinkLostAfterGo>(),
      In<S::kStarting, &M::OnWatchdogAfterGo>(),
  };
  static_assert(AreUnique(kRules));
  return kRules;
}

Actions TargetMachine::On(const Event& event) {
  Actions out;
  const auto* rule = FindRule(Rules(), state_, KeyOf(event));
  if (IsStale(event, move_, timer_)) {
    Ignore(event, out);
  } else if (rule == nullptr || HasWrongSender(event)) {
    Unexpected(event, out);
  } else {
    rule->run(*this, event, out);
  }
  return out;
}

void TargetMachine::Ignore(const Event& event, Actions& out) {
  out.push_back(Note{fmt::format("ignored: {}", migration::Describe(event))});
  const auto* received = std::get_if<Received>(&event);
  if (state_ != State::kDone && received != nullptr &&
      std::holds_alternative<Ask>(received->message)) {
    out.push_back(Send{Role::kHome, Refuse{MoveOf(received->message),
                                           "another move is under way"}});
  }
}

void TargetMachine::Unexpected(const Event& event, Actions& out) {
  std::string text = fmt::format("{} in state \"{}\"",
                                 migration::Describe(event), NameOf(state_));
  bool before_go = state_ != State::kIdle && state_ != State::kStarting &&
                   state_ != State::kDone;
  if (std::holds_alternative<Received>(event) && before_go) {
    TellFailed(Outcome::kStayed, "protocol error: " + text, out);
  } else {
    out.push_back(Note{"unexpected: " + text});
  }
}

// ---- the way to READY ------------------------------------------------------

void TargetMachine::OnAsk(const Ask& ask, Actions& out) {
  state_ = State::kChecking;
  size_ = ask.size;
  out.push_back(CheckAsk{ask});
}

void TargetMachine::OnAdmitted(const Admitted& admitted, Actions& out) {
  state_ = State::kReceiving;
  // At home GO can not be cut off, and an early end could meet it half way.
  if (home_ == HomeIs::kElsewhere) {
    timer_.Start(TimerKind::kGo, GoLimit(size_), out);
  }
  out.push_back(ReceiveImage{});
  out.push_back(Send{Role::kHome, Accept{move_, admitted.route}});
}

void TargetMachine::OnRejected(const Rejected& rejected, Actions& out) {
  out.push_back(Send{Role::kHome, Refuse{move_, rejected.reason}});
  Finish(Outcome::kStayed, rejected.reason, out);
}

void TargetMachine::OnImageArrived(const ImageArrived& /*arrived*/,
                                   Actions& out) {
  state_ = State::kRebuilding;
  out.push_back(BeginRebuild{});
}

void TargetMachine::OnRebuilt(const Rebuilt& rebuilt, Actions& out) {
  state_ = State::kReady;
  out.push_back(Send{Role::kHome, Ready{move_, rebuilt.checksum}});
}

// ---- ends before GO --------------------------------------------------------

void TargetMachine::OnStepFailed(const StepFailed& failed, Actions& out) {
  TellFailed(Outcome::kStayed, failed.reason, out);
}

void TargetMachine::OnGoLimit(const TimerFired& /*fired*/, Actions& out) {
  TellFailed(Outcome::kStayed, "home did not say GO in time", out);
}

void TargetMachine::OnAbort(const Abort& abort, Actions& out) {
  Discard(Outcome::kStayed, abort.reason, out);
}

// GO has not come and now can not come.
void TargetMachine::OnLinkLost(const LinkLost& lost, Actions& out) {
  Discard(Outcome::kStayed, lost.reason, out);
}

void TargetMachine::OnWatchdog(const WatchdogEnded& ended, Actions& out) {
  Discard(Outcome::kStayed, ended.reason, out);
}

void TargetMachine::Discard(Outcome outcome, const std::string& reason,
                            Actions& out) {
  Drop(reason, out);
  Finish(outcome, reason, out);
}

void TargetMachine::TellFailed(Outcome outcome, const std::string& reason,
                               Actions& out) {
  Drop(reason, out);
  out.push_back(Send{Role::kHome, Failed{move_, reason}});
  Finish(outcome, reason, out);
}

void TargetMachine::Drop(const std::string& reason, Actions& out) {
  timer_.Stop(out);
  out.push_back(DiscardRebuild{reason});
}

// ---- after GO --------------------------------------------------------------

void TargetMachine::OnGo(const Go& /*go*/, Actions& out) {
  state_ = State::kStarting;
  timer_.Stop(out);
  out.push_back(StartHere{});
}

void TargetMachine::OnStarted(const Started& /*started*/, Actions& out) {
  out.push_back(Send{Role::kHome, Running{move_}});
  Finish(Outcome::kMoved, "", out);
}

void TargetMachine::OnStartFailed(const StepFailed& failed, Actions& out) {
  TellFailed(Outcome::kLost, failed.reason, out);
}

// It runs here or nowhere; the standing watchdog counts for it from now on, as
// for any remote.
void TargetMachine::OnLinkLostAfterGo(const LinkLost& lost, Actions& out) {
  out.push_back(Note{"starts without home: " + lost.reason});
}

void TargetMachine::OnWatchdogAfterGo(const WatchdogEnded& ended,
                                      Actions& out) {
  Discard(Outcome::kLost, ended.reason, out);
}

void TargetMachine::Finish(Outcome outcome, std::string reason, Actions& out) {
  state_ = State::kDone;
  out.push_back(Finished{outcome, std::move(reason)});
}

std::string TargetMachine::Describe() const {
  return fmt::format("target: {}, timer {}", NameOf(state_),
                     timer_.running() ? NameOf(*timer_.running()) : "none");
}

const char* NameOf(TargetMachine::State state) {
  switch (state) {
    case TargetMachine::State::kIdle:
      return "idle";
    case TargetMachine::State::kChecking:
      return "checking";
    case TargetMachine::State::kReceiving:
      return "receiving";
    case TargetMachine::State::kRebuilding:
      return "rebuilding";
    case TargetMachine::State::kReady:
      return "ready";
    case TargetMachine::State::kStarting:
      return "starting";
    case TargetMachine::State::kDone:
      return "done";
  }
  return "?";
}

}  // namespace ssi::migration
