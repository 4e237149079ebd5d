// Three nodes, their links and one process, in which the machines of a move
// do their work without a kernel or a clock. A World is a plain value: an
// explorer copies it, lists what may happen next, and lets one thing happen.
#ifndef SSI_TEST_UNIT_MIGRATION_WORLD_H_
#define SSI_TEST_UNIT_MIGRATION_WORLD_H_

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "migration/home_machine.h"
#include "migration/source_machine.h"
#include "migration/target_machine.h"

namespace ssi::migration::sim {

constexpr std::size_t kNodes = 3;
constexpr std::size_t kRoles = 3;
using Node = std::size_t;

constexpr std::size_t Index(Role role) {
  return static_cast<std::size_t>(role);
}

// The connections of a move. Those between roles of one node are never cut.
enum class Link : std::uint8_t { kHomeSource, kHomeTarget, kBulk };
constexpr std::size_t kLinks = 3;
constexpr std::size_t Index(Link link) {
  return static_cast<std::size_t>(link);
}
// Each of the first two has a home end and the other end.
enum class End : std::uint8_t { kHome, kOther };

inline std::pair<Role, Role> RolesOf(Link link) {
  switch (link) {
    case Link::kHomeSource:
      return {Role::kHome, Role::kSource};
    case Link::kHomeTarget:
      return {Role::kHome, Role::kTarget};
    case Link::kBulk:
      break;
  }
  return {Role::kSource, Role::kTarget};
}

// The link between home and the other one of two roles.
inline Link LinkOf(Role a, Role b) {
  return a == Role::kSource || b == Role::kSource ? Link::kHomeSource
                                                  : Link::kHomeTarget;
}

inline End EndOf(Role receiver) {
  return receiver == Role::kHome ? End::kHome : End::kOther;
}

// The work of a driver that takes time; one at a time for each role.
enum class Work : std::uint8_t {
  kNone,
  kFreeze,
  kSettle,
  kSendImage,
  kCheck,
  kReceive,
  kRebuild,
  kStart,
};

// One copy of the process.
enum class Copy : std::uint8_t { kNone, kRunning, kFrozen, kRebuilt };

enum class ChoiceKind : std::uint8_t {
  // What goes its way.
  kDeliver,      // a: role to which, b: role from which
  kSeeLoss,      // a: link, b: end
  kComplete,     // a: role whose work is done
  kBreakOff,     // a: role whose work ends because the bulk link is cut
  kTimer,        // a: role
  kWatchdog,     // a: node
  kDeputyGrace,  // home ends a process away that is out of reach
  kDeputyKill,   // home ends a process away whose stand-in was killed
  // What goes wrong.
  kCut,          // a, b: nodes
  kCutBulk,      // the image's connection alone
  kKill,         // a: node
  kFail,         // a: role whose work fails
  kMismatch,     // the image is rebuilt, but differs
  kProcessDies,  // at the source; b: who learns of it first
  kStandInDies,
  kCopyDies,  // what was rebuilt, before GO
  kUserAbort,
  kSecondMove,
  kEarlyTimer,  // a: role
};
struct Choice {
  ChoiceKind kind{};
  std::size_t a = 0;
  std::size_t b = 0;
};
constexpr bool IsFault(const Choice& choice) {
  return choice.kind >= ChoiceKind::kCut;
}
[[nodiscard]] std::string Describe(const Choice& choice);

struct World;

// A machine that is wrong in one way: what it is told, or what it does, is
// changed on the way. Says which role, and whether only what really happens to
// copies is checked (else also what may be said).
struct Mutation {
  std::string name;
  Role role{};
  bool physical_only = false;
  std::function<std::vector<Event>(const World&, const Event&)> events;
  std::function<void(const World&, const Event&, Actions&)> actions;
};

// A message on a link, or the news of an exit that a remote sends by itself.
using Item = std::optional<Message>;

struct World {
  explicit World(Direction direction, const Mutation* wrong = nullptr);

  // Where the roles are.
  Direction direction;
  std::array<Node, kRoles> node_of{};
  // The machines.
  HomeMachine home;
  SourceMachine source;
  TargetMachine target;
  const Mutation* mutation = nullptr;

  // Nodes and links.
  std::array<bool, kNodes> alive{true, true, true};
  std::array<bool, kNodes> watchdog_ended{};
  std::array<bool, kLinks> cut{};
  std::array<std::array<bool, 2>, kLinks> loss_seen{};
  // To and from home, by [Link][End of the receiver].
  std::array<std::array<std::deque<Item>, 2>, kLinks> queues;
  bool image_under_way = false;  // all of it will arrive

