// A cluster of real daemons on this machine, for one test.
#ifndef SSI_TEST_SUPPORT_CLUSTER_H_
#define SSI_TEST_SUPPORT_CLUSTER_H_

#include <sys/types.h>

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "support/child.h"

namespace ssi::test {

class Cluster {
 public:
  // Starts `ssictl local up -n nodes` with `options`; fails the test if that
  // does not work.
  explicit Cluster(unsigned nodes = 2, std::vector<std::string> options = {});
  // Ends it, and fails the test if anything of it is left.
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;
  Cluster(Cluster&&) = delete;
  Cluster& operator=(Cluster&&) = delete;

  // A command line of ours (ssirun, ssictl) in the environment of the cluster.
  [[nodiscard]] Spawn Ours(std::vector<std::string> command) const;
  Output Ssictl(
      std::vector<std::string> arguments,
      std::chrono::milliseconds limit = std::chrono::seconds(30)) const;
  // The environment that ssirun and ssictl need to find node 1.
  [[nodiscard]] std::map<std::string, std::string> environment() const;
  [[nodiscard]] const std::string& runtime_dir() const { return runtime_dir_; }
  [[nodiscard]] const std::string& folder() const { return folder_.path(); }

  // The daemon of node n1, n2, ...
  [[nodiscard]] pid_t daemon(const std::string& node) const;
  [[nodiscard]] std::string address(const std::string& node) const;
  [[nodiscard]] std::string log(const std::string& node) const;
  // The CPUs that this process was started with, for `ssictl local up`.
  [[nodiscard]] static const std::vector<unsigned>& AllCpus();
  // Node 1's share of them, for native runs.
  [[nodiscard]] static std::vector<unsigned> HomeCpus();
  // From now on this thread and what it starts keep to node 1's share. A test
  // is in the session of what it starts: where a session has one CPU busy and
  // uses others too, Linux 6.18 lets processes of other sessions wait there
  // for whole seconds (sched_autogroup).
  static void StayAtHome();
  // The bodies that compute below a node's daemon: children of the inits of
  // its sandboxes.
  [[nodiscard]] std::vector<pid_t> Bodies(const std::string& node) const {
    return BodiesBelow(daemon(node));
  }
  [[nodiscard]] static std::vector<pid_t> BodiesBelow(pid_t daemon);
  // Waits until there is exactly one body below the node's daemon and it is
  // seen to go on computing, which one that waits for its start does not.
  [[nodiscard]] bool SeenComputing(const std::string& node) const;

 private:
  TemporaryFolder folder_;
  std::string runtime_dir_;
  std::map<std::string, pid_t> daemons_;
  std::map<std::string, std::string> addresses_;
};

// One ssirun under test.
class Job {
 public:
  // Runs `ssirun options... -- command...`; output goes to files in `folder`
  // as NAME.out and NAME.err.
  Job(const Cluster& cluster, std::vector<std::string> options,
      std::vector<std::string> command, Spawn rest = {});

  [[nodiscard]] Child& front() { return front_; }
  // The process of CMD itself, which ssirun has started (waits for it).
  pid_t CommandPid();
  // `ssictl migrate` or `home`; true when it was moved. The message of a
  // refusal stays in `last_refusal`.
  bool MoveTo(const std::string& node);
  [[nodiscard]] const std::string& last_refusal() const { return refusal_; }
  [[nodiscard]] bool CommandRuns();

 private:
  const Cluster& cluster_;
  Child front_;
  pid_t command_ = -1;
  std::string refusal_;
};

// Looks at /proc again and again, from outside the runtime: the user time of
// everything that computes below the daemon of a node.
class Witness {
 public:
  Witness(const Cluster& cluster, std::string node);
  ~Witness();
  Witness(const Witness&) = delete;
  Witness& operator=(const Witness&) = delete;
  Witness(Witness&&) = delete;
  Witness& operator=(Witness&&) = delete;
  // Seconds of user time seen so far.
  [[nodiscard]] double AwaySeconds();

 private:
  void Look();

  const Cluster& cluster_;
  std::string node_;
  std::mutex mutex_;
  std::map<pid_t, unsigned long> ticks_;  // guarded by mutex_
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace ssi::test

#endif  // SSI_TEST_SUPPORT_CLUSTER_H_
