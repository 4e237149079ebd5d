// Two nodes with something between them that goes wrong.
#ifndef SSI_TEST_CLUSTER_CHANNEL_BEHIND_PROXY_H_
#define SSI_TEST_CLUSTER_CHANNEL_BEHIND_PROXY_H_

#include <string>
#include <vector>

#include "cluster/channel/proxy.h"
#include "support/cluster.h"

namespace ssi::test {

// n1 reaches n2 through the proxy only: n2 advertises its address.
class BehindProxy {
 public:
  explicit BehindProxy(const std::vector<std::string>& options = {});

  Proxy& proxy() { return proxy_; }
  Cluster& cluster() { return cluster_; }
  // What `ssictl why` tells of a process.
  [[nodiscard]] std::string Why(pid_t pid) const;

 private:
  Proxy proxy_;
  Cluster cluster_;
};

// All processes of a node, its daemon first.
std::vector<pid_t> ProcessesOf(const Cluster& cluster, const std::string& node);

}  // namespace ssi::test

#endif  // SSI_TEST_CLUSTER_CHANNEL_BEHIND_PROXY_H_
