#include "migration/home_machine.h"

#include <catch2/catch.hpp>

#include "unit/migration/lines.h"

namespace ssi::migration {
namespace {

constexpr MoveId kId{7};
constexpr Checksum kSum{0xabc};

const Event kRequest =
    MoveRequested{Ask{kId, "1", "avx2", 6000000, "load of A is 300"}};
const Event kAccept = FromTarget(Accept{kId, "10.0.0.2:99"});
const Event kHeld = FromSource(Held{kId, kSum});
const Event kReady = FromTarget(Ready{kId, kSum});
const Event kSourceLost = LinkLost{Role::kSource, "reset"};
const Event kTargetLost = LinkLost{Role::kTarget, "reset"};

HomeMachine Departure() {
  return HomeMachine({kId, Direction::kDeparture, "A", "B"});
}
HomeMachine Return() {
  return HomeMachine({kId, Direction::kReturn, "B", "A"});
}
HomeMachine Onward() {
  return HomeMachine({kId, Direction::kOnward, "B", "C"});
}

TEST_CASE("home: a departure from the request to the end", "[migration]") {
  HomeMachine home = Departure();
  CHECK(Play(home, {kRequest}) ==
        Lines{"start timer ask",
              "send ASK 6000000 bytes (load of A is 300) to target"});
  CHECK(Play(home, {kAccept}) ==
        Lines{"stop timer ask", "start timer commit", "send FREEZE to source"});
  CHECK(Play(home, {kHeld}).empty());
  CHECK(Play(home, {kReady}) == Lines{"stop timer commit", "record place",
                                      "send GO to target",
                                      "start timer start"});
  CHECK(Play(home, {FromTarget(Running{kId})}) ==
        Lines{"stop timer start",
              "send DESTROY (moved: it runs at B) to source",
              "finished: moved ()"});
  CHECK(home.state() == HomeMachine::State::kDone);
}

TEST_CASE(
    "home: READY before HELD commits too, and a return needs no start "
    "timer",
    "[migration]") {
  HomeMachine home = Return();
  CHECK(Play(home, {kRequest, kAccept, kReady}).empty());
  CHECK(Play(home, {kHeld}) ==
        Lines{"stop timer commit", "record place", "send GO to target"});
}

TEST_CASE("home: before FREEZE an end touches the target only", "[migration]") {
  HomeMachine home = Departure();
  (void)home.On(kRequest);
  SECTION("refused") {
    CHECK(Play(home, {FromTarget(Refuse{kId, "memory is full"})}) ==
          Lines{"stop timer ask",
                "finished: stayed (B refused: memory is full)"});
  }
  SECTION("no answer") {
    CHECK(Play(home, {TimerFired{TimerKind::kAsk, ""}}) ==
          Lines{"send ABORT (B did not answer within 5 s) to target",
                "finished: stayed (B did not answer within 5 s)"});
  }
  SECTION("the user takes it back") {
    CHECK(Play(home, {AbortRequested{"ssictl home"}}) ==
          Lines{"send ABORT (ssictl home) to target", "stop timer ask",
                "finished: stayed (ssictl home)"});
  }
  SECTION("the link breaks") {
    CHECK(Play(home, {kTargetLost}) ==
          Lines{"stop timer ask",
                "finished: stayed (the link to B was lost before it was "
                "started there: reset)"});
  }
  SECTION("the process exits") {
    CHECK(Play(home, {ProcessGone{"exit 3"}}) ==
          Lines{"stop timer ask", "send ABORT (exit 3) to target",
                "finished: ended (exit 3)"});
  }
}

TEST_CASE("home: between FREEZE and GO an end resumes the source",
          "[migration]") {
  HomeMachine home = Departure();
  Play(home, {kRequest, kAccept});
  SECTION("the rebuild fails") {
    CHECK(Play(home, {FromTarget(Failed{kId, "out of memory"})}) ==
          Lines{"stop timer commit", "send ABORT (B: out of memory) to source",
                "finished: stayed (B: out of memory)"});
  }
  SECTION("the checksums differ") {
    std::string why =
        "the image at B has checksum 0000000000000abd, at A it had "
        "0000000000000abc";
    CHECK(Play(home, {kHeld, FromTarget(Ready{kId, Checksum{0xabd}})}) ==
          Lines{"send ABORT (" + why + ") to target", "stop timer commit",
                "send ABORT (" + why + ") to source",
                "finished: stayed (" + why + ")"});
  }
  SECTION("too slow") {
    Lines lines = Play(home, {kHeld, TimerFired{TimerKind::kCommit, ""}});
    CHECK(lines.back() ==
          "finished: stayed (B had not rebuilt it within 13 s)");
  }
  SECTION("the source went on by itself") {
    std::string why = "not all threads stopped within 200 ms: 41 in ioctl";
    CHECK(Play(home, {FromSource(Resumed{kId, why})}) ==
          Lines{"stop timer commit", "send ABORT (" + why + ") to target",
                "finished: stayed (" + why + ")"});
  }
  SECTION("it dies while frozen") {
    CHECK(Play(home, {FromSource(Died{kId, "SIGKILL"})}) ==
          Lines{"stop timer commit", "send ABORT (SIGKILL) to target",
                "finished: ended (SIGKILL)"});
  }
  SECTION("the stand-in is killed") {
    CHECK(Play(home, {ProcessGone{"SIGKILL"}}) ==
          Lines{"stop timer commit", "send ABORT (SIGKILL) to target",
                "send DESTROY (ended: SIGKILL) to source",
                "finished: ended (SIGKILL)"});
  }
}

TEST_CASE(
    "home: cut off from the source before HELD it is lost, but only "
    "after the grace period",
    "[migration]") {
  HomeMachine home = Return();
  Lines lines = Play(home, {kRequest, kAccept, kReady, kSourceLost});
  CHECK(lines == Lines{"send ABORT (the link to B, where it was, was lost: "
                       "reset) to target",
                       "stop timer commit", "start timer grace"});
  CHECK(home.state() == HomeMachine::State::kCutOff);
  CHECK(Play(home, {AbortRequested{"x"}}) ==
        Lines{"refuse abort (the link to B is lost)"});
  CHECK(Play(home, {TimerFired{TimerKind::kGrace, ""}}) ==
        Lines{"finished: lost (B was out of reach for 60 s, so its watchdog "
              "has ended the process there (the link to B, where it was, was "
              "lost: reset))"});
}

TEST_CASE("home: cut off from the source after HELD it goes on and saves it",
          "[migration]") {
  HomeMachine home = Onward();
  CHECK(Play(home, {kRequest, kAccept, kHeld, kSourceLost}).empty());
  CHECK(Play(home, {AbortRequested{"x"}}) ==
        Lines{"refuse abort (the link to B is lost, it can only go on to C)"});
  SECTION("to the target") {
    CHECK(Play(home, {kReady}).at(2) == "send GO to target");
    CHECK(Play(home, {FromTarget(Running{kId})}) ==
          Lines{"stop timer start", "finished: moved ()"});
  }
  SECTION("unless the target fails as well") {
    CHECK(Play(home, {FromTarget(Failed{kId, "no memory"})}) ==
          Lines{"stop timer commit", "start timer grace"});
    CHECK(Play(home, {TimerFired{TimerKind::kGrace, ""}})
              .back()
              .starts_with("finished: lost"));
  }
}

TEST_CASE("home: after GO the source never resumes", "[migration]") {
  HomeMachine home = Onward();
  Play(home, {kRequest, kAccept, kHeld, kReady});
  SECTION("the target is out of reach") {
    CHECK(Play(home, {kTargetLost}) ==
          Lines{"stop timer start", "start timer grace"});
    Lines lines = Play(home, {TimerFired{TimerKind::kGrace, ""}});
    REQUIRE(lines.size() == 2);
    CHECK(lines[0].starts_with("send DESTROY (lost: C was out of reach"));
    CHECK(
        lines[1].starts_with("finished: lost (C was out of reach for 60 s "
                             "after it was told to start the process"));
  }
  SECTION("the start fails") {
    CHECK(Play(home, {FromTarget(Failed{kId, "killed"})}) ==
          Lines{"stop timer start",
                "send DESTROY (lost: C could not start it: killed) to source",
                "finished: lost (C could not start it: killed)"});
  }
  SECTION("the target is silent") {
    CHECK(Play(home, {TimerFired{TimerKind::kStart, ""}}) ==
          Lines{"break link (C did not say within 10 s that it runs)",
                "start timer grace"});
  }
  SECTION("the user is too late") {
    CHECK(Play(home, {AbortRequested{"x"}}) ==
          Lines{"refuse abort (it has been started at C already)"});
  }
  SECTION("a stand-in that is killed now ends the remote afterwards") {
    CHECK(Play(home, {ProcessGone{"SIGKILL"}}).empty());
    CHECK(Play(home, {FromTarget(Running{kId})}).back() ==
          "finished: moved (SIGKILL)");
  }
  SECTION("or is what is told when the start fails") {
    CHECK(Play(home, {ProcessGone{"SIGKILL"}, FromTarget(Failed{kId, "gone"})})
              .back() == "finished: ended (SIGKILL)");
  }
}

TEST_CASE("home: one move at a time", "[migration]") {
  HomeMachine home = Departure();
  const Event second = MoveRequested{Ask{MoveId{8}, "1", "", 1, "again"}};
  CHECK(Play(home, {kRequest, second}) ==
        Lines{"refuse move (it is being moved to B already)"});
  CHECK(Play(home, {kAccept, second}) ==
        Lines{"refuse move (it is being moved to B already)"});
  Play(home, {AbortRequested{"x"}});
  CHECK(Play(home, {second}) == Lines{"refuse move (this move has ended)"});
  CHECK(Play(home, {AbortRequested{"x"}}) ==
        Lines{"refuse abort (it is not being moved)"});
}

TEST_CASE("home: what a peer must not say ends the move before GO",
          "[migration]") {
  HomeMachine home = Departure();
  (void)home.On(kRequest);
  SECTION("READY while asking") {
    Lines lines = Play(home, {kReady});
    CHECK(lines.back() ==
          "finished: stayed (protocol error: READY 0000000000000abc from "
          "target in state \"asking\")");
  }
  SECTION("HELD from the target") {
    Lines lines = Play(home, {kAccept, FromTarget(Held{kId, kSum})});
    CHECK(lines.back().starts_with("finished: stayed (protocol error: HELD"));
  }
  SECTION("READY twice") {
    Lines lines = Play(home, {kAccept, kReady, kReady});
    CHECK(lines.back().starts_with("finished: stayed (protocol error: READY"));
  }
  SECTION("after GO it is only noted") {
    Lines lines = Play(home, {kAccept, kReady, kHeld, kReady});
    CHECK(lines == Lines{"note: unexpected in state \"starting\": READY "
                         "0000000000000abc from target"});
    CHECK(home.state() == HomeMachine::State::kStarting);
  }
  SECTION("another move's messages are ignored") {
    CHECK(Play(home, {FromTarget(Refuse{MoveId{8}, "no"})}) ==
          Lines{"note: ignored: REFUSE (no) from target"});
    CHECK(home.state() == HomeMachine::State::kAsking);
  }
  SECTION("and so is the end of a timer that was stopped meanwhile") {
    CHECK(Play(home, {kAccept, TimerFired{TimerKind::kAsk, ""}}) ==
          Lines{"note: ignored: timer fired: ask"});
    CHECK(home.state() == HomeMachine::State::kGathering);
  }
}

TEST_CASE("home: the limit grows with the size", "[migration]") {
  HomeMachine home = Departure();
  (void)home.On(MoveRequested{Ask{kId, "1", "", 1U << 30U, "x"}});
  Actions actions = home.On(kAccept);
  const auto* start = std::get_if<StartTimer>(&actions.at(1));
  REQUIRE(start != nullptr);
  CHECK(start->limit == CommitLimit(1U << 30U));
  CHECK(start->limit > std::chrono::seconds(256));
}

}  // namespace
}  // namespace ssi::migration
