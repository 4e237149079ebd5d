// The guests of test/guests, group by group, in all modes.
#include <unistd.h>

#include <catch2/catch.hpp>

#include "cluster/guests/all_modes.h"

namespace ssi::test {
namespace {

using namespace std::chrono_literals;

bool MayRun(const GuestRun& guest) {
  return !guest.Is("root") || ::geteuid() == 0;
}

void CheckGroup(const std::string& group) {
  auto guests = GuestsOf(group);
  std::erase_if(guests, [](const auto& guest) { return !MayRun(guest); });
  CheckGuests(guests, {.seconds = 3.5, .hop_every = 300ms});
}

void CheckSample(unsigned part, unsigned parts) {
  auto guests = GuestsThatAre("sample");
  unsigned at = 0;
  std::erase_if(guests, [&](const auto&) { return at++ % parts != part; });
  CheckGuests(guests, {.seconds = 1.7, .hop_every = 200ms});
}

TEST_CASE("a sample of the guests, first half", "[sample]") {
  CheckSample(0, 2);
}
TEST_CASE("a sample of the guests, second half", "[sample]") {
  CheckSample(1, 2);
}

TEST_CASE("guests: files") {
  CheckGroup("files");
}
TEST_CASE("guests: descriptors") {
  CheckGroup("descriptors");
}
TEST_CASE("guests: memory") {
  CheckGroup("memory");
}
TEST_CASE("guests: process") {
  CheckGroup("process");
}
TEST_CASE("guests: time") {
  CheckGroup("time");
}
TEST_CASE("guests: signals") {
  CheckGroup("signals");
}
TEST_CASE("guests: registers") {
  CheckGroup("registers");
}
TEST_CASE("guests: ends") {
  CheckGroup("ends");
}
TEST_CASE("guests: coming home") {
  CheckGroup("comehome");
}
TEST_CASE("guests: threads") {
  CheckGroup("threads");
}
TEST_CASE("guests: forks") {
  CheckGroup("forks");
}
TEST_CASE("guests: hostile") {
  CheckGroup("hostile");
}

TEST_CASE("every guest of the list is in a group that is run", "[sample]") {
  const std::set<std::string> groups = {
      "files",     "descriptors", "memory",   "process", "time",    "signals",
      "registers", "ends",        "comehome", "forks",   "hostile", "threads"};
  for (const auto& guest : ReadGuestList()) {
    INFO(guest.name);
    CHECK(groups.contains(guest.group));
  }
}

}  // namespace
}  // namespace ssi::test
