#include "migration/source_machine.h"

#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "migration/limits.h"

namespace ssi::migration {

namespace {

// "TEXT within N ms", and what the driver knows about the culprit.
std::string PastLimit(const char* text, Nanos limit,
                      const std::string& detail) {
  auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(limit);
  return fmt::format("{} within {} ms{}{}", text, ms.count(),
                     detail.empty() ? "" : ": ", detail);
}

}  // namespace

std::span<const Rule<SourceMachine>> SourceMachine::Rules() {
  using S = State;
  using M = SourceMachine;
  static constexpr std::array kRules = {
      In<S::kRunning, &M::OnFreeze>(),

      In<S::kFreezing, &M::OnFrozen>(),
      In<S::kFreezing, &M::OnStepFailed>(),
      InTimer<S::kFreezing, TimerKind::kFreeze, &M::OnFreezeLimit>(),
      In<S::kFreezing, &M::OnAbort>(),
      In<S::kFreezing, &M::OnDestroy>(),
      In<S::kFreezing, &M::OnDied>(),
      In<S::kFreezing, &M::OnLinkLost>(),
      In<S::kFreezing, &M::OnWatchdog>(),

      In<S::kSettling, &M::OnSettled>(),
      In<S::kSettling, &M::OnStepFailed>(),
      InTimer<S::kSettling, TimerKind::kSettle, &M::OnSettleLimit>(),
      In<S::kSettling, &M::OnAbort>(),
      In<S::kSettling, &M::OnDestroy>(),
      In<S::kSettling, &M::OnDied>(),
      In<S::kSettling, &M::OnLinkLost>(),
      In<S::kSettling, &M::OnWatchdog>(),

      In<S::kSending, &M::OnImageSent>(),
      In<S::kSending, &M::OnStepFailed>(),
      In<S::kSending, &M::OnAbort>(),
      In<S::kSending, &M::OnDestroy>(),
      In<S::kSending, &M::OnDied>(),
      In<S::kSending, &M::OnLinkLost>(),
      In<S::kSending, &M::OnWatchdog>(),

      // No StepFailed here: a held copy has no step that could fail.
      In<S::kHeld, &M::OnAbort>(),
      In<S::kHeld, &M::OnDestroy>(),
      In<S::kHeld, &M::OnDied>(),
      In<S::kHeld, &M::OnLinkLost>(),
      In<S::kHeld, &M::OnWatchdog>(),

      In<S::kCutOff, &M::OnDiedCutOff>(),
      In<S::kCutOff, &M::OnWatchdog>(),
  };
  static_assert(AreUnique(kRules));
  return kRules;
}

Actions SourceMachine::On(const Event& event) {
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

void SourceMachine::Ignore(const Event& event, Actions& out) {
  out.push_back(Note{fmt::format("ignored: {}", migration::Describe(event))});
  const auto* received = std::get_if<Received>(&event);
  if (state_ != State::kDone && received != nullptr &&
      std::holds_alternative<Freeze>(received->message)) {
    out.push_back(Send{Role::kHome, Resumed{MoveOf(received->message),
                                            "another move is under way"}});
  }
}

void SourceMachine::Unexpected(const Event& event, Actions& out) {
  std::string text = fmt::format("{} in state \"{}\"",
                                 migration::Describe(event), NameOf(state_));
  bool before_held = state_ == State::kFreezing || state_ == State::kSettling ||
                     state_ == State::kSending;
  if (std::holds_alternative<Received>(event) && before_held) {
    GiveUp("protocol error: " + text, out);
  } else {
    out.push_back(Note{"unexpected: " + text});
  }
}

// ---- the way to HELD -------------------------------------------------------

void SourceMachine::OnFreeze(const Freeze& freeze, Actions& out) {
  state_ = State::kFreezing;
  route_ = freeze.route;
  timer_.Start(TimerKind::kFreeze, kFreezeLimit, out);
  out.push_back(FreezeProcess{});
}

void SourceMachine::OnFrozen(const Frozen& /*frozen*/, Actions& out) {
  state_ = State::kSettling;
  timer_.Start(TimerKind::kSettle, kSettleLimit, out);
  out.push_back(CancelHomeCalls{});
}

void SourceMachine::OnFreezeLimit(const TimerFired& fired, Actions& out) {
  GiveUp(PastLimit("not all threads stopped", kFreezeLimit, fired.detail), out);
}

void SourceMachine::OnSettled(const HomeCallsSettled& /*settled*/,
                              Actions& out) {
  state_ = State::kSending;
  timer_.Stop(out);
  out.push_back(SendImage{route_});
}

void SourceMachine::OnSettleLimit(const TimerFired& fired, Actions& out) {
  GiveUp(PastLimit("not all home calls ended", kSettleLimit, fired.detail),
         out);
}

void SourceMachine::OnImageSent(const ImageSent& sent, Actions& out) {
  state_ = State::kHeld;
  out.push_back(Send{Role::kHome, Held{move_, sent.checksum}});
}

void SourceMachine::OnStepFailed(const StepFailed& failed, Actions& out) {
  GiveUp(failed.reason, out);
}

// Home has no HELD and now never gets one, so it can not say GO: no need to
// wait for its ABORT.
void SourceMachine::GiveUp(std::string reason, Actions& out) {
  timer_.Stop(out);
  out.push_back(ResumeHere{reason});
  out.push_back(Send{Role::kHome, Resumed{move_, reason}});
  Finish(Outcome::kStayed, std::move(reason), out);
}

// ---- home's word -----------------------------------------------------------

void SourceMachine::OnAbort(const Abort& abort, Actions& out) {
  timer_.Stop(out);
  out.push_back(ResumeHere{abort.reason});
  Finish(Outcome::kStayed, abort.reason, out);
}

void SourceMachine::OnDestroy(const Destroy& destroy, Actions& out) {
  if (destroy.why == Outcome::kStayed) {
    Unexpected(Received{Role::kHome, destroy}, out);  // makes no sense
    return;
  }
  timer_.Stop(out);
  if (home_ == HomeIs::kHere && destroy.why == Outcome::kMoved) {
    out.push_back(EmptyStandIn{});
  } else {
    out.push_back(DestroyCopy{destroy.reason});
  }
  Finish(destroy.why, destroy.reason, out);
}

// ---- without home ----------------------------------------------------------

// It stays frozen, also where HELD was not said: it could not make home calls
// and will be ended soon, so what it would still do could only be half done.
void SourceMachine::OnLinkLost(const LinkLost& lost, Actions& out) {
  state_ = State::kCutOff;
  timer_.Stop(out);
  out.push_back(Note{"stays frozen without home: " + lost.reason});
}

void SourceMachine::OnWatchdog(const WatchdogEnded& ended, Actions& out) {
  timer_.Stop(out);
  out.push_back(DestroyCopy{ended.reason});
  Finish(Outcome::kLost, ended.reason, out);
}

// ---- its death -------------------------------------------------------------

// After HELD it may have been told too late: if home has said GO by now, the
// process lives at the target and this was a copy only.
void SourceMachine::OnDied(const ProcessDied& died, Actions& out) {
  out.push_back(Send{Role::kHome, Died{move_, died.reason}});
  OnDiedCutOff(died, out);
}

void SourceMachine::OnDiedCutOff(const ProcessDied& died, Actions& out) {
  timer_.Stop(out);
  Finish(Outcome::kEnded, died.reason, out);
}

void SourceMachine::Finish(Outcome outcome, std::string reason, Actions& out) {
  state_ = State::kDone;
  out.push_back(Finished{outcome, std::move(reason)});
}

std::string SourceMachine::Describe() const {
  return fmt::format("source: {}, timer {}", NameOf(state_),
                     timer_.running() ? NameOf(*timer_.running()) : "none");
}

const char* NameOf(SourceMachine::State state) {
  switch (state) {
    case SourceMachine::State::kRunning:
      return "running";
    case SourceMachine::State::kFreezing:
      return "freezing";
    case SourceMachine::State::kSettling:
      return "settling";
    case SourceMachine::State::kSending:
      return "sending";
    case SourceMachine::State::kHeld:
      return "held";
    case SourceMachine::State::kCutOff:
      return "cut off";
    case SourceMachine::State::kDone:
      return "done";
  }
  return "?";
}

}  // namespace ssi::migration
