#include "node/self.h"

#include <sys/utsname.h>

#include <cstdlib>

#include "base/clock.h"
#include "base/cpus.h"
#include "base/files.h"
#include "process/cpu_features.h"
#include "proto/version.h"

namespace ssi {

namespace {

std::uint64_t MemInfo(std::string_view field) {
  auto text = ReadFile("/proc/meminfo");
  auto at = text ? text->find(field) : std::string::npos;
  if (at == std::string::npos) {
    return 0;
  }
  return std::strtoull(text->c_str() + at + field.size(), nullptr, 10) << 10;
}

}  // namespace

wire::NodeInfo DescribeSelf(const DaemonOptions& options,
                            const std::string& address) {
  wire::NodeInfo info;
  info.set_name(options.name);
  info.set_address(address);
  info.set_version(SSI_VERSION);
  info.set_protocol(proto::kVersion);
  utsname names{};
  if (::uname(&names) == 0) {
    info.set_kernel(names.release);
  }
  info.set_incarnation(
      static_cast<std::uint64_t>(SystemClock().Real().count()));
  for (unsigned cpu : options.cpus.empty() ? AllowedCpus() : options.cpus) {
    info.add_cpus(cpu);
  }
  info.set_memory_total(options.memory != 0 ? options.memory
                                            : MemInfo("MemTotal:"));
  info.set_cpu_features(CpuFeatures());
  return info;
}

wire::NodeLoad MeasureLoad(unsigned guests, unsigned jobs) {
  wire::NodeLoad load;
  if (auto text = ReadFile("/proc/loadavg")) {
    load.set_load(std::strtod(text->c_str(), nullptr));
  }
  load.set_memory_free(MemInfo("MemAvailable:"));
  load.set_guests(guests);
  load.set_jobs(jobs);
  return load;
}

}  // namespace ssi
