// Time and randomness come in through these, so that tests own both.
#ifndef SSI_BASE_CLOCK_H_
#define SSI_BASE_CLOCK_H_

#include <sys/time.h>
#include <time.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <span>

#include "base/result.h"

namespace ssi {

using Nanos = std::chrono::nanoseconds;

constexpr Nanos InNanos(const timespec& value) {
  return std::chrono::seconds(value.tv_sec) + Nanos(value.tv_nsec);
}
constexpr Nanos InNanos(const timeval& value) {
  return std::chrono::seconds(value.tv_sec) +
         std::chrono::microseconds(value.tv_usec);
}

class Clock {
 public:
  virtual ~Clock() = default;
  // CLOCK_MONOTONIC of this process's time namespace.
  [[nodiscard]] virtual Nanos Monotonic() const = 0;
  // CLOCK_BOOTTIME: goes on while the machine sleeps.
  [[nodiscard]] virtual Nanos Boot() const = 0;
  // CLOCK_REALTIME since the epoch.
  [[nodiscard]] virtual Nanos Real() const = 0;
};

class SystemClock final : public Clock {
 public:
  [[nodiscard]] Nanos Monotonic() const override;
  [[nodiscard]] Nanos Boot() const override;
  [[nodiscard]] Nanos Real() const override;
};

// CLOCK_MONOTONIC_COARSE: CLOCK_MONOTONIC at the last tick.
Nanos MonotonicCoarse();
// Lets this thread sleep until `behind` gives no more than 0; fails at more
// than a second.
Status SleepWhileBehind(const std::function<Nanos()>& behind);

// Fills `out` from getrandom(2).
Status RandomBytes(std::span<std::byte> out);
// A random number that is never 0, for ids. Aborts where getrandom fails.
std::uint64_t RandomId();

}  // namespace ssi

#endif  // SSI_BASE_CLOCK_H_
