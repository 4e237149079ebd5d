// Calls that bring a process home: each of them does, once for each time that
// it is made, and answers as natively; no others do.
#include <memory>

#include <catch2/catch.hpp>

#include "cluster/guests/guest_run.h"
#include "supervisor/call_table.h"

namespace ssi::test {
namespace {

struct OneCall {
  GuestRun guest;
  std::string name;
};

OneCall CallOf(int number, std::string name) {
  OneCall call;
  call.guest.name = name;
  call.guest.how = {"comes"};
  call.guest.command = {std::string(SSI_GUEST_DIR) + "/one_call",
                        std::to_string(number)};
  call.name = std::move(name);
  return call;
}

// Rows that come home whatever their arguments are, and those whose arguments
// -1 (for mmap: shared and anonymous) make come home.
std::vector<OneCall> CallsThatComeHome() {
  std::vector<OneCall> calls;
  constexpr std::uint64_t kAll = ~std::uint64_t{0};
  supervisor::CallArgs arguments{kAll, kAll, kAll, kAll, kAll, kAll};
  for (const auto& row : supervisor::AllCalls()) {
    auto decision = supervisor::Decide(row.nr, arguments, HomePid{0});
    // vfork cannot be made by a function that returns: fork_programs has it.
    if (row.name != "vfork" &&
        (decision.call_class == supervisor::CallClass::kComeHome ||
         row.name == "mmap")) {
      calls.push_back(CallOf(row.nr, std::string(row.name)));
    }
  }
  calls.push_back(CallOf(400, "NUMBER"));
  calls.push_back(CallOf(5000, "NUMBER"));
  return calls;
}

class Pair {
 public:
  Pair(const Cluster& cluster, const OneCall& call)
      : call_(call),
        native_(cluster, call.guest, GuestMode::kNative, {}, Folder(cluster)),
        away_(cluster, call.guest, GuestMode::kAway, {}, Folder(cluster)) {}

  bool Tick() {
    bool native = native_.Tick();
    bool away = away_.Tick();
    return native || away;
  }

  void Judge() {
    INFO(call_.name << ": " << call_.guest.command[1]);
    auto native = native_.Outcome();
    auto away = away_.Outcome();
    INFO(away.result.err);
    CHECK(native.result.status == "exit 0");
    CHECK(away.result.status == native.result.status);
    CHECK(away.result.out == native.result.out);
    // It is away for some 50 ms only: too short for a busy machine to look.
    CHECK((away.witnessed || away.counted_moves >= 2));
    CHECK(away.came_home ==
          std::map<std::string, std::uint64_t>{{call_.name, 1}});
    CHECK(away.failed_moves == std::set<std::string>{});
  }

 private:
  static std::string Folder(const Cluster& cluster) {
    static int number = 0;
    return cluster.folder() + "/guests/" + std::to_string(++number);
  }

  const OneCall& call_;
  GuestInMode native_;
  GuestInMode away_;
};

void CheckCalls(std::size_t part, std::size_t parts) {
  Cluster cluster(3);
  auto calls = CallsThatComeHome();
  REQUIRE(calls.size() > 120);
  constexpr std::size_t kAtATime = 3;
  std::vector<std::unique_ptr<Pair>> running;
  std::size_t next = part;
  while (next < calls.size() || !running.empty()) {
    while (next < calls.size() && running.size() < kAtATime) {
      running.push_back(std::make_unique<Pair>(cluster, calls[next]));
      next += parts;
    }
    for (auto& pair : running) {
      if (!pair->Tick()) {
        pair->Judge();
        pair.reset();
      }
    }
    std::erase(running, nullptr);
    PauseBriefly();
  }
}

TEST_CASE("calls that come home: a few of them", "[sample]") {
  CheckCalls(5, 12);
}
TEST_CASE("calls that come home, first third") {
  CheckCalls(0, 3);
}
TEST_CASE("calls that come home, second third") {
  CheckCalls(1, 3);
}
TEST_CASE("calls that come home, last third") {
  CheckCalls(2, 3);
}

}  // namespace
}  // namespace ssi::test
