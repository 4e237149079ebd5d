// The rules of a ledger, one by one: what it takes, drops, keeps and refuses.
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "proto/ledger.h"
#include "proto/session_frames.h"
#include "support.h"

namespace ssi::proto {
namespace {

using namespace test;  // NOLINT: helpers of this folder's tests

FrameHeader Numbered(std::uint64_t number, std::uint64_t acknowledged) {
  FrameHeader header;
  header.type = session::kCall;
  header.number = number;
  header.acknowledged = acknowledged;
  return header;
}

FrameHeader Resume(std::uint64_t sent, std::uint64_t received) {
  FrameHeader header;
  header.type = FrameType::kResume;
  header.id = sent;
  header.acknowledged = received;
  return header;
}

Ledger Resumed(std::uint64_t sent, std::uint64_t received) {
  Ledger ledger;
  ledger.Attach();
  REQUIRE(ledger.OnFrame(Resume(0, 0)));
  for (std::uint64_t i = 0; i < sent; ++i) {
    (void)ledger.Add(session::kReply, 0, i, {});
  }
  for (std::uint64_t i = 1; i <= received; ++i) {
    REQUIRE(ledger.OnFrame(Numbered(i, 0)) == Ledger::Take::kDeliver);
  }
  return ledger;
}

// The last of the frames is the one that cannot be.
void CheckEnded(Ledger ledger, const std::vector<FrameHeader>& frames) {
  Result<Ledger::Take> last = Ledger::Take::kDrop;
  for (const auto& frame : frames) {
    REQUIRE(last);
    last = ledger.OnFrame(frame);
  }
  REQUIRE_FALSE(last);
  CHECK(last.error().code == ErrorCode::kProtocol);
}

TEST_CASE("numbers that cannot be end the session", "[ledger]") {
  struct Row {
    const char* what;
    std::vector<FrameHeader> frames;
  };
  FrameHeader counted_beat = Numbered(4, 0);
  counted_beat.type = FrameType::kHeartbeat;
  FrameHeader long_resume = Resume(3, 0);
  long_resume.length = 5;
  const std::vector<Row> rows = {
      {"a gap", {Numbered(5, 0)}},
      {"no number", {Numbered(0, 0)}},
      {"far ahead", {Numbered(~std::uint64_t{0}, 0)}},
      {"acknowledged before it was sent", {Numbered(4, 3)}},
      {"acknowledged less than before", {Numbered(4, 2), Numbered(5, 1)}},
      {"a heartbeat with a number", {counted_beat}},
      {"resumed in the middle", {Resume(3, 0)}},
  };
  for (const auto& row : rows) {
    INFO(row.what);
    CheckEnded(Resumed(2, 3), row.frames);
  }
  const std::vector<Row> at_resume = {
      {"a frame before kResume", {Numbered(4, 0)}},
      {"it has sent less than has come", {Resume(2, 0)}},
      {"it has received more than was sent", {Resume(3, 3)}},
      {"a payload", {long_resume}},
      {"twice", {Resume(3, 0), Resume(3, 0)}},
  };
  for (const auto& row : at_resume) {
    INFO(row.what);
    Ledger ledger = Resumed(2, 3);
    ledger.Detach();
    ledger.Attach();
    CheckEnded(std::move(ledger), row.frames);
  }
}

TEST_CASE("what comes twice is dropped", "[ledger]") {
  Ledger ledger = Resumed(0, 3);
  CHECK(ledger.OnFrame(Numbered(2, 0)) == Ledger::Take::kDrop);
  CHECK(ledger.OnFrame(Numbered(3, 0)) == Ledger::Take::kDrop);
  CHECK(ledger.OnFrame(Numbered(4, 0)) == Ledger::Take::kDeliver);
  CHECK(ledger.received() == 4);
}

TEST_CASE("nothing waits for a first connection to be resumed", "[ledger]") {
  Ledger ledger;
  CHECK(ledger.Add(session::kMove, 0, 0, {}).empty());  // no connection yet
  Ledger other;
  other.Attach();
  CHECK_FALSE(other.Add(session::kMove, 0, 0, {}).empty());
  REQUIRE(other.OnFrame(Resume(0, 0)) == Ledger::Take::kSendAgain);
  CHECK(other.Again().empty());  // it went out on this connection
}

TEST_CASE("what is not acknowledged is bounded, and then nothing is lost",
          "[ledger]") {
  Ledger ledger(LedgerLimits{1000, 4000, 500});
  ledger.Attach();
  REQUIRE(ledger.OnFrame(Resume(0, 0)));
  auto contents = Pattern(100);
  std::uint64_t sent = 0;
  while (!ledger.Full()) {
    (void)ledger.Add(session::kTold, 0, ++sent, {contents});
  }
  CHECK(ledger.kept_bytes() >= 1000);
  CHECK(ledger.kept_bytes() < 1000 + 100 + kFrameHeaderSize);
  // Full is advice; what cannot wait is kept all the same.
  (void)ledger.Add(session::kExit, 0, ++sent, {contents});
  FrameHeader beat;
  beat.type = FrameType::kHeartbeat;
  beat.acknowledged = sent - 1;
  REQUIRE(ledger.OnFrame(beat) == Ledger::Take::kDrop);
  CHECK_FALSE(ledger.Full());
  CHECK(ledger.kept_bytes() == 100 + kFrameHeaderSize);
  // A peer that calls and calls, and never acknowledges.
  std::uint64_t number = 0;
  Result<Ledger::Take> taken = Ledger::Take::kDrop;
  for (int i = 0; i < 1000 && taken; ++i) {
    taken = ledger.OnFrame(Numbered(++number, sent - 1));
    (void)ledger.Add(session::kReply, 0, number, {contents});
  }
  REQUIRE_FALSE(taken);
  CHECK(ledger.kept_bytes() < 4000 + 3 * (100 + kFrameHeaderSize));
}

TEST_CASE("a peer that only listens is told now and then", "[ledger]") {
  Ledger ledger(LedgerLimits{1000, 4000, 500});
  ledger.Attach();
  REQUIRE(ledger.OnFrame(Resume(0, 0)));
  FrameHeader header = Numbered(0, 0);
  header.length = 200;
  int words = 0;
  for (header.number = 1; header.number <= 30; ++header.number) {
    REQUIRE(ledger.OnFrame(header) == Ledger::Take::kDeliver);
    words += ledger.OwesWord() ? 1 : 0;
  }
  CHECK(words == 10);  // each 3 frames are over 500 bytes
  // What is sent tells it too.
  for (int i = 0; i < 30; ++i, ++header.number) {
    REQUIRE(ledger.OnFrame(header) == Ledger::Take::kDeliver);
    (void)ledger.Add(session::kReply, 0, 0, {});
    CHECK_FALSE(ledger.OwesWord());
  }
}

}  // namespace
}  // namespace ssi::proto
