// Any event in any state, also what peers must not say: no machine may break
// its own promises.
#include <random>

#include <catch2/catch.hpp>

#include "migration/home_machine.h"
#include "migration/source_machine.h"
#include "migration/target_machine.h"
#include "unit/migration/lines.h"

namespace ssi::migration {
namespace {

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed) {}
  std::uint64_t Roll(std::uint64_t sides) { return random_() % sides; }

  // Mostly of this move and from the right sender.
  Event AnyMessage() {
    MoveId id{Roll(20) == 0 ? 8U : 7U};
    Message message = MessageOf(Roll(std::variant_size_v<Message>), id);
    Role from = Roll(20) == 0 ? static_cast<Role>(Roll(3)) : SenderOf(message);
    return Received{from, std::move(message)};
  }

  Event Any() {
    switch (Roll(20)) {
      case 0:
        return LinkLost{static_cast<Role>(Roll(3)), "cut"};
      case 1:
      case 2:
        return TimerFired{static_cast<TimerKind>(Roll(7)), "detail"};
      case 3:
        return Roll(4) == 0 ? Event(WatchdogEnded{"w"}) : Event(Frozen{});
      case 4:
        return StepFailed{"failed"};
      case 5:
        return MoveRequested{Ask{MoveId{7}, "v", "f", Roll(1000), "r"}};
      case 6:
        return Roll(2) == 0 ? Event(AbortRequested{"user"})
                            : Event(ProcessGone{"gone"});
      case 7:
        return HomeCallsSettled{};
      case 8:
        return ImageSent{Checksum{Roll(2)}};
      case 9:
        return Roll(4) == 0 ? Event(ProcessDied{"died"}) : Event(Frozen{});
      case 10:
        return Roll(4) == 0 ? Event(Rejected{"no"}) : Event(Admitted{"r"});
      case 11:
        return ImageArrived{};
      case 12:
        return Rebuilt{Checksum{Roll(2)}};
      case 13:
        return Started{};
      default:
        return AnyMessage();
    }
  }

 private:
  Message MessageOf(std::uint64_t kind, MoveId id) {
    switch (kind) {
      case 0:
        return Ask{id, "v", "f", random_(), "r"};
      case 1:
        return Accept{id, "route"};
      case 2:
        return Refuse{id, "no"};
      case 3:
        return Freeze{id, "route"};
      case 4:
        return Held{id, Checksum{Roll(2)}};
      case 5:
        return Resumed{id, "resumed"};
      case 6:
        return Died{id, "died"};
      case 7:
        return Ready{id, Checksum{Roll(2)}};
      case 8:
        return Failed{id, "failed"};
      case 9:
        return Go{id};
      case 10:
        return Running{id};
      case 11:
        return Abort{id, "abort"};
      default:
        return Destroy{id, static_cast<Outcome>(Roll(4)), "destroy"};
    }
  }

  std::mt19937_64 random_;
};

template <typename T>
const T* SentBy(const Action& action) {
  const auto* send = std::get_if<Send>(&action);
  return send == nullptr ? nullptr : std::get_if<T>(&send->message);
}
template <typename T>
bool Says(const Event& event, Role from) {
  const auto* received = std::get_if<Received>(&event);
  return received != nullptr && received->from == from &&
         MoveOf(received->message) == MoveId{7} &&
         std::holds_alternative<T>(received->message);
}

// What holds for all three: one Finished, silence after it, timers in pairs.
class Promises {
 public:
  void Check(const Event& event, const Actions& actions) {
    if (const auto* fired = std::get_if<TimerFired>(&event);
        fired != nullptr && running_ == fired->kind) {
      running_.reset();
    }
    for (const Action& action : actions) {
      bool remark = std::holds_alternative<Note>(action) ||
                    std::holds_alternative<RefuseMove>(action) ||
                    std::holds_alternative<RefuseAbort>(action);
      REQUIRE((remark || !finished_));
      REQUIRE_FALSE(Describe(action).empty());
      if (const auto* start = std::get_if<StartTimer>(&action)) {
        REQUIRE_FALSE(running_.has_value());
        REQUIRE(start->limit > Nanos(0));
        running_ = start->kind;
      } else if (const auto* stop = std::get_if<StopTimer>(&action)) {
        REQUIRE(running_ == stop->kind);
        running_.reset();
      } else if (std::holds_alternative<Finished>(action)) {
        REQUIRE_FALSE(running_.has_value());
        finished_ = true;
      }
    }
  }
  [[nodiscard]] bool finished() const { return finished_; }

 private:
  std::optional<TimerKind> running_;
  bool finished_ = false;
};

