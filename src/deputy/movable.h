#ifndef SSI_DEPUTY_MOVABLE_H_
#define SSI_DEPUTY_MOVABLE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "base/ids.h"
#include "base/result.h"
#include "process/vmas.h"

namespace ssi {

// What the environment of ssirun had already, which no process of the job owns.
struct Baseline {
  unsigned seccomp_filters = 0;
};
Baseline BaselineOfThisProcess();

// The cantmove reason of a process, in words for its user;
// nothing: it may move. What is seen here can have changed by the time of the
// freeze: asked again then, with WhyAreasForbid.
//
// `traced_by_us`: a tracer is no reason then.
std::optional<std::string> WhyNotMovable(HostPid pid, const Baseline& baseline,
                                         bool traced_by_us);

// What the areas of a frozen process forbid.
std::optional<std::string> WhyAreasForbid(const std::vector<Vma>& vmas);

}  // namespace ssi

#endif  // SSI_DEPUTY_MOVABLE_H_
