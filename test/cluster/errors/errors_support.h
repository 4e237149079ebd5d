// What the tests of errors share: programs with one output, and ways to start
// them.
#ifndef SSI_TEST_CLUSTER_ERRORS_ERRORS_SUPPORT_H_
#define SSI_TEST_CLUSTER_ERRORS_ERRORS_SUPPORT_H_

#include <string>
#include <vector>

#include "support/cluster.h"

namespace ssi::test {

using CommandLine = std::vector<std::string>;

// Computes for about a second and says one number.
const CommandLine& ComputingCommand();

// What it prints natively; run once a process.
const std::string& NativeOutput(const CommandLine& command);

// `ssirun --on node more... command...`, to its end.
Output RunOn(const Cluster& cluster, const std::string& node,
             const CommandLine& command, const CommandLine& more = {});

// Neither ssirun nor the processes that were of its job are there any more.
bool NothingLeftOf(pid_t ssirun, const std::vector<pid_t>& of_it);

// Sets a variable of the environment as long as it lives.
class Environment {
 public:
  Environment(const char* name, const std::string& value);
  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  Environment(Environment&&) = delete;
  Environment& operator=(Environment&&) = delete;

 private:
  const char* name_;
};

}  // namespace ssi::test

#endif  // SSI_TEST_CLUSTER_ERRORS_ERRORS_SUPPORT_H_
