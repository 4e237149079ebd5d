// Runs one scenario on a cluster of its own and judges it. Many may run beside
// each other in threads, so nothing here uses Catch.
#ifndef SSI_TEST_CLUSTER_FAULTS_FAULT_RUN_H_
#define SSI_TEST_CLUSTER_FAULTS_FAULT_RUN_H_

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cluster/faults/scenario.h"
#include "cluster/faults/twice.h"
#include "support/child.h"

namespace ssi::test {

class FaultRun {
 public:
  explicit FaultRun(Scenario scenario);
  // What is wrong; empty if nothing is. `must_reach`: it is wrong, too, if the
  // move passes the step by.
  std::vector<std::string> Run(bool must_reach);
  // How CMD ended.
  [[nodiscard]] const std::string& ended() const { return ended_; }

  // What the program prints without any of this.
  static std::string NativeOutput(std::size_t program);

 private:
  // In the environment of all that is ours.
  static constexpr const char* kMark = "SSI_FAULT_RUN";
  static constexpr std::chrono::seconds kEndLimit{60};

  void Check(bool good, const std::string& wrong);
  bool Up();
  [[nodiscard]] Spawn Ours(std::vector<std::string> command) const;
  bool Begin();
  Spawn Move(int node) const;
  // Waits for its answer.
  void EndMove(std::optional<Child>& move);
  bool MoveToB();
  std::optional<int> Await(Child& child, std::chrono::milliseconds limit);

  pid_t Paused();
  pid_t MoveToStep(std::optional<Child>& move);
  pid_t AwaitStep(std::optional<Child>& move);
  [[nodiscard]] pid_t SupervisorOn(int node) const;
  [[nodiscard]] pid_t VictimPid(pid_t paused) const;
  void Strike(pid_t victim);

  void JudgeEnd();
  [[nodiscard]] bool MustEndWell() const;
  void JudgeRest();
  void TakeDown();
  [[nodiscard]] std::vector<pid_t> Marked() const;
  // Those that are neither daemons nor their reserve.
  [[nodiscard]] std::vector<pid_t> Strays() const;
  [[nodiscard]] std::vector<pid_t> BodiesAnywhere() const;
  [[nodiscard]] std::set<std::string> Files() const;
  [[nodiscard]] static std::string Tell(const std::vector<pid_t>& pids);

  Scenario scenario_;
  TemporaryFolder folder_;
  std::map<int, pid_t> daemons_;
  std::set<std::string> files_before_;
  std::optional<Child> front_;
  pid_t supervisor_ = -1;
  pid_t command_ = -1;
  int until_ = -1;
  pid_t victim_ = -1;
  std::optional<Twice> twice_;
  bool reached_ = false;
  std::string missed_;
  std::string ended_;
  std::vector<std::string> wrong_;
};

// All of them, some beside each other; a line for each that failed, with the
// number that repeats it.
struct Failed {
  std::string text;
  std::size_t runs = 0;
  std::map<std::string, std::size_t> ends;
};
Failed RunAll(const std::vector<Scenario>& scenarios,
              const std::vector<std::string>& names, bool all_reached);

}  // namespace ssi::test

#endif  // SSI_TEST_CLUSTER_FAULTS_FAULT_RUN_H_
