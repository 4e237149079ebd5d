// One fault in one move: which step, which process of which node, what happens
// to it; the table of all of them, and random ones from a seed.
#ifndef SSI_TEST_CLUSTER_FAULTS_SCENARIO_H_
#define SSI_TEST_CLUSTER_FAULTS_SCENARIO_H_

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ssi::test {

// Home is n1, B is n2, C is n3.
enum class Way { kThere, kBack, kOnward };

// Whether the process is at the source alone, whatever happens to the target
// (kBefore); at the target alone, whatever happens to the source (kAfter); or
// home may have, or may get, all that it needs to say GO before it learns of
// the fault (kCommit).
enum class Phase { kBefore, kCommit, kAfter };

// A point of base/fault.h, which a supervisor passes on a way. It is paused
// there until the fault was done.
struct Step {
  Way way;
  std::string_view point;
  int node;       // whose supervisor passes it
  unsigned pass;  // 1: the first time since it began
  Phase phase;
};
std::span<const Step> Steps();

enum class Kind { kKill, kStop, kStopForAWhile, kMemory, kDescriptors };
enum class Who { kDaemon, kSupervisor };

struct Victim {
  int node;
  Who who;
};

struct Scenario {
  Step step;
  Victim victim;
  Kind kind;
  std::size_t program = 0;
  // kStopForAWhile: how long.
  std::chrono::milliseconds pause{300};
  // Not at the step, but this long after the move was asked for; negative: at
  // the step.
  std::chrono::milliseconds delay{-1};
  // Where it is sent afterwards.
  std::vector<int> more{};

  [[nodiscard]] int nodes() const { return step.way == Way::kOnward ? 3 : 2; }
  [[nodiscard]] std::string Describe() const;
};

// What a program does must not depend on where it is; it ends when its input
// does.
struct FaultProgram {
  std::string name;
  std::vector<std::string> command;
};
std::span<const FaultProgram> FaultPrograms();

// Each step with each victim, of one way and one kind.
std::vector<Scenario> TableOf(Way way, Kind kind);
Scenario RandomScenario(std::uint64_t seed);

}  // namespace ssi::test

#endif  // SSI_TEST_CLUSTER_FAULTS_SCENARIO_H_
