#include "unit/migration/world.h"

namespace ssi::migration::sim {

namespace {

constexpr MoveId kMove{7};

Move MakeMove(Direction direction) {
  return Move{kMove, direction, "src", "tgt", kGracePeriod};
}

HomeIs HomeIsHere(bool here) {
  return here ? HomeIs::kHere : HomeIs::kElsewhere;
}

std::array<Node, kRoles> Places(Direction direction) {
  switch (direction) {
    case Direction::kDeparture:
      return {0, 0, 1};
    case Direction::kReturn:
      return {0, 1, 0};
    case Direction::kOnward:
      return {0, 1, 2};
  }
  return {};
}

}  // namespace

World::World(Direction where, const Mutation* wrong)
    : direction(where),
      node_of(Places(where)),
      home(MakeMove(where)),
      source(kMove, HomeIsHere(where == Direction::kDeparture)),
      target(kMove, HomeIsHere(where == Direction::kReturn)),
      mutation(wrong) {}

void World::Begin() {
  Feed(Role::kHome, MoveRequested{Ask{kMove, "v", "f", 1, "test"}});
}

bool World::IsLocal(Link link) const {
  auto [a, b] = RolesOf(link);
  return node_of[Index(a)] == node_of[Index(b)];
}

// ---- events to the machines ------------------------------------------------

void World::Feed(Role role, const Event& event) {
  if (mutation != nullptr && mutation->role == role && mutation->events) {
    for (const Event& changed : mutation->events(*this, event)) {
      FeedMachine(role, changed);
    }
    return;
  }
  FeedMachine(role, event);
}

void World::FeedMachine(Role role, const Event& event) {
  Actions actions;
  std::size_t state = 0;
  if (std::holds_alternative<TimerFired>(event)) {
    timer[Index(role)].reset();
  }
  switch (role) {
    case Role::kHome:
      state = static_cast<std::size_t>(home.state());
      actions = home.On(event);
      break;
    case Role::kSource:
      state = static_cast<std::size_t>(source.state());
      actions = source.On(event);
      break;
    case Role::kTarget:
      state = static_cast<std::size_t>(target.state());
      actions = target.On(event);
      break;
  }
  if (met != nullptr) {
    EventKey key = KeyOf(event);
    met->emplace(role, state, key.event, key.part);
  }
  if (mutation != nullptr && mutation->role == role && mutation->actions) {
    mutation->actions(*this, event, actions);
  }
  for (const Action& action : actions) {
    CheckAction(role, action);
    Perform(role, action);
  }
  CheckCopies();
}

// ---- actions of the machines -----------------------------------------------

void World::Perform(Role role, const Action& action) {
  std::visit([&](const auto& a) { Do(role, a); }, action);
}

void World::Do(Role role, const StartTimer& start) {
  timer[Index(role)] = start.kind;
}
void World::Do(Role role, const StopTimer& /*stop*/) {
  timer[Index(role)].reset();
}
void World::Do(Role role, const Finished& end) {
  finished[Index(role)] = end.outcome;
}
void World::Do(Role /*role*/, const RecordPlace& /*record*/) {
  place = Role::kTarget;
}
void World::Do(Role role, const BreakLink& broken) {
  CutNodes(node_of[Index(role)], node_of[Index(broken.peer)]);
  Link link = LinkOf(role, broken.peer);
  loss_seen[Index(link)][0] = true;
  queues[Index(link)][0].clear();
}

void World::Do(Role role, const FreezeProcess& /*freeze*/) {
  work[Index(role)] = Work::kFreeze;
}
void World::Do(Role role, const CancelHomeCalls& /*cancel*/) {
  work[Index(role)] = Work::kSettle;
}
void World::Do(Role role, const SendImage& /*send*/) {
  work[Index(role)] = Work::kSendImage;
  image_under_way = !IsLost(Link::kBulk);
}
// Work that is cancelled may have been done just before: it stays, and its
// answer comes to a machine that does not want it any more.
void World::Do(Role /*role*/, const ResumeHere& /*resume*/) {
  if (at_source == Copy::kFrozen) {
    at_source = Copy::kRunning;
  }
}
void World::Do(Role /*role*/, const EmptyStandIn& /*empty*/) {
  at_source = Copy::kNone;
}
void World::Do(Role /*role*/, const DestroyCopy& /*destroy*/) {
  at_source = Copy::kNone;
}

void World::Do(Role role, const CheckAsk& /*check*/) {
  work[Index(role)] = Work::kCheck;
}
void World::Do(Role role, const ReceiveImage& /*receive*/) {
  work[Index(role)] = Work::kReceive;
  at_target = Copy::kRebuilt;
}
void World::Do(Role role, const BeginRebuild& /*begin*/) {
  work[Index(role)] = Work::kRebuild;
}
void World::Do(Role role, const StartHere& /*start*/) {
  work[Index(role)] = Work::kStart;
  at_target = Copy::kRunning;
}
void World::Do(Role role, const DiscardRebuild& /*discard*/) {
  if (work[Index(role)] == Work::kReceive) {
    work[Index(role)] = Work::kNone;
  }
  at_target = Copy::kNone;
}

void World::Do(Role role, const Send& send) {
  Link link = LinkOf(role, send.to);
  if (!IsLost(link)) {
    queues[Index(link)][static_cast<std::size_t>(EndOf(send.to))].emplace_back(
        send.message);
  }
}

std::string World::Fingerprint() const {
  std::string out = home.Describe() + source.Describe() + target.Describe();
  auto add = [&out](auto value) {
    out.push_back(static_cast<char>('0' + static_cast<int>(value)));
  };
  for (Node node = 0; node < kNodes; ++node) {
    add(alive[node]);
    add(watchdog_ended[node]);
    add(cut[node]);
    add(loss_seen[node][0]);
    add(loss_seen[node][1]);
    add(work[node]);
    add(timer[node] ? static_cast<int>(*timer[node]) : 9);
    add(finished[node] ? static_cast<int>(*finished[node]) : 9);
    add(took_part[node]);
  }
  for (const auto& link : queues) {
    for (const auto& queue : link) {
      for (const Item& item : queue) {
        add(item ? static_cast<int>(item->index()) : 30);
      }
      out.push_back('|');
    }
  }
  for (bool flag : {image_under_way, same, died, stand_in_died, ended_by_deputy,
                    held_said, abort_read, go_said, started, start_failed,
                    target_gave_up, start_cut_short, aborted, asked_twice}) {
    add(flag);
  }
  add(place);
  add(at_source);
  add(at_target);
  return out;
}

}  // namespace ssi::migration::sim
