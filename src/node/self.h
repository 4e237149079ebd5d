#ifndef SSI_NODE_SELF_H_
#define SSI_NODE_SELF_H_

#include "node/options.h"
#include "proto/control.pb.h"

namespace ssi {

// What this node says of itself when it meets another.
wire::NodeInfo DescribeSelf(const DaemonOptions& options,
                            const std::string& address);
// And every second.
wire::NodeLoad MeasureLoad(unsigned guests, unsigned jobs);

}  // namespace ssi

#endif  // SSI_NODE_SELF_H_
