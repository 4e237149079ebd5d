#ifndef SSI_NODE_LOCAL_VIEW_H_
#define SSI_NODE_LOCAL_VIEW_H_

#include <chrono>
#include <string>
#include <vector>

#include "base/result.h"

namespace ssi {

// How a node of `ssictl local` sees the machine, so that a call which is
// wrongly executed there shows: other files, another name, other clocks.
struct LocalView {
  std::string host_name;
  std::chrono::seconds clock_ahead{};  // MONOTONIC and BOOTTIME
  // Folders that it must see though they may lie under one that is hidden.
  std::vector<std::string> keep;
};

// Gives the calling process, which has one thread, namespaces of its own for
// user, mount, uts and, for its children, time: empty /tmp, /home and /var/tmp,
// the host name, the clocks. It stays in the network and pid namespace of its
// parent. kUnsupported or kDenied where users may not have namespaces.
Status EnterLocalView(const LocalView& view);

}  // namespace ssi

#endif  // SSI_NODE_LOCAL_VIEW_H_
