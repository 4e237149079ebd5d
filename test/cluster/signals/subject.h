// One program that tests send signals to: natively, away on n2, or hopping.
#ifndef SSI_TEST_CLUSTER_SIGNALS_SUBJECT_H_
#define SSI_TEST_CLUSTER_SIGNALS_SUBJECT_H_

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "support/cluster.h"

namespace ssi::test {

enum class Mode { kNative, kAway, kHopping };
std::string NameOfMode(Mode mode);

class Subject {
 public:
  // `cluster` may be null in kNative. The program's output goes to a file.
  Subject(const Cluster* cluster, Mode mode,
          const std::vector<std::string>& command, Spawn rest = {});
  ~Subject();
  Subject(const Subject&) = delete;
  Subject& operator=(const Subject&) = delete;
  Subject(Subject&&) = delete;
  Subject& operator=(Subject&&) = delete;

  // The program's own pid, and the process whose parent we are.
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] Child& child() { return job_ ? job_->front() : *child_; }
  // Whether `count` lines `text` are in its output; waits for them. In kAway
  // also that it is on n2 then.
  bool Await(const std::string& text, int count = 1);
  void Signal(int signal) const;
  void Queue(int signal, int value) const;
  // Raw wait status once it has ended by itself; nothing if it does not end.
  std::optional<int> End(
      std::chrono::milliseconds limit = std::chrono::seconds(20));
  [[nodiscard]] std::string out() const;
  [[nodiscard]] std::string err() const;
  // Whether it computes on n2 now, seen in /proc below n2's daemon.
  [[nodiscard]] bool IsAway() const;
  // Completed moves; a refusal that is not its end stays in `refused`.
  [[nodiscard]] int hops() const { return hops_; }
  [[nodiscard]] std::string refused() const { return refused_; }

 private:
  void Hop();

  const Cluster* cluster_;
  Mode mode_;
  TemporaryFolder folder_;
  std::optional<Child> child_;
  std::optional<Job> job_;
  pid_t pid_ = -1;
  std::atomic<bool> stop_{false};
  std::atomic<int> hops_{0};
  std::string refused_;  // read when hopper_ has ended
  std::thread hopper_;
};

// Does `drive` to the program natively, away and hopping; all must say the
// same (stdout, stderr, raw wait status). Catch2 assertions inside.
struct Scenario {
  std::vector<std::string> command{};
  std::function<void(Subject&)> drive = [](Subject&) {
  };
  bool hopping = true;
  int least_hops = 1;
};
void CheckScenario(const Scenario& scenario);

}  // namespace ssi::test

#endif  // SSI_TEST_CLUSTER_SIGNALS_SUBJECT_H_
