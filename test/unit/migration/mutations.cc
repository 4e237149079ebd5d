#include "unit/migration/mutations.h"

#include <utility>

namespace ssi::migration::sim {

namespace {

constexpr MoveId kMove{7};
constexpr Checksum kRightSum{0xa};

template <typename T>
bool IsMessage(const Event& event) {
  const auto* received = std::get_if<Received>(&event);
  return received != nullptr && std::holds_alternative<T>(received->message);
}
template <typename T>
bool Is(const Event& event) {
  return std::holds_alternative<T>(event);
}
bool IsLossOf(const Event& event, Role peer) {
  const auto* lost = std::get_if<LinkLost>(&event);
  return lost != nullptr && lost->peer == peer;
}
template <typename T>
bool Sends(const Action& action) {
  const auto* send = std::get_if<Send>(&action);
  return send != nullptr && std::holds_alternative<T>(send->message);
}

Event FromHome(Message message) {
  return Received{Role::kHome, std::move(message)};
}
Event Forged(Held held) {
  return Received{Role::kSource, held};
}

using Events = std::vector<Event>;

// ---- home ------------------------------------------------------------------

Events CommitWithoutHeld(const World& /*world*/, const Event& event) {
  if (IsMessage<Held>(event)) {
    return {};
  }
  if (IsMessage<Ready>(event)) {
    return {event, Forged(Held{kMove, kRightSum})};
  }
  return {event};
}

// "It is cut off, so it can not run": it may have given up, and run.
Events CommitWhenCutOff(const World& /*world*/, const Event& event) {
  if (IsLossOf(event, Role::kSource)) {
    return {Forged(Held{kMove, kRightSum}), event};
  }
  return {event};
}

Events BelieveAnyChecksum(const World& /*world*/, const Event& event) {
  if (IsMessage<Ready>(event)) {
    return {Received{Role::kTarget, Ready{kMove, kRightSum}}};
  }
  return {event};
}

Events SayLostAtOnce(const World& world, const Event& event) {
  if (IsLossOf(event, Role::kTarget) &&
      world.home.state() == HomeMachine::State::kStarting) {
    return {event, TimerFired{TimerKind::kGrace, ""}};
  }
  return {event};
}

void AbortAfterGo(const World& world, const Event& event, Actions& actions) {
  if (IsLossOf(event, Role::kTarget) &&
      world.home.state() == HomeMachine::State::kUncertain) {
    actions.emplace_back(Send{Role::kSource, Abort{kMove, "lost"}});
  }
}

void DestroyWithGo(const World& /*world*/, const Event& /*event*/,
                   Actions& actions) {
  for (const Action& action : actions) {
    if (Sends<Go>(action)) {
      actions.emplace_back(
          Send{Role::kSource, Destroy{kMove, Outcome::kMoved, "moved"}});
      return;
    }
  }
}

void ForgetPlace(const World& /*world*/, const Event& /*event*/,
                 Actions& actions) {
  std::erase_if(actions, [](const Action& action) {
    return std::holds_alternative<RecordPlace>(action);
  });
}

void NeverSayDestroy(const World& /*world*/, const Event& /*event*/,
                     Actions& actions) {
  std::erase_if(actions, Sends<Destroy>);
}

void NeverSayAbort(const World& /*world*/, const Event& /*event*/,
                   Actions& actions) {
  std::erase_if(actions, Sends<Abort>);
}

void ForgetToFinish(const World& /*world*/, const Event& event,
                    Actions& actions) {
  if (IsMessage<Refuse>(event)) {
    std::erase_if(actions, [](const Action& action) {
      return std::holds_alternative<Finished>(action);
    });
  }
}

// ---- source ----------------------------------------------------------------

Events ResumeWhenCutOff(const World& world, const Event& event) {
  if (Is<LinkLost>(event) &&
      world.source.state() == SourceMachine::State::kHeld) {
    return {FromHome(Abort{kMove, "cut off"})};
  }
  return {event};
}

Events IgnoreWatchdog(const World& /*world*/, const Event& event) {
  return Is<WatchdogEnded>(event) ? Events{} : Events{event};
}

Events HoldBeforeFrozen(const World& world, const Event& event) {
  if (IsMessage<Freeze>(event) && world.direction == Direction::kOnward) {
    return {event, Frozen{}, HomeCallsSettled{}, ImageSent{kRightSum}};
  }
  return {event};
}

void GiveUpSilently(const World& /*world*/, const Event& /*event*/,
                    Actions& actions) {
  for (Action& action : actions) {
    if (Sends<Resumed>(action)) {
      action = Send{Role::kHome, Held{kMove, kRightSum}};
    }
  }
}

void KeepTimer(const World& /*world*/, const Event& /*event*/,
               Actions& actions) {
  std::erase_if(actions, [](const Action& action) {
    return std::holds_alternative<StopTimer>(action);
  });
}

// ---- target ----------------------------------------------------------------

Events StartWithoutGo(const World& /*world*/, const Event& event) {
  if (Is<Rebuilt>(event)) {
    return {event, FromHome(Go{kMove})};
  }
  return {event};
}

Events StartWhenCutOff(const World& world, const Event& event) {
  if (Is<LinkLost>(event) &&
      world.target.state() == TargetMachine::State::kReady) {
    return {FromHome(Go{kMove}), event};
  }
  return {event};
}

Events IgnoreAbort(const World& /*world*/, const Event& event) {
  return IsMessage<Abort>(event) ? Events{} : Events{event};
}

Events NeverDiscardAlone(const World& /*world*/, const Event& event) {
  bool alone =
      Is<LinkLost>(event) || Is<WatchdogEnded>(event) || Is<TimerFired>(event);
  return alone ? Events{} : Events{event};
}

void KeepRebuilt(const World& /*world*/, const Event& /*event*/,
                 Actions& actions) {
  std::erase_if(actions, [](const Action& action) {
    return std::holds_alternative<DiscardRebuild>(action);
  });
}

Mutant Wrong(Role role, std::string name,
             Events (*events)(const World&, const Event&),
             std::string caught_by) {
  return {{std::move(name), role, false, events, nullptr},
          std::move(caught_by)};
}
Mutant Wrong(Role role, std::string name,
             void (*actions)(const World&, const Event&, Actions&),
             std::string caught_by) {
  return {{std::move(name), role, false, nullptr, actions},
          std::move(caught_by)};
}
// The same with nobody watching what is said: the harm itself must show.
Mutant Harm(Mutant mutant, std::string caught_by) {
  mutant.mutation.name += " (harm)";
  mutant.mutation.physical_only = true;
  mutant.caught_by = std::move(caught_by);
  return mutant;
}

}  // namespace

std::vector<Mutant> AllMutants() {
  const Role h = Role::kHome;
  const Role s = Role::kSource;
  const Role t = Role::kTarget;
  Mutant early =
      Wrong(h, "GO before HELD", CommitWithoutHeld, "GO before HELD");
  Mutant guess = Wrong(h, "GO when cut off from the source", CommitWhenCutOff,
                       "GO before HELD");
  Mutant abort = Wrong(h, "ABORT after GO", AbortAfterGo, "ABORT after GO");
  Mutant resume = Wrong(s, "resumes after HELD", ResumeWhenCutOff,
                        "resumed at the source after HELD without ABORT");
  Mutant start =
      Wrong(t, "starts without GO", StartWithoutGo, "started without GO");
  Mutant alone =
      Wrong(t, "starts when cut off", StartWhenCutOff, "started without GO");
  return {
      early,
      Harm(early, "running twice"),
      guess,
      Harm(guess, "running twice"),
      abort,
      Harm(abort, "running twice"),
      Wrong(h, "believes any checksum", BelieveAnyChecksum,
            "GO for an image that differs"),
      Wrong(h, "says lost at once", SayLostAtOnce,
            "home says lost, but it runs"),
      Wrong(h, "DESTROY with GO", DestroyWithGo,
            "the source's copy was destroyed while it was the only one"),
      Wrong(h, "forgets the place", ForgetPlace,
            "GO before the place was recorded"),
      Wrong(h, "never says DESTROY", NeverSayDestroy,
            "a copy is left where it should not be"),
      Wrong(h, "never says ABORT", NeverSayAbort, "silently gone"),
      Wrong(h, "does not finish", ForgetToFinish, "the move has not ended"),
      resume,
      Harm(resume, "running twice"),
      Wrong(s, "ignores its watchdog", IgnoreWatchdog,
            "source took part and has not finished"),
      Wrong(s, "says HELD too early", HoldBeforeFrozen,
            "HELD, but it is not frozen"),
      Wrong(s, "says HELD when it gives up", GiveUpSilently,
            "HELD, but it is not frozen"),
      Wrong(s, "keeps its timer", KeepTimer, "finished with a timer running"),
      start,
      Harm(start, "running twice"),
      alone,
      Harm(alone, "running twice"),
      Wrong(t, "ignores ABORT", IgnoreAbort,
            "a copy is left where it should not be"),
      Wrong(t, "never discards alone", NeverDiscardAlone,
            "target took part and has not finished"),
      Wrong(t, "keeps what it rebuilt", KeepRebuilt,
            "a copy is left where it should not be"),
  };
}

}  // namespace ssi::migration::sim
