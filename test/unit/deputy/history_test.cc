#include "deputy/history.h"

#include <catch2/catch.hpp>

#include "deputy/usage.h"

namespace ssi {
namespace {

using supervisor::CallClass;
using namespace std::chrono_literals;

Hop Moved(Nanos frozen) {
  Hop hop;
  hop.moved = true;
  hop.frozen = frozen;
  return hop;
}

TEST_CASE("times frozen are of the moves that succeeded", "[history]") {
  History history;
  CHECK(history.freezes().count == 0);
  CHECK(history.freezes().max == 0ns);
  Hop failed = Moved(99ms);
  failed.moved = false;
  for (const Hop& hop :
       {Moved(5ms), Moved(1ms), failed, Moved(9ms), Moved(3ms)}) {
    history.Add(hop);
  }
  auto freezes = history.freezes();
  CHECK(freezes.count == 4);
  CHECK(freezes.last == 3ms);
  CHECK(freezes.min == 1ms);
  CHECK(freezes.median == 3ms);
  CHECK(freezes.max == 9ms);
  CHECK(freezes.total == 18ms);
  CHECK(history.hops() == 4);
  CHECK(history.moves().size() == 5);
}

TEST_CASE("calls of several visits add up", "[history]") {
  wire::Usage usage;
  auto add = [&usage](std::uint32_t call_class, int number, std::uint64_t count,
                      std::uint64_t here) {
    auto& call = *usage.add_calls();
    call.set_class_(call_class);
    call.set_number(number);
    call.set_count(count);
    call.set_answered_here(here);
  };
  constexpr auto kHome = static_cast<std::uint32_t>(CallClass::kHome);
  constexpr auto kKnown = static_cast<std::uint32_t>(CallClass::kHomeKnown);
  add(kHome, 0, 10, 0);
  add(kKnown, 102, 5, 4);
  History history;
  history.CountCalls(CallsOf(usage));
  history.CountCalls(CallsOf(usage));
  CHECK(history.calls().size() == 2);
  CHECK(history.calls().at({CallClass::kHome, 0}).count == 20);
  CHECK(history.calls().at({CallClass::kHomeKnown, 102}).count == 10);
  CHECK(history.calls().at({CallClass::kHomeKnown, 102}).answered_there == 8);
}

TEST_CASE("a report that no remote of ours makes is cut down", "[history]") {
  wire::Usage usage;
  for (std::uint32_t i = 0; i < 100000; ++i) {
    auto& call = *usage.add_calls();
    call.set_class_(i % 300);
    call.set_number(static_cast<int>(i));
    call.set_count(1);
    call.set_answered_here(7);
  }
  auto calls = CallsOf(usage);
  CHECK(calls.size() <= 4000);
  for (const auto& [key, counted] : calls) {
    CHECK(key.first <= CallClass::kComeHome);
    CHECK(counted.answered_there <= counted.count);
  }
}

}  // namespace
}  // namespace ssi
