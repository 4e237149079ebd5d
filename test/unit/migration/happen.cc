// What each choice does to a World.
#include <utility>

#include "unit/migration/world.h"

namespace ssi::migration::sim {

namespace {

constexpr Checksum kRightSum{0xa};
constexpr Checksum kWrongSum{0xb};

Event Done(Work work, bool same) {
  switch (work) {
    case Work::kFreeze:
      return Frozen{};
    case Work::kSettle:
      return HomeCallsSettled{};
    case Work::kSendImage:
      return ImageSent{kRightSum};
    case Work::kCheck:
      return Admitted{"r"};
    case Work::kReceive:
      return ImageArrived{};
    case Work::kRebuild:
      return Rebuilt{same ? kRightSum : kWrongSum};
    case Work::kStart:
      return Started{};
    case Work::kNone:
      break;
  }
  return StepFailed{"no work"};
}

}  // namespace

// ---- what happens ----------------------------------------------------------

void World::Apply(const Choice& choice) {
  switch (choice.kind) {
    case ChoiceKind::kDeliver:
      Deliver(static_cast<Role>(choice.a), static_cast<Role>(choice.b));
      break;
    case ChoiceKind::kSeeLoss:
      SeeLoss(static_cast<Link>(choice.a), static_cast<End>(choice.b));
      break;
    case ChoiceKind::kComplete:
      Complete(static_cast<Role>(choice.a));
      break;
    case ChoiceKind::kBreakOff:
      FailWork(static_cast<Role>(choice.a));
      break;
    case ChoiceKind::kTimer:
      FireTimer(static_cast<Role>(choice.a), false);
      break;
    case ChoiceKind::kWatchdog:
      EndWatchdog(choice.a);
      break;
    case ChoiceKind::kDeputyGrace:
      ended_by_deputy = true;
      break;
    case ChoiceKind::kDeputyKill:
      DeputyKills();
      break;
    default:
      ApplyFault(choice);
  }
}

void World::Deliver(Role to, Role from) {
  Link link = LinkOf(to, from);
  auto& queue = queues[Index(link)][static_cast<std::size_t>(EndOf(to))];
  Item item = std::move(queue.front());
  queue.pop_front();
  if (!item) {
    Feed(Role::kHome, ProcessGone{"exit"});
    return;
  }
  if (to == Role::kSource && std::holds_alternative<Abort>(*item)) {
    abort_read = true;
  }
  Feed(to, Received{from, std::move(*item)});
}

void World::SeeLoss(Link link, End end) {
  loss_seen[Index(link)][static_cast<std::size_t>(end)] = true;
  queues[Index(link)][static_cast<std::size_t>(end)].clear();
  Role other = RolesOf(link).second;
  Feed(end == End::kHome ? Role::kHome : other,
       LinkLost{end == End::kHome ? other : Role::kHome, "cut"});
}

void World::Complete(Role role) {
  Work done = std::exchange(work[Index(role)], Work::kNone);
  if (done == Work::kFreeze && at_source == Copy::kNone) {
    Feed(role, ProcessDied{"exit"});
    return;
  }
  bool freezing = source.state() == SourceMachine::State::kFreezing ||
                  source.state() == SourceMachine::State::kCutOff;
  if (done == Work::kFreeze && freezing) {
    at_source = Copy::kFrozen;
  }
  if (done == Work::kStart) {
    started = started || at_target == Copy::kRunning;
  }
  Feed(role, Done(done, same));
}

void World::FailWork(Role role) {
  Work failed = std::exchange(work[Index(role)], Work::kNone);
  if (failed == Work::kStart) {
    start_failed = true;
    at_target = Copy::kNone;
  }
  if (failed == Work::kCheck) {
    Feed(role, Rejected{"full"});
    return;
  }
  Feed(role, StepFailed{"fail"});
}

void World::FireTimer(Role role, bool early) {
  TimerKind kind = *timer[Index(role)];
  timer[Index(role)].reset();
  start_cut_short = start_cut_short || (early && kind == TimerKind::kStart);
  target_gave_up = target_gave_up || kind == TimerKind::kGo;
  Feed(role, TimerFired{kind, ""});
}

// By then nothing of home can be on its way to that node any more.
void World::EndWatchdog(Node node) {
  watchdog_ended[node] = true;
  DropCopies(node);
  for (Role role : {Role::kSource, Role::kTarget}) {
    if (node_of[Index(role)] == node) {
      Link link = LinkOf(Role::kHome, role);
      loss_seen[Index(link)][1] = true;
      queues[Index(link)][1].clear();
      Feed(role, WatchdogEnded{"watchdog"});
    }
  }
}

// By the usual message to a remote; how it gets there is not our subject.
void World::DeputyKills() {
  DropCopies(node_of[Index(place)]);
  if (place == Role::kSource) {
    work[Index(Role::kSource)] = Work::kNone;
    Feed(Role::kSource, ProcessDied{"killed by home"});
  }
}

void World::DropCopies(Node node) {
  if (node_of[Index(Role::kSource)] == node) {
    at_source = Copy::kNone;
  }
  if (node_of[Index(Role::kTarget)] == node) {
    at_target = Copy::kNone;
  }
}

void World::CutNodes(Node a, Node b) {
  for (Link link : {Link::kHomeSource, Link::kHomeTarget, Link::kBulk}) {
    auto [first, second] = RolesOf(link);
    std::pair<Node, Node> ends{node_of[Index(first)], node_of[Index(second)]};
    if (!IsLocal(link) &&
        (ends == std::pair{a, b} || ends == std::pair{b, a})) {
      cut[Index(link)] = true;
    }
  }
}

void World::Kill(Node node) {
  alive[node] = false;
  DropCopies(node);
  for (Node other = 0; other < kNodes; ++other) {
    CutNodes(node, other);
  }
  for (Role role : {Role::kHome, Role::kSource, Role::kTarget}) {
    if (node_of[Index(role)] == node) {
      work[Index(role)] = Work::kNone;
      timer[Index(role)].reset();
    }
  }
  for (Link link : {Link::kHomeSource, Link::kHomeTarget}) {
    for (std::size_t end : {0U, 1U}) {
      auto [first, second] = RolesOf(link);
      if (node_of[Index(end == 0 ? first : second)] == node) {
        queues[Index(link)][end].clear();
      }
    }
  }
}

// ---- what goes wrong -------------------------------------------------------

void World::ApplyFault(const Choice& choice) {
  switch (choice.kind) {
    case ChoiceKind::kCut:
      CutNodes(choice.a, choice.b);
      break;
    case ChoiceKind::kCutBulk:
      cut[Index(Link::kBulk)] = true;
      break;
    case ChoiceKind::kKill:
      Kill(choice.a);
      break;
    case ChoiceKind::kFail:
      FailWork(static_cast<Role>(choice.a));
      break;
    case ChoiceKind::kMismatch:
      same = false;
      break;
    case ChoiceKind::kProcessDies:
      ProcessDies(choice.b == 1);
      break;
    case ChoiceKind::kStandInDies:
      StandInDies();
      break;
    case ChoiceKind::kCopyDies:
      at_target = Copy::kNone;
      target_gave_up = true;
      Feed(Role::kTarget, StepFailed{"killed"});
      break;
    case ChoiceKind::kUserAbort:
      aborted = true;
      Feed(Role::kHome, AbortRequested{"user"});
      break;
    case ChoiceKind::kSecondMove:
      asked_twice = true;
      Feed(Role::kHome, MoveRequested{Ask{MoveId{8}, "v", "f", 1, "again"}});
      break;
    case ChoiceKind::kEarlyTimer:
      FireTimer(static_cast<Role>(choice.a), true);
      break;
    default:
      Violate("a choice that is not known");
  }
}

void World::ProcessDies(bool home_first) {
  died = true;
  at_source = Copy::kNone;
  // Work on it ends, and says nothing but that it died.
  work[Index(Role::kSource)] = Work::kNone;
  bool begun = source.state() != SourceMachine::State::kRunning;
  if (direction == Direction::kDeparture) {
    stand_in_died = true;
    if (home_first) {
      Feed(Role::kHome, ProcessGone{"exit"});
    }
    Feed(Role::kSource, ProcessDied{"exit"});
    if (!home_first) {
      Feed(Role::kHome, ProcessGone{"exit"});
    }
  } else if (begun) {
    Feed(Role::kSource, ProcessDied{"exit"});
  } else if (!IsLost(Link::kHomeSource)) {
    queues[Index(Link::kHomeSource)][0].emplace_back(std::nullopt);
  }
}

void World::StandInDies() {
  stand_in_died = true;
  Feed(Role::kHome, ProcessGone{"kill"});
  // On a return what is rebuilt, and then runs, is in the stand-in.
  if (direction == Direction::kReturn && at_target != Copy::kNone) {
    at_target = Copy::kNone;
    if (work[Index(Role::kTarget)] != Work::kNone) {
      FailWork(Role::kTarget);
    } else {
      Feed(Role::kTarget, StepFailed{"killed"});
    }
  }
}

}  // namespace ssi::migration::sim
