// Programs under `ssirun --explain`, and alone.
#ifndef SSI_TEST_CLUSTER_EXPLAIN_EXPLAINED_H_
#define SSI_TEST_CLUSTER_EXPLAIN_EXPLAINED_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "proto/control.pb.h"
#include "support/child.h"

namespace ssi::test {

// `command` below `ssirun --explain options...`, on a machine without ssid.
Spawn Explained(const TemporaryFolder& folder, Spawn spawn,
                const std::vector<std::string>& options = {});

struct ExplainedRun {
  Output output;
  wire::Explanation explanation;
  // Of all rows of a name together.
  std::map<std::string, std::uint64_t> counts;
  std::map<std::string, std::uint64_t> bytes;
};
ExplainedRun RunExplained(const TemporaryFolder& folder, const Spawn& spawn);

// Runs it in `folder`, in preparation.
void Shell(const TemporaryFolder& folder, const std::string& script);

// The rows of one name.
std::vector<wire::ExplainedCall> RowsOf(const wire::Explanation& explanation,
                                        const std::string& name);

}  // namespace ssi::test

#endif  // SSI_TEST_CLUSTER_EXPLAIN_EXPLAINED_H_
