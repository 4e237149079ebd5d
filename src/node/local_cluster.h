#ifndef SSI_NODE_LOCAL_CLUSTER_H_
#define SSI_NODE_LOCAL_CLUSTER_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/result.h"

namespace ssi {

// A cluster of several nodes on this machine, for trying and for tests. Node 1
// is the machine as it is; every other one has a view of its own
// (local_view.h), other clocks, its share of the CPUs and of the memory.
//
// Its files are in RuntimeDir(): `local/` has the key, the logs and the list
// of daemons; the control socket is node 1's.
struct LocalOptions {
  unsigned nodes = 2;
  std::vector<std::string> shared;  // folders that all nodes see
  double grace_seconds = 60;
  // Of node 2 and up: more options for their ssid.
  std::vector<std::string> more;
};

struct LocalNode {
  std::string name;
  pid_t pid = -1;
  std::string address;
  std::string control;
};

// Starts it and waits until its nodes know each other.
Result<std::vector<LocalNode>> LocalUp(const LocalOptions& options);
// Ends all its daemons, and with them what they serve. kGone: there is none.
Status LocalDown();
// The nodes of the list, and whether each still runs (pid > 0).
Result<std::vector<LocalNode>> LocalStatus();

}  // namespace ssi

#endif  // SSI_NODE_LOCAL_CLUSTER_H_