constexpr std::uint64_t kRuns = 2000;
constexpr std::size_t kEvents = 60;

TEST_CASE("any events at home: one GO, for equal checksums, no ABORT after",
          "[migration]") {
  int started = 0;
  for (std::uint64_t seed = 1; seed <= kRuns; ++seed) {
    INFO("seed " << seed);
    Dice dice(seed);
    HomeMachine home(
        {MoveId{7}, static_cast<Direction>(dice.Roll(3)), "A", "B"});
    Promises promises;
    std::optional<Checksum> held;
    std::optional<Checksum> ready;
    bool go = false;
    std::vector<Event> begin = {MoveRequested{Ask{}},
                                FromTarget(Accept{MoveId{7}, "r"}),
                                FromTarget(Ready{MoveId{7}, Checksum{1}}),
                                FromSource(Held{MoveId{7}, Checksum{1}})};
    begin.resize(dice.Roll(begin.size() + 1), Started{});
    for (std::size_t i = 0; i < kEvents; ++i) {
      Event event = i < begin.size() ? begin[i] : dice.Any();
      if (Says<Held>(event, Role::kSource)) {
        held = std::get<Held>(std::get<Received>(event).message).checksum;
      }
      if (Says<Ready>(event, Role::kTarget)) {
        ready = std::get<Ready>(std::get<Received>(event).message).checksum;
      }
      Actions actions = home.On(event);
      promises.Check(event, actions);
      for (const Action& action : actions) {
        if (SentBy<Go>(action) != nullptr) {
          REQUIRE_FALSE(go);
          REQUIRE(held.has_value());
          REQUIRE(held == ready);
          go = true;
          ++started;
        }
        REQUIRE_FALSE((go && SentBy<Abort>(action) != nullptr));
      }
    }
  }
  CHECK(started > 10);  // the walk gets that far
}

TEST_CASE("any events at the source: held, only home's ABORT resumes it",
          "[migration]") {
  int holds = 0;
  for (std::uint64_t seed = 1; seed <= kRuns; ++seed) {
    INFO("seed " << seed);
    Dice dice(seed);
    SourceMachine source(MoveId{7}, static_cast<HomeIs>(dice.Roll(2)));
    Promises promises;
    bool held = false;
    std::vector<Event> begin = {FromHome(Freeze{MoveId{7}, "r"}), Frozen{},
                                HomeCallsSettled{}, ImageSent{Checksum{1}}};
    begin.resize(dice.Roll(begin.size() + 1), Frozen{});
    for (std::size_t i = 0; i < kEvents; ++i) {
      Event event = i < begin.size() ? begin[i] : dice.Any();
      Actions actions = source.On(event);
      promises.Check(event, actions);
      for (const Action& action : actions) {
        held = held || SentBy<Held>(action) != nullptr;
        if (held && std::holds_alternative<ResumeHere>(action)) {
          REQUIRE(Says<Abort>(event, Role::kHome));
        }
        REQUIRE_FALSE((held && SentBy<Resumed>(action) != nullptr &&
                       SentBy<Resumed>(action)->move == MoveId{7}));
      }
    }
    holds += held ? 1 : 0;
  }
  CHECK(holds > 10);
}

TEST_CASE("any events at the target: it starts on GO after READY only",
          "[migration]") {
  int starts = 0;
  for (std::uint64_t seed = 1; seed <= kRuns; ++seed) {
    INFO("seed " << seed);
    Dice dice(seed);
    TargetMachine target(MoveId{7}, static_cast<HomeIs>(dice.Roll(2)));
    Promises promises;
    bool ready = false;
    bool failed = false;
    std::vector<Event> begin = {FromHome(Ask{MoveId{7}, "", "", 1, ""}),
                                Admitted{"r"}, ImageArrived{},
                                Rebuilt{Checksum{1}}};
    begin.resize(dice.Roll(begin.size() + 1), Started{});
    for (std::size_t i = 0; i < kEvents; ++i) {
      Event event = i < begin.size() ? begin[i] : dice.Any();
      Actions actions = target.On(event);
      promises.Check(event, actions);
      for (const Action& action : actions) {
        ready = ready || SentBy<Ready>(action) != nullptr;
        failed = failed || SentBy<Failed>(action) != nullptr;
        if (std::holds_alternative<StartHere>(action)) {
          REQUIRE(Says<Go>(event, Role::kHome));
          REQUIRE((ready && !failed));
          ++starts;
        }
      }
    }
  }
  CHECK(starts > 10);
}

}  // namespace
}  // namespace ssi::migration
