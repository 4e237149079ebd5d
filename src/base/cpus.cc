#include "base/cpus.h"

#include <sched.h>

namespace ssi {

std::vector<unsigned> AllowedCpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<unsigned> cpus;
  if (::sched_getaffinity(0, sizeof set, &set) == 0) {
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &set)) {
        cpus.push_back(cpu);
      }
    }
  }
  return cpus;
}

void PinTo(pid_t pid, std::span<const unsigned> cpus) {
  cpu_set_t share;
  CPU_ZERO(&share);
  for (unsigned cpu : cpus) {
    CPU_SET(cpu, &share);
  }
  cpu_set_t has;
  CPU_ZERO(&has);
  if (::sched_getaffinity(pid, sizeof has, &has) != 0) {
    return;
  }
  CPU_AND(&share, &share, &has);
  if (CPU_COUNT(&share) > 0) {
    ::sched_setaffinity(pid, sizeof share, &share);
  }
}

}  // namespace ssi
