// What may happen next in a World.
#include <fmt/format.h>

#include "unit/migration/world.h"

namespace ssi::migration::sim {

namespace {

constexpr std::array kAllRoles = {Role::kHome, Role::kSource, Role::kTarget};

constexpr std::array kChoiceNames = {
    "deliver",    "see loss",     "complete",       "break off",
    "timer",      "watchdog",     "deputy's grace", "deputy kills",
    "CUT",        "CUT BULK",     "KILL",           "FAIL",
    "MISMATCH",   "PROCESS DIES", "STAND-IN DIES",  "COPY DIES",
    "USER ABORT", "SECOND MOVE",  "EARLY TIMER"};

Choice Of(ChoiceKind kind, std::size_t a = 0, std::size_t b = 0) {
  return Choice{kind, a, b};
}

}  // namespace

std::string Describe(const Choice& choice) {
  return fmt::format("{} {} {}",
                     kChoiceNames.at(static_cast<std::size_t>(choice.kind)),
                     choice.a, choice.b);
}

std::vector<Choice> World::Choices(bool with_faults) const {
  std::vector<Choice> out;
  AddDeliveries(out);
  AddWork(out);
  AddWatchdogs(out);
  AddDeputy(out);
  // A timer ends late: when nothing else is left. Home's grace period ends
  // whenever it may, for it does not wait for anything at home.
  if (out.empty() || timer[0] == TimerKind::kGrace) {
    AddTimers(out, ChoiceKind::kTimer);
  }
  if (with_faults) {
    AddFaults(out);
  }
  return out;
}

void World::AddDeliveries(std::vector<Choice>& out) const {
  for (Role other : {Role::kSource, Role::kTarget}) {
    Link link = LinkOf(Role::kHome, other);
    for (End end : {End::kHome, End::kOther}) {
      Role to = end == End::kHome ? Role::kHome : other;
      Role from = end == End::kHome ? other : Role::kHome;
      auto e = static_cast<std::size_t>(end);
      if (!Lives(to)) {
        continue;
      }
      if (!queues[Index(link)][e].empty()) {
        out.push_back(Of(ChoiceKind::kDeliver, Index(to), Index(from)));
      }
      if (IsLost(link) && !loss_seen[Index(link)][e]) {
        out.push_back(Of(ChoiceKind::kSeeLoss, Index(link), e));
      }
    }
  }
}

void World::AddWork(std::vector<Choice>& out) const {
  bool bulk_ends =
      IsLost(Link::kBulk) || finished[Index(Role::kSource)].has_value();
  for (Role role : kAllRoles) {
    Work doing = work[Index(role)];
    if (doing == Work::kNone || !Lives(role)) {
      continue;
    }
    if (doing == Work::kReceive) {
      if (image_under_way) {
        out.push_back(Of(ChoiceKind::kComplete, Index(role)));
      }
      // The source closes its end when it gives up.
      if (bulk_ends) {
        out.push_back(Of(ChoiceKind::kBreakOff, Index(role)));
      }
      continue;
    }
    out.push_back(Of(ChoiceKind::kComplete, Index(role)));
    if (doing == Work::kSendImage &&
        (IsLost(Link::kBulk) || finished[Index(Role::kTarget)])) {
      out.push_back(Of(ChoiceKind::kBreakOff, Index(role)));
    }
  }
}

// Once cut off from home, at any time.
void World::AddWatchdogs(std::vector<Choice>& out) const {
  for (Role role : {Role::kSource, Role::kTarget}) {
    Node node = node_of[Index(role)];
    Link link = LinkOf(Role::kHome, role);
    if (Lives(role) && IsLost(link) && !watchdog_ended[node]) {
      out.push_back(Of(ChoiceKind::kWatchdog, node));
    }
  }
}

// The rules that hold for any process away when no move is under way.
void World::AddDeputy(std::vector<Choice>& out) const {
  Node node = node_of[Index(place)];
  Link link = LinkOf(Role::kHome, place);
  if (!Lives(Role::kHome) || !finished[0] || IsLocal(link) || ended_by_deputy ||
      finished[0] == Outcome::kLost) {
    return;
  }
  if (loss_seen[Index(link)][0]) {
    if (watchdog_ended[node] || !alive[node]) {
      out.push_back(Of(ChoiceKind::kDeputyGrace));
    }
    return;
  }
  Copy there = place == Role::kSource ? at_source : at_target;
  if (stand_in_died && !IsLost(link) && there != Copy::kNone) {
    out.push_back(Of(ChoiceKind::kDeputyKill));
  }
}

// That home's grace period is over means that the watchdog there has ended
// and nothing that home sent can still arrive (limits.h holds this).
bool World::GraceMayEnd() const {
  Role away = home.state() == HomeMachine::State::kCutOff ? Role::kSource
                                                          : Role::kTarget;
  return watchdog_ended[node_of[Index(away)]] || !Lives(away);
}

void World::AddTimers(std::vector<Choice>& out, ChoiceKind kind) const {
  for (Role role : kAllRoles) {
    const auto& running = timer[Index(role)];
    if (!running || !Lives(role)) {
      continue;
    }
    if (*running == TimerKind::kGrace) {
      if (kind == ChoiceKind::kTimer && GraceMayEnd()) {
        out.push_back(Of(kind, Index(role)));
      }
      continue;
    }
    out.push_back(Of(kind, Index(role)));
  }
}

void World::AddFaults(std::vector<Choice>& out) const {
  AddLinkFaults(out);
  AddTimers(out, ChoiceKind::kEarlyTimer);
  for (Role role : kAllRoles) {
    if (work[Index(role)] != Work::kNone && Lives(role)) {
      out.push_back(Of(ChoiceKind::kFail, Index(role)));
    }
  }
  if (same && work[Index(Role::kTarget)] == Work::kRebuild) {
    out.push_back(Of(ChoiceKind::kMismatch));
  }
  if (!died && Lives(Role::kSource) && at_source != Copy::kNone &&
      source.state() != SourceMachine::State::kDone) {
    out.push_back(Of(ChoiceKind::kProcessDies, 0, 0));
    if (direction == Direction::kDeparture) {
      out.push_back(Of(ChoiceKind::kProcessDies, 0, 1));
    }
  }
  if (target.state() == TargetMachine::State::kReady && Lives(Role::kTarget)) {
    out.push_back(Of(ChoiceKind::kCopyDies));
  }
  if (!Lives(Role::kHome)) {
    return;
  }
  if (direction != Direction::kDeparture && !stand_in_died && !finished[0]) {
    out.push_back(Of(ChoiceKind::kStandInDies));
  }
  if (!aborted) {
    out.push_back(Of(ChoiceKind::kUserAbort));
  }
  if (!asked_twice) {
    out.push_back(Of(ChoiceKind::kSecondMove));
  }
}

void World::AddLinkFaults(std::vector<Choice>& out) const {
  Node h = node_of[Index(Role::kHome)];
  Node s = node_of[Index(Role::kSource)];
  Node t = node_of[Index(Role::kTarget)];
  auto cut_pair = [&](Link link, Node a, Node b) {
    if (!IsLocal(link) && !IsLost(link)) {
      out.push_back(Of(ChoiceKind::kCut, a, b));
    }
  };
  cut_pair(Link::kHomeSource, h, s);
  cut_pair(Link::kHomeTarget, h, t);
  if (direction == Direction::kOnward) {
    cut_pair(Link::kBulk, s, t);
  } else if (!IsLost(Link::kBulk)) {
    out.push_back(Of(ChoiceKind::kCutBulk));
  }
  Node last = direction == Direction::kOnward ? 2 : 1;
  for (Node node = 0; node <= last; ++node) {
    if (alive[node]) {
      out.push_back(Of(ChoiceKind::kKill, node));
    }
  }
}

}  // namespace ssi::migration::sim
