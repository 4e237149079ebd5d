// A guest that puts its own code where the runtime has its page, and makes
// every call there is from it: each does what it does natively, or the guest is
// ended for it; none is carried out on the other node.
#include <algorithm>
#include <memory>

#include <catch2/catch.hpp>

#include "cluster/guests/guest_run.h"
#include "supervisor/call_table.h"

namespace ssi::test {
namespace {

using namespace std::chrono_literals;

GuestRun PageGuest(const std::string& mode, int number) {
  GuestRun guest;
  guest.name = mode + " " + std::to_string(number);
  guest.how = {"away"};
  guest.command = {std::string(SSI_GUEST_DIR) + "/hostile_page", mode,
                   std::to_string(number)};
  return guest;
}

// Why it is not all right; nothing if it is. The guest itself compares with
// the same call from its own text, which the runtime judges as any other.
std::string Wrong(const GuestOutcome& outcome) {
  const RunResult& result = outcome.result;
  if (!outcome.witnessed && outcome.counted_moves == 0) {
    return "was never away";
  }
  bool passed = result.status == "exit 0" &&
                result.out.find("PASS\n") != std::string::npos;
  bool ended = result.status == "signal 9" &&
               result.err.find("runtime's") != std::string::npos;
  // Or it has put pages over the local vdso, or taken it away: natively nothing
  // is there, away the clocks are.
  bool no_vdso = result.status == "signal 11" || result.status == "signal 7";
  return passed || ended || no_vdso ? "" : result.status + ": " + result.err;
}

void CheckNumbers(const std::string& mode, int first, int last, int step) {
  Cluster cluster(3);
  std::vector<GuestRun> guests;
  for (int number = first; number < last; number += step) {
    guests.push_back(PageGuest(mode, number));
  }
  constexpr std::size_t kAtATime = 4;
  std::vector<std::unique_ptr<GuestInMode>> running;
  std::size_t next = 0;
  while (next < guests.size() || !running.empty()) {
    while (next < guests.size() && running.size() < kAtATime) {
      running.push_back(std::make_unique<GuestInMode>(
          cluster, guests[next], GuestMode::kAway, GuestPace{},
          cluster.folder() + "/guests/" + std::to_string(next)));
      ++next;
    }
    for (auto& guest : running) {
      if (!guest->Tick()) {
        INFO(guest->guest().name);
        CHECK(Wrong(guest->Outcome()) == "");
        guest.reset();
      }
    }
    std::erase(running, nullptr);
    PauseBriefly();
  }
}

TEST_CASE("calls from the runtime's page: some numbers", "[sample]") {
  CheckNumbers("over", 0, 460, 41);
  CheckNumbers("noreplace", 39, 460, 103);
}

// Beyond the last number that Linux has, and x32's.
constexpr int kEnd = 472;

TEST_CASE("calls from a page put over the runtime's, 0-119") {
  CheckNumbers("over", 0, 120, 1);
}
TEST_CASE("calls from a page put over the runtime's, 120-239") {
  CheckNumbers("over", 120, 240, 1);
}
TEST_CASE("calls from a page put over the runtime's, 240-359") {
  CheckNumbers("over", 240, 360, 1);
}
TEST_CASE("calls from a page put over the runtime's, 360 and on") {
  CheckNumbers("over", 360, kEnd, 1);
}
TEST_CASE("calls from pages beside the runtime's") {
  CheckNumbers("noreplace", 0, kEnd, 7);
}
TEST_CASE("calls after the runtime's page was unmapped") {
  CheckNumbers("unmap", 0, kEnd, 7);
}

TEST_CASE("every number of the table is tried", "[sample]") {
  for (const auto& row : supervisor::AllCalls()) {
    CHECK(row.nr < kEnd);
  }
}

}  // namespace
}  // namespace ssi::test
