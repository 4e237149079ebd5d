#include "cluster/guests/all_modes.h"

#include <algorithm>
#include <functional>
#include <memory>

#include <catch2/catch.hpp>

#include "supervisor/call_table.h"

namespace ssi::test {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kAtATime = 3;
constexpr int kLeastHops = 5;

// By the table, whose list of them a unit test holds.
bool MayComeHome(const std::string& name) {
  const auto* row = supervisor::FindCall(name);
  return name == "NUMBER" ||
         (row != nullptr && (row->call_class == supervisor::CallClass::kLife ||
                             row->comes_home != supervisor::ComesHome::kNot ||
                             std::any_of(row->rules.begin(), row->rules.end(),
                                         [](const auto& rule) {
                                           return rule.comes_home !=
                                                  supervisor::ComesHome::kNot;
                                         })));
}

// In one line what is not as it was natively; nothing where all is.
std::string Differences(const RunResult& native, const RunResult& moved) {
  std::string text;
  if (moved.status != native.status) {
    text += moved.status + " instead of " + native.status + "; ";
  }
  if (moved.err != native.err) {
    text += "stderr: " + moved.err.substr(0, 400) + "; ";
  }
  auto [a, b] = std::mismatch(native.out.begin(), native.out.end(),
                              moved.out.begin(), moved.out.end());
  if (a != native.out.end() || b != moved.out.end()) {
    text += "stdout \"" + std::string(b, moved.out.end()).substr(0, 200) +
            "\" instead of \"" +
            std::string(a, native.out.end()).substr(0, 200) + "\"; ";
  }
  if (moved.files != native.files) {
    text += std::to_string(moved.files.size()) + " other files; ";
  }
  return text;
}

// A cluster and what has been found out in it.
class Runs {
 public:
  Runs(const std::vector<GuestRun>& guests, const GuestPace& pace)
      : guests_(guests), pace_(pace) {}

  void All() {
    for (const auto& guest : guests_) {
      native_[guest.name] = {};
    }
    InMode(GuestMode::kNative);
    InMode(GuestMode::kHome);
    InMode(GuestMode::kAway);
    InMode(GuestMode::kHopping);
  }

 private:
  struct Waiting {
    const GuestRun* guest;
    GuestPace pace;
  };

  // Some at a time; a few of them always wait for something.
  void InMode(GuestMode mode) {
    std::vector<Waiting> waiting;
    bool away = mode == GuestMode::kAway || mode == GuestMode::kHopping;
    for (const auto& guest : guests_) {
      bool left_out = (away && guest.Is("home")) ||
                      (mode == GuestMode::kHopping && guest.Is("placed"));
      if (!left_out) {
        waiting.push_back({&guest, pace_});
      }
    }
    std::reverse(waiting.begin(), waiting.end());
    std::vector<std::unique_ptr<GuestInMode>> running;
    while (!waiting.empty() || !running.empty()) {
      while (!waiting.empty() && running.size() < kAtATime) {
        Waiting next = waiting.back();
        waiting.pop_back();
        running.push_back(std::make_unique<GuestInMode>(
            cluster_, *next.guest, mode, next.pace, Folder(mode)));
      }
      for (auto& guest : running) {
        if (!guest->Tick()) {
          if (auto again = AfterRun(mode, *guest)) {
            waiting.push_back(*again);
          }
          guest.reset();
        }
      }
      std::erase(running, nullptr);
      PauseBriefly();
    }
  }

  std::string Folder(GuestMode mode) {
    return cluster_.folder() + "/guests/" + std::to_string(++folders_) + "-" +
           std::to_string(static_cast<int>(mode));
  }

  // Judges it. On a machine that is busy with other things, its time may have
  // been up before enough hops: then once more, for longer.
  std::optional<Waiting> AfterRun(GuestMode mode, GuestInMode& run) {
    const GuestRun& guest = run.guest();
    GuestOutcome outcome = run.Outcome();
    if (mode == GuestMode::kNative) {
      native_[guest.name] = outcome.result;
    }
    bool few = mode == GuestMode::kHopping && guest.Is("away") &&
               !guest.Is("stays") && outcome.moves < kLeastHops &&
               outcome.result.status == native_[guest.name].status;
    constexpr double kMostSeconds = 12;
    if (few && run.pace().seconds < kMostSeconds) {
      GuestPace longer = run.pace();
      longer.seconds *= 2;
      return Waiting{&guest, longer};
    }
    Judge(mode, guest, outcome);
    return std::nullopt;
  }

  void Judge(GuestMode mode, const GuestRun& guest,
             const GuestOutcome& outcome) {
    INFO("guest " << guest.name << " " << NameOf(mode));
    INFO("hops " << outcome.moves << ", counted " << outcome.counted_moves);
    if (mode == GuestMode::kNative) {
      CHECK(outcome.result.status != "still running");
      CHECK(outcome.result.err == "");
      CHECK(outcome.result.out.find("PASS\n") != std::string::npos);
      return;
    }
    CHECK(Differences(native_[guest.name], outcome.result) == "");
    if (mode == GuestMode::kHome) {
      CHECK(outcome.counted_moves == 0);
      return;
    }
    JudgeMoves(mode, guest, outcome);
  }

  void JudgeMoves(GuestMode mode, const GuestRun& guest,
                  const GuestOutcome& outcome) {
    // One that comes home may be away for too short a time to be looked at.
    CHECK((outcome.witnessed || guest.Is("comes")));
    std::set<std::string> others;
    for (const auto& [name, count] : outcome.came_home) {
      if (!guest.comes_home.contains(name) &&
          !(guest.comes_home.contains("any") && MayComeHome(name))) {
        others.insert(name);
      }
    }
    CHECK(others == std::set<std::string>{});
    if (mode == GuestMode::kAway) {
      CHECK(outcome.came_home.empty() == guest.comes_home.empty());
    }
    if (guest.Is("stays") || guest.Is("comes")) {
      return;  // moves where it can, and says so where it cannot
    }
    CHECK(outcome.failed_moves == std::set<std::string>{});
    if (mode == GuestMode::kAway) {
      CHECK(outcome.counted_moves == 1);
    } else {
      CHECK(outcome.refusals == std::set<std::string>{});
      CHECK(outcome.moves >= kLeastHops);
      CHECK(outcome.counted_moves >= outcome.moves);
    }
  }

  const std::vector<GuestRun>& guests_;
  GuestPace pace_;
  Cluster cluster_{3};
  std::map<std::string, RunResult> native_;
  int folders_ = 0;
};

}  // namespace

void CheckGuests(const std::vector<GuestRun>& guests, const GuestPace& pace) {
  REQUIRE_FALSE(guests.empty());
  Runs(guests, pace).All();
}

}  // namespace ssi::test
