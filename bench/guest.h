// What the bench guests share. Nothing of the project is in it: what they
// measure must be the same program everywhere.
#ifndef SSI_BENCH_GUEST_H_
#define SSI_BENCH_GUEST_H_

#include <time.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace bench {

// By the vdso, at home and away: reading the clock is no call.
inline double Now() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) +
         static_cast<double>(now.tv_nsec) * 1e-9;
}

inline double Median(std::vector<double> values) {
  if (values.empty()) {
    return 0;
  }
  auto middle = values.begin() + static_cast<long>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace bench

#endif  // SSI_BENCH_GUEST_H_
