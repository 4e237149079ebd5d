// A node that a test starts itself, to join a cluster: under a limit, as
// another build of ssid, or where the kernel lacks something.
#ifndef SSI_TEST_CLUSTER_ERRORS_EXTRA_NODE_H_
#define SSI_TEST_CLUSTER_ERRORS_EXTRA_NODE_H_

#include <string>
#include <vector>

#include "support/cluster.h"

namespace ssi::test {

class ExtraNode {
 public:
  struct Plan {
    std::string name = "n2";
    // Put before the program: something that executes it.
    std::vector<std::string> under{};
    std::string program = std::string(SSI_BIN_DIR) + "/ssid";
    std::vector<std::string> options{};
  };
  // Joins node 1 of `cluster`, whose key it takes. It is ended, and must be
  // gone, when this goes out of scope.
  ExtraNode(const Cluster& cluster, const Plan& plan);
  ~ExtraNode();
  ExtraNode(const ExtraNode&) = delete;
  ExtraNode& operator=(const ExtraNode&) = delete;
  ExtraNode(ExtraNode&&) = delete;
  ExtraNode& operator=(ExtraNode&&) = delete;

  // Fails the test if the cluster does not list it as up soon.
  void AwaitUp() const;
  [[nodiscard]] bool Runs() { return daemon_.Runs(); }
  [[nodiscard]] pid_t pid() const { return daemon_.pid(); }
  [[nodiscard]] std::string log() const { return ReadAllOf(log_); }
  [[nodiscard]] bool LogSays(const std::string& text) const;
  // What computes there.
  [[nodiscard]] std::vector<pid_t> Bodies() const {
    return Cluster::BodiesBelow(daemon_.pid());
  }

 private:
  const Cluster& cluster_;
  std::string name_;
  std::string log_;
  Child daemon_;
};

}  // namespace ssi::test

#endif  // SSI_TEST_CLUSTER_ERRORS_EXTRA_NODE_H_
