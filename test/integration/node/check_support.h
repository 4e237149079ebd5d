// What the tests of the checks share.
#ifndef SSI_TEST_INTEGRATION_NODE_CHECK_SUPPORT_H_
#define SSI_TEST_INTEGRATION_NODE_CHECK_SUPPORT_H_

#include <unistd.h>

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "node/check.h"

namespace ssi::test {

// Sets SSI_PROBE for a scope.
class Forced {
 public:
  explicit Forced(const char* value);
  Forced(const Forced&) = delete;
  Forced& operator=(const Forced&) = delete;
  Forced(Forced&&) = delete;
  Forced& operator=(Forced&&) = delete;
  ~Forced();
};

// The result with this id; fails the test where there is none.
const CheckResult& Find(const std::vector<CheckResult>& results,
                        const std::string& id);
// The results that are not as they should be on a machine like ours, as text;
// "" where all are.
std::string NotOk(const std::vector<CheckResult>& results);
std::set<pid_t> Children();
// Runs `body` in a child; what it returns comes back.
std::string InChild(const std::function<std::string()>& body);

}  // namespace ssi::test

#endif  // SSI_TEST_INTEGRATION_NODE_CHECK_SUPPORT_H_
