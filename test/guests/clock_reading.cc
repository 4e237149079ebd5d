// Reads clocks in the vdso and does nothing else, so that every hop finds it in
// the middle of a reading. Argument: SECONDS.
#include <algorithm>

#include "guest.h"

namespace {

constexpr int kReadings = 200'000;

void Reading() {
  std::int64_t last = 0;
  for (int i = 0; i < kReadings; ++i) {
    const std::int64_t now = guest::Nanoseconds();
    SSI_EQ(std::max(now, last), now);
    last = now;
  }
}

// These share a page of the kernel's, not the code that reads the counter.
void Coarse() {
  std::int64_t last = 0;
  for (int i = 0; i < kReadings; ++i) {
    const std::int64_t now = guest::Nanoseconds(CLOCK_MONOTONIC_COARSE);
    SSI_EQ(std::max(now, last), now);
    last = now;
  }
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv),
                    {{"reading", Reading}, {"coarse", Coarse}});
}
