#include "migration/target_machine.h"

#include <catch2/catch.hpp>

#include "migration/limits.h"
#include "unit/migration/lines.h"

namespace ssi::migration {
namespace {

constexpr MoveId kId{7};

const Event kAsk = FromHome(Ask{kId, "1", "avx2", 6000000, "load"});
const Event kGo = FromHome(Go{kId});
const std::vector<Event> kToReady = {kAsk, Admitted{"10.0.0.2:99"},
                                     ImageArrived{}, Rebuilt{Checksum{0xabc}}};

TargetMachine Away() {
  return {kId, HomeIs::kElsewhere};
}

TargetMachine After(std::size_t steps) {
  TargetMachine target = Away();
  Play(target, {kToReady.begin(),
                kToReady.begin() + static_cast<std::ptrdiff_t>(steps)});
  return target;
}

TEST_CASE("target: from ASK to RUNNING", "[migration]") {
  TargetMachine target = Away();
  CHECK(Play(target, {kAsk}) == Lines{"check ask"});
  Actions actions = target.On(Admitted{"10.0.0.2:99"});
  CHECK(Read(actions) ==
        Lines{"start timer go", "receive image", "send ACCEPT to home"});
  CHECK(std::get<StartTimer>(actions.front()).limit == GoLimit(6000000));
  CHECK(std::get<Send>(actions.back()).message ==
        Message{Accept{kId, "10.0.0.2:99"}});
  CHECK(Play(target, {ImageArrived{}}) == Lines{"begin rebuild"});
  CHECK(Play(target, {Rebuilt{Checksum{0xabc}}}) ==
        Lines{"send READY 0000000000000abc to home"});
  CHECK(Play(target, {kGo}) == Lines{"stop timer go", "start here"});
  CHECK(Play(target, {Started{}}) ==
        Lines{"send RUNNING to home", "finished: moved ()"});
}

TEST_CASE("target: at home it waits for GO without a limit", "[migration]") {
  TargetMachine target(kId, HomeIs::kHere);
  CHECK(Play(target, {kAsk, Admitted{""}}) ==
        Lines{"receive image", "send ACCEPT to home"});
}

TEST_CASE("target: it may refuse", "[migration]") {
  TargetMachine target = After(1);
  CHECK(Play(target, {Rejected{"avx512 is missing"}}) ==
        Lines{"send REFUSE (avx512 is missing) to home",
              "finished: stayed (avx512 is missing)"});
}

TEST_CASE("target: before GO it discards on every bad news", "[migration]") {
  for (std::size_t steps = 1; steps <= 4; ++steps) {
    for (const Event& event : std::vector<Event>{FromHome(Abort{kId, "why"}),
                                                 LinkLost{Role::kHome, "why"},
                                                 WatchdogEnded{"why"}}) {
      TargetMachine target = After(steps);
      Lines lines = Play(target, {event});
      CHECK(lines.back() == "finished: stayed (why)");
      CHECK(*(lines.end() - 2) == "discard rebuild (why)");
      CHECK(target.state() == TargetMachine::State::kDone);
    }
  }
}

TEST_CASE("target: its own failures are told after the discard",
          "[migration]") {
  for (std::size_t steps = 2; steps <= 4; ++steps) {
    TargetMachine target = After(steps);
    CHECK(Play(target, {StepFailed{"no memory"}}) ==
          Lines{"stop timer go", "discard rebuild (no memory)",
                "send FAILED (no memory) to home",
                "finished: stayed (no memory)"});
    target = After(steps);
    CHECK(Play(target, {TimerFired{TimerKind::kGo, ""}}) ==
          Lines{"discard rebuild (home did not say GO in time)",
                "send FAILED (home did not say GO in time) to home",
                "finished: stayed (home did not say GO in time)"});
  }
}

TEST_CASE("target: GO counts after READY only", "[migration]") {
  for (std::size_t steps = 1; steps <= 3; ++steps) {
    TargetMachine target = After(steps);
    Lines lines = Play(target, {kGo});
    CHECK(lines.back().starts_with("finished: stayed (protocol error: GO"));
    CHECK(target.state() == TargetMachine::State::kDone);
  }
  TargetMachine failed = After(4);
  Lines lines = Play(failed, {StepFailed{"killed"}, kGo});
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].starts_with("note"));
}

TEST_CASE("target: after GO it runs here or nowhere", "[migration]") {
  TargetMachine target = After(4);
  (void)target.On(kGo);
  SECTION("ABORT comes from a home that is wrong") {
    CHECK(Play(target, {FromHome(Abort{kId, "x"})}).at(0).starts_with("note"));
    CHECK(target.state() == TargetMachine::State::kStarting);
  }
  SECTION("the start fails") {
    CHECK(Play(target, {StepFailed{"killed"}}) ==
          Lines{"discard rebuild (killed)", "send FAILED (killed) to home",
                "finished: lost (killed)"});
  }
  SECTION("the link breaks") {
    CHECK(Play(target, {LinkLost{Role::kHome, "reset"}}) ==
          Lines{"note: starts without home: reset"});
    CHECK(Play(target, {Started{}}).back() == "finished: moved ()");
  }
  SECTION("the watchdog ends") {
    CHECK(Play(target, {WatchdogEnded{"why"}}) ==
          Lines{"discard rebuild (why)", "finished: lost (why)"});
  }
}

TEST_CASE("target: an ASK of another move meanwhile is refused",
          "[migration]") {
  TargetMachine target = After(2);
  CHECK(Play(target, {FromHome(Ask{MoveId{8}, "1", "", 1, "x"})}) ==
        Lines{"note: ignored: ASK 1 bytes (x) from home",
              "send REFUSE (another move is under way) to home"});
  CHECK(target.state() == TargetMachine::State::kReceiving);
}

}  // namespace
}  // namespace ssi::migration
