#include "base/clock.h"

#include <sys/random.h>
#include <time.h>

#include <cerrno>

#include "base/check.h"

namespace ssi {

namespace {

Nanos Read(clockid_t id) {
  timespec now{};
  SSI_CHECK(::clock_gettime(id, &now) == 0, "clock {}", id);
  return InNanos(now);
}

}  // namespace

Nanos SystemClock::Monotonic() const {
  return Read(CLOCK_MONOTONIC);
}
Nanos SystemClock::Boot() const {
  return Read(CLOCK_BOOTTIME);
}
Nanos SystemClock::Real() const {
  return Read(CLOCK_REALTIME);
}

Nanos MonotonicCoarse() {
  return Read(CLOCK_MONOTONIC_COARSE);
}

Status SleepWhileBehind(const std::function<Nanos()>& behind) {
  constexpr Nanos kMost = std::chrono::seconds(1);
  for (Nanos left{}; (left = behind()) > Nanos(0);) {
    if (left >= kMost) {
      return Fail(ErrorCode::kUnsupported, "the clocks differ by {} ms",
                  left / std::chrono::milliseconds(1));
    }
    timespec wait{0, left.count()};
    ::nanosleep(&wait, nullptr);
  }
  return {};
}

Status RandomBytes(std::span<std::byte> out) {
  while (!out.empty()) {
    ssize_t n = ::getrandom(out.data(), out.size(), 0);
    if (n < 0) {
      if (errno == EINTR) {
        continue;
      }
      return FailErrno(errno, "getrandom");
    }
    out = out.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

std::uint64_t RandomId() {
  std::uint64_t id = 0;
  while (id == 0) {
    auto status = RandomBytes(std::as_writable_bytes(std::span(&id, 1)));
    SSI_CHECK(status.has_value(), "no random numbers");
  }
  return id;
}

}  // namespace ssi
