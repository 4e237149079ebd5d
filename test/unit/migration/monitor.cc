// What must hold in a World, after each step and at the end.
#include <fmt/format.h>

#include "unit/migration/world.h"

namespace ssi::migration::sim {

void World::Violate(const std::string& text) {
  if (violation.empty()) {
    violation = text;
  }
}

// About what may be said or done, whether or not it does harm this time.
void World::ViolateRule(const std::string& text) {
  if (mutation == nullptr || !mutation->physical_only) {
    Violate(text);
  }
}

void World::CheckAction(Role role, const Action& action) {
  bool is_remark = std::holds_alternative<Note>(action) ||
                   std::holds_alternative<RefuseMove>(action) ||
                   std::holds_alternative<RefuseAbort>(action);
  if (finished[Index(role)] && !is_remark) {
    ViolateRule(fmt::format("{} after it had finished: {}", NameOf(role),
                            migration::Describe(action)));
  }
  took_part[Index(role)] = took_part[Index(role)] || !is_remark;
  CheckTimers(role, action);
  if (const auto* send = std::get_if<Send>(&action)) {
    CheckSend(*send);
  } else if (std::holds_alternative<ResumeHere>(action)) {
    CheckResume();
  } else if (std::holds_alternative<StartHere>(action)) {
    CheckStart();
  } else if (std::holds_alternative<EmptyStandIn>(action) ||
             std::holds_alternative<DestroyCopy>(action)) {
    CheckDestroy(std::holds_alternative<EmptyStandIn>(action));
  } else if (std::holds_alternative<DiscardRebuild>(action)) {
    CheckDiscard();
  } else if (const auto* end = std::get_if<Finished>(&action)) {
    CheckFinished(role, *end);
  }
}

void World::CheckTimers(Role role, const Action& action) {
  const auto& running = timer[Index(role)];
  if (std::holds_alternative<StartTimer>(action) && running) {
    ViolateRule("a second timer was started");
  }
  if (const auto* stop = std::get_if<StopTimer>(&action);
      stop != nullptr && running != stop->kind) {
    ViolateRule("a timer was stopped that did not run");
  }
  if (std::holds_alternative<Finished>(action) && running) {
    ViolateRule("finished with a timer running");
  }
}

void World::CheckSend(const Send& send) {
  if (std::holds_alternative<Held>(send.message)) {
    held_said = true;
    if (at_source != Copy::kFrozen && !died && !watchdog_ended[node_of[1]]) {
      ViolateRule("HELD, but it is not frozen");
    }
  } else if (std::holds_alternative<Go>(send.message)) {
    if (go_said) {
      ViolateRule("GO was said twice");
    }
    if (!held_said) {
      ViolateRule("GO before HELD");
    }
    if (place != Role::kTarget) {
      ViolateRule("GO before the place was recorded");
    }
    if (!same) {
      ViolateRule("GO for an image that differs");
    }
    go_said = true;
  } else if (std::holds_alternative<Abort>(send.message) && go_said) {
    ViolateRule("ABORT after GO");
  }
}

void World::CheckResume() {
  if (go_said) {
    ViolateRule("resumed at the source after GO");
  }
  if (held_said && !abort_read) {
    ViolateRule("resumed at the source after HELD without ABORT");
  }
  if (finished[0] == Outcome::kLost) {
    ViolateRule("resumed at the source after it was reported lost");
  }
  if (started) {
    ViolateRule("resumed at the source after it was started at the target");
  }
}

void World::CheckStart() {
  if (!go_said) {
    ViolateRule("started without GO");
  }
  if (finished[0] && finished[0] != Outcome::kMoved) {
    ViolateRule("started after the move had ended otherwise");
  }
  if (at_target != Copy::kRebuilt && !watchdog_ended[node_of[2]]) {
    ViolateRule("started what was not rebuilt");
  }
}

void World::CheckDestroy(bool emptied) {
  Node node = node_of[Index(Role::kSource)];
  bool over = watchdog_ended[node] || died || stand_in_died ||
              finished[0] == Outcome::kLost;
  if (emptied && direction != Direction::kDeparture) {
    ViolateRule("a stand-in was emptied away from home");
  }
  if (!started && (emptied || !over)) {
    ViolateRule("the source's copy was destroyed while it was the only one");
  }
}

void World::CheckDiscard() {
  if (at_target == Copy::kRunning && started) {
    ViolateRule("the running process was discarded at the target");
  }
}

void World::CheckFinished(Role role, const Finished& end) {
  if (role != Role::kHome) {
    return;
  }
  if (end.outcome == Outcome::kMoved && !started) {
    ViolateRule("home says moved before it was started");
  }
  if (end.outcome == Outcome::kStayed && at_target == Copy::kRunning) {
    ViolateRule("home says stayed, but it runs at the target");
  }
  if (end.outcome != Outcome::kMoved && end.reason.empty()) {
    ViolateRule("an end without a reason");
  }
  if (end.outcome == Outcome::kEnded && !died && !stand_in_died) {
    ViolateRule("home says ended, but nobody ended it");
  }
  if (end.outcome == Outcome::kLost) {
    CheckLost();
  }
}

// Lost is for what really is lost, and could not be helped.
void World::CheckLost() {
  if (at_source == Copy::kRunning || at_target == Copy::kRunning) {
    Violate("home says lost, but it runs");
  }
  bool no_source = IsLost(Link::kHomeSource) || !Lives(Role::kSource);
  bool no_target = IsLost(Link::kHomeTarget) || !Lives(Role::kTarget) ||
                   start_failed || target_gave_up || start_cut_short;
  if (go_said ? !no_target : !no_source) {
    ViolateRule("lost without need");
  }
}

void World::CheckCopies() {
  if (at_source == Copy::kRunning && at_target == Copy::kRunning) {
    Violate("running twice");
  }
}

// ---- when nothing is left to happen ----------------------------------------

void World::CheckEnd() {
  if (Lives(Role::kHome)) {
    CheckOutcome();
  } else if (at_source != Copy::kNone || at_target != Copy::kNone) {
    Violate("home is dead and a copy is left");
  }
  CheckLeaks();
}

void World::CheckOutcome() {
  if (!finished[0]) {
    Violate("the move has not ended");
    return;
  }
  bool at_place = place == Role::kSource ? at_source == Copy::kRunning
                                         : at_target == Copy::kRunning;
  Copy elsewhere = place == Role::kSource ? at_target : at_source;
  if (elsewhere != Copy::kNone) {
    Violate("a copy is left where it should not be");
  }
  bool ended = ended_by_deputy || stand_in_died ||
               (died && place == Role::kSource) ||
               finished[0] == Outcome::kLost || finished[0] == Outcome::kEnded;
  if (!at_place && !ended) {
    Violate("silently gone");
  }
  if (at_place && ended) {
    Violate("it runs, but home says that it is over");
  }
  if ((place == Role::kTarget) != go_said) {
    Violate("home has recorded the wrong place");
  }
}

void World::CheckLeaks() {
  for (Role role : {Role::kHome, Role::kSource, Role::kTarget}) {
    if (!Lives(role)) {
      continue;
    }
    if (took_part[Index(role)] && !finished[Index(role)]) {
      Violate(fmt::format("{} took part and has not finished", NameOf(role)));
    }
    if (timer[Index(role)]) {
      Violate(fmt::format("a timer is left at {}", NameOf(role)));
    }
  }
}

}  // namespace ssi::migration::sim
