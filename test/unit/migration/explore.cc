#include "unit/migration/explore.h"

#include <random>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace ssi::migration::sim {

namespace {

std::string TraceOf(const std::vector<Choice>& path) {
  std::string out;
  for (const Choice& choice : path) {
    out += "\n  " + Describe(choice);
  }
  return out;
}

// Depth first, each state once for each number of faults that are left.
class Search {
 public:
  Search(Report& report, std::string wanted)
      : report_(report), wanted_(std::move(wanted)) {}

  void Visit(const World& world, int faults) {
    if (!report_.violation.empty()) {
      return;
    }
    if (!world.violation.empty()) {
      Fail(world.violation);
      return;
    }
    std::string key = world.Fingerprint();
    key.push_back(static_cast<char>('0' + faults));
    auto [entry, is_new] = open_.try_emplace(std::move(key), true);
    if (!is_new) {
      if (entry->second) {
        Fail("goes round in circles");
      }
      return;
    }
    // A reference: it outlives the rehashing that the visits below may cause.
    bool& open = entry->second;
    ++report_.states;
    std::vector<Choice> choices = world.Choices(faults > 0);
    bool at_end = true;
    for (const Choice& choice : choices) {
      at_end = at_end && IsFault(choice);
      World next = world;
      path_.push_back(choice);
      next.Apply(choice);
      Visit(next, IsFault(choice) ? faults - 1 : faults);
      path_.pop_back();
    }
    if (at_end) {
      VisitEnd(world);
    }
    open = false;
  }

 private:
  void VisitEnd(World world) {
    ++report_.ends;
    if (world.finished[0]) {
      ++report_.outcomes[*world.finished[0]];
    }
    world.CheckEnd();
    if (!world.violation.empty()) {
      Fail(world.violation);
    }
  }
  void Fail(const std::string& violation) {
    if (!report_.violation.empty() ||
        (!wanted_.empty() && violation != wanted_)) {
      return;
    }
    report_.violation = violation;
    report_.trace = TraceOf(path_);
  }

  Report& report_;
  std::string wanted_;
  std::unordered_map<std::string, bool> open_;  // visited; still on the path?
  std::vector<Choice> path_;
};

// A move is about 15 steps; each fault adds a few.
constexpr std::size_t kLongestWalk = 300;

// One step in eight is a fault, while some are left; else they would all come
// at once.
const Choice& Pick(const std::vector<Choice>& choices, int faults,
                   std::mt19937_64& random) {
  std::vector<const Choice*> pool;
  bool fault = faults > 0 && random() % 8 == 0;
  for (const Choice& choice : choices) {
    if (IsFault(choice) == fault) {
      pool.push_back(&choice);
    }
  }
  if (pool.empty()) {
    return choices[random() % choices.size()];
  }
  return *pool[random() % pool.size()];
}

bool HasProgress(const std::vector<Choice>& choices) {
  for (const Choice& choice : choices) {
    if (!IsFault(choice)) {
      return true;
    }
  }
  return false;
}

}  // namespace

Report ExploreAll(Direction direction, const Options& options) {
  Report report;
  World world(direction, options.mutation);
  world.met = options.met;
  world.Begin();
  Search(report, options.wanted).Visit(world, options.faults);
  return report;
}

Report ExploreRandomly(Direction direction, int faults, std::uint64_t seed,
                       std::size_t walks, const Mutation* mutation) {
  Report report;
  for (std::size_t walk = 0; walk < walks; ++walk) {
    std::mt19937_64 random(seed + walk);
    World world(direction, mutation);
    world.Begin();
    std::vector<Choice> path;
    int left = faults;
    auto choices = world.Choices(left > 0);
    while (HasProgress(choices) && world.violation.empty()) {
      if (path.size() == kLongestWalk) {
        world.violation = "does not come to an end";
        break;
      }
      const Choice choice = Pick(choices, left, random);
      left -= IsFault(choice) ? 1 : 0;
      path.push_back(choice);
      world.Apply(choice);
      choices = world.Choices(left > 0);
    }
    report.states += path.size();
    ++report.ends;
    if (world.violation.empty()) {
      world.CheckEnd();
    }
    if (world.finished[0]) {
      ++report.outcomes[*world.finished[0]];
    }
    if (!world.violation.empty()) {
      report.violation = world.violation;
      report.trace = fmt::format("seed {}:{}", seed + walk, TraceOf(path));
      return report;
    }
  }
  return report;
}

}  // namespace ssi::migration::sim
