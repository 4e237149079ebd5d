#ifndef SSI_PROCESS_CPU_FEATURES_H_
#define SSI_PROCESS_CPU_FEATURES_H_

#include <optional>
#include <string>

namespace ssi {

// What a program can find out about this CPU and then rely on: the feature
// flags of cpuid, in words as /proc/cpuinfo has them, and the size of the
// XSAVE area. SSI_PROBE=-NAME,... in the environment takes some away, for the
// tests of a node with another CPU.
std::string CpuFeatures();

// A feature that `has` has and `lacks` lacks (both from CpuFeatures): why a
// process that has seen the one cannot run on the other. Nothing where there
// is none. A smaller XSAVE area counts as one.
std::optional<std::string> MissingFeature(const std::string& has,
                                          const std::string& lacks);

}  // namespace ssi

#endif  // SSI_PROCESS_CPU_FEATURES_H_
