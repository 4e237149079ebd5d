#include "migration/source_machine.h"

#include <catch2/catch.hpp>

#include "unit/migration/lines.h"

namespace ssi::migration {
namespace {

constexpr MoveId kId{7};

const Event kFreeze = FromHome(Freeze{kId, "10.0.0.2:99"});
const Event kSent = ImageSent{Checksum{0xabc}};
const std::vector<Event> kToHeld = {kFreeze, Frozen{}, HomeCallsSettled{},
                                    kSent};

SourceMachine Away() {
  return {kId, HomeIs::kElsewhere};
}

// The machine after the first `steps` events on the way to HELD.
SourceMachine After(std::size_t steps) {
  SourceMachine source = Away();
  Play(source,
       {kToHeld.begin(), kToHeld.begin() + static_cast<std::ptrdiff_t>(steps)});
  return source;
}

TEST_CASE("source: from FREEZE to HELD", "[migration]") {
  SourceMachine source = Away();
  CHECK(Play(source, {kFreeze}) ==
        Lines{"start timer freeze", "freeze process"});
  CHECK(Play(source, {Frozen{}}) ==
        Lines{"stop timer freeze", "start timer settle", "cancel home calls"});
  Actions actions = source.On(HomeCallsSettled{});
  CHECK(Read(actions) == Lines{"stop timer settle", "send image"});
  CHECK(std::get<SendImage>(actions.back()).route == "10.0.0.2:99");
  CHECK(Play(source, {kSent}) == Lines{"send HELD 0000000000000abc to home"});
  CHECK(source.state() == SourceMachine::State::kHeld);
}

TEST_CASE("source: held, it obeys home only", "[migration]") {
  SourceMachine source = After(4);
  SECTION("resume") {
    CHECK(
        Play(source, {FromHome(Abort{kId, "B: no memory"})}) ==
        Lines{"resume here (B: no memory)", "finished: stayed (B: no memory)"});
  }
  SECTION("destroy") {
    CHECK(
        Play(source,
             {FromHome(Destroy{kId, Outcome::kMoved, "it runs at C"})}) ==
        Lines{"destroy copy (it runs at C)", "finished: moved (it runs at C)"});
  }
  SECTION("a step that fails now is not its business") {
    CHECK(Play(source, {StepFailed{"bulk reset"}}).size() == 1);
    CHECK(source.state() == SourceMachine::State::kHeld);
  }
  SECTION("nor is what home must not say") {
    CHECK(Play(source, {FromHome(Destroy{kId, Outcome::kStayed, "x"})}) ==
          Lines{"note: unexpected: DESTROY (stayed: x) from home in state "
                "\"held\""});
    CHECK(Play(source, {FromHome(Go{kId})}) ==
          Lines{"note: unexpected: GO from home in state \"held\""});
    CHECK(
        Play(source, {FromTarget(Abort{kId, "x"})}).at(0).starts_with("note"));
    CHECK(source.state() == SourceMachine::State::kHeld);
  }
}

TEST_CASE("source: at home the destroyed copy is the stand-in or the process",
          "[migration]") {
  SourceMachine source(kId, HomeIs::kHere);
  Play(source, kToHeld);
  SECTION("moved") {
    CHECK(Play(source, {FromHome(Destroy{kId, Outcome::kMoved, "x"})}) ==
          Lines{"empty stand-in", "finished: moved (x)"});
  }
  SECTION("lost") {
    CHECK(Play(source, {FromHome(Destroy{kId, Outcome::kLost, "x"})}) ==
          Lines{"destroy copy (x)", "finished: lost (x)"});
  }
}

TEST_CASE("source: whatever fails before HELD, it goes on and says so",
          "[migration]") {
  SECTION("a thread does not stop") {
    SourceMachine source = After(1);
    std::string why =
        "not all threads stopped within 200 ms: thread 41 in ioctl";
    CHECK(
        Play(source, {TimerFired{TimerKind::kFreeze, "thread 41 in ioctl"}}) ==
        Lines{"resume here (" + why + ")", "send RESUMED (" + why + ") to home",
              "finished: stayed (" + why + ")"});
  }
  SECTION("cantmove") {
    SourceMachine source = After(1);
    CHECK(Play(source, {StepFailed{"io_uring in use"}}) ==
          Lines{"stop timer freeze", "resume here (io_uring in use)",
                "send RESUMED (io_uring in use) to home",
                "finished: stayed (io_uring in use)"});
  }
  SECTION("a home call does not end") {
    SourceMachine source = After(2);
    CHECK(Play(source, {TimerFired{TimerKind::kSettle, "read on a disk"}})
              .back() ==
          "finished: stayed (not all home calls ended within 1000 ms: read on "
          "a disk)");
  }
  SECTION("the image breaks off") {
    SourceMachine source = After(3);
    CHECK(Play(source, {StepFailed{"reset"}}) ==
          Lines{"resume here (reset)", "send RESUMED (reset) to home",
                "finished: stayed (reset)"});
  }
  SECTION("home says what it must not") {
    SourceMachine source = After(2);
    CHECK(Play(source, {FromHome(Go{kId})}).back() ==
          "finished: stayed (protocol error: GO from home in state "
          "\"settling\")");
  }
}

TEST_CASE("source: home's word counts in every state", "[migration]") {
  for (std::size_t steps = 1; steps <= 4; ++steps) {
    SourceMachine source = After(steps);
    Lines lines = Play(source, {FromHome(Abort{kId, "user"})});
    CHECK(lines.back() == "finished: stayed (user)");
    CHECK(*(lines.end() - 2) == "resume here (user)");
    source = After(steps);
    lines = Play(source, {FromHome(Destroy{kId, Outcome::kEnded, "killed"})});
    CHECK(lines.back() == "finished: ended (killed)");
    CHECK(*(lines.end() - 2) == "destroy copy (killed)");
  }
}

TEST_CASE("source: without home it stays frozen until the watchdog",
          "[migration]") {
  for (std::size_t steps = 1; steps <= 4; ++steps) {
    SourceMachine source = After(steps);
    (void)source.On(LinkLost{Role::kHome, "reset"});
    CHECK(source.state() == SourceMachine::State::kCutOff);
    // What its driver was doing comes to nothing.
    for (const Event& event : std::vector<Event>{Frozen{}, HomeCallsSettled{},
                                                 kSent, StepFailed{"x"}}) {
      Lines lines = Play(source, {event});
      REQUIRE(lines.size() == 1);
      CHECK(lines[0].starts_with("note"));
    }
    CHECK(Play(source, {WatchdogEnded{"no word from home for 57 s"}}) ==
          Lines{"destroy copy (no word from home for 57 s)",
                "finished: lost (no word from home for 57 s)"});
  }
}

TEST_CASE("source: its death is told", "[migration]") {
  for (std::size_t steps = 1; steps <= 4; ++steps) {
    SourceMachine source = After(steps);
    Lines lines = Play(source, {ProcessDied{"SIGKILL"}});
    CHECK(lines.front() == "send DIED (SIGKILL) to home");
    CHECK(lines.back() == "finished: ended (SIGKILL)");
  }
  SourceMachine source = After(4);
  CHECK(Play(source, {LinkLost{Role::kHome, "x"}, ProcessDied{"SIGKILL"}}) ==
        Lines{"finished: ended (SIGKILL)"});
}

TEST_CASE("source: FREEZE of another move meanwhile is answered",
          "[migration]") {
  SourceMachine source = After(4);
  CHECK(Play(source, {FromHome(Freeze{MoveId{8}, "x"})}) ==
        Lines{"note: ignored: FREEZE from home",
              "send RESUMED (another move is under way) to home"});
  CHECK(source.state() == SourceMachine::State::kHeld);
}

}  // namespace
}  // namespace ssi::migration