  // The drivers.
  std::array<Work, kRoles> work{};
  std::array<std::optional<TimerKind>, kRoles> timer{};
  std::array<bool, kRoles> took_part{};
  std::array<std::optional<Outcome>, kRoles> finished{};
  Role place = Role::kSource;  // as home has recorded it

  // The process. A rebuilt copy is the same as the source's if `same`.
  Copy at_source = Copy::kRunning;
  Copy at_target = Copy::kNone;
  bool same = true;
  bool died = false;           // at the source
  bool stand_in_died = false;  // its task at home
  bool ended_by_deputy = false;

  // What was said and done.
  bool held_said = false;
  bool abort_read = false;  // by the source
  bool go_said = false;
  bool started = false;  // the target has reported that it runs
  bool start_failed = false;
  bool target_gave_up = false;   // by an early timer or a death after READY
  bool start_cut_short = false;  // an early end of home's start timer
  bool aborted = false;          // the user has asked once
  bool asked_twice = false;

  std::string violation;  // the first invariant that did not hold

  // Which (role, state, event) were met; shared by all copies of the world.
  using Met = std::set<std::tuple<Role, std::size_t, std::size_t, std::size_t>>;
  Met* met = nullptr;

  void Begin();  // home is asked for the move
  // What may happen next; with faults, also what may go wrong.
  [[nodiscard]] std::vector<Choice> Choices(bool with_faults) const;
  void Apply(const Choice& choice);
  // Called when nothing is left to happen.
  void CheckEnd();
  // All that decides what can happen from here on.
  [[nodiscard]] std::string Fingerprint() const;

  [[nodiscard]] bool Lives(Role role) const {
    return alive[node_of[Index(role)]];
  }
  [[nodiscard]] bool IsLocal(Link link) const;
  [[nodiscard]] bool IsLost(Link link) const { return cut[Index(link)]; }

 private:
  void AddDeliveries(std::vector<Choice>& out) const;
  void AddWork(std::vector<Choice>& out) const;
  void AddWatchdogs(std::vector<Choice>& out) const;
  void AddDeputy(std::vector<Choice>& out) const;
  void AddTimers(std::vector<Choice>& out, ChoiceKind kind) const;
  void AddFaults(std::vector<Choice>& out) const;
  void AddLinkFaults(std::vector<Choice>& out) const;
  [[nodiscard]] bool GraceMayEnd() const;

  void Deliver(Role to, Role from);
  void SeeLoss(Link link, End end);
  void Complete(Role role);
  void FailWork(Role role);
  void FireTimer(Role role, bool early);
  void EndWatchdog(Node node);
  void CutNodes(Node a, Node b);
  void Kill(Node node);
  void ProcessDies(bool home_first);
  void StandInDies();
  void ApplyFault(const Choice& choice);

  void Feed(Role role, const Event& event);
  void FeedMachine(Role role, const Event& event);
  void Perform(Role role, const Action& action);
  void Do(Role role, const Send& send);
  void Do(Role role, const StartTimer& start);
  void Do(Role role, const StopTimer& stop);
  void Do(Role role, const Finished& end);
  void Do(Role role, const RecordPlace& record);
  void Do(Role role, const BreakLink& broken);
  void Do(Role role, const FreezeProcess& freeze);
  void Do(Role role, const CancelHomeCalls& cancel);
  void Do(Role role, const SendImage& send);
  void Do(Role role, const ResumeHere& resume);
  void Do(Role role, const EmptyStandIn& empty);
  void Do(Role role, const DestroyCopy& destroy);
  void Do(Role role, const CheckAsk& check);
  void Do(Role role, const ReceiveImage& receive);
  void Do(Role role, const BeginRebuild& begin);
  void Do(Role role, const StartHere& start);
  void Do(Role role, const DiscardRebuild& discard);
  void Do(Role /*role*/, const Note& /*note*/) {}
  void Do(Role /*role*/, const RefuseMove& /*refuse*/) {}
  void Do(Role /*role*/, const RefuseAbort& /*refuse*/) {}
  void DeputyKills();
  void DropCopies(Node node);

  // Invariants; see monitor.cc.
  void Violate(const std::string& text);
  void ViolateRule(const std::string& text);
  void CheckAction(Role role, const Action& action);
  void CheckTimers(Role role, const Action& action);
  void CheckSend(const Send& send);
  void CheckResume();
  void CheckStart();
  void CheckDestroy(bool emptied);
  void CheckDiscard();
  void CheckFinished(Role role, const Finished& finished);
  void CheckLost();
  void CheckCopies();
  void CheckOutcome();
  void CheckLeaks();
};

}  // namespace ssi::migration::sim

#endif  // SSI_TEST_UNIT_MIGRATION_WORLD_H_
