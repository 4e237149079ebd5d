#include "remote/sleeper.h"

#include <sys/syscall.h>
#include <time.h>

#include <algorithm>
#include <cerrno>

#include "process/kernel.h"

namespace ssi {

namespace {

constexpr std::uint64_t kAbsolute = 1;  // TIMER_ABSTIME

// The clocks that are the same for every process of a time namespace, or
// whose difference to the guest's does not matter for a relative sleep.
bool IsCommonClock(std::uint64_t clock) {
  return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC ||
         clock == CLOCK_BOOTTIME || clock == CLOCK_TAI;
}

std::optional<Nanos> ReadTimespec(ProcessMemory& memory, RemoteAddr at) {
  timespec value{};
  auto bytes = std::as_writable_bytes(std::span(&value, 1));
  if (memory.Read(at, bytes) != bytes.size() || value.tv_sec < 0 ||
      value.tv_nsec < 0 || value.tv_nsec >= 1'000'000'000) {
    return std::nullopt;
  }
  constexpr std::int64_t kMostSeconds = std::int64_t{1} << 32;  // 136 years
  return std::chrono::seconds(
             std::min<std::int64_t>(value.tv_sec, kMostSeconds)) +
         Nanos(value.tv_nsec);
}

}  // namespace

bool Sleeper::Begin(int number, const CallArgs& args, Finish finish) {
  bool simple = number == SYS_nanosleep;
  if (!simple && (number != SYS_clock_nanosleep || !IsCommonClock(args[0]))) {
    return false;
  }
  bool absolute = !simple && (args[1] & kAbsolute) != 0;
  if (absolute && args[0] != CLOCK_REALTIME) {
    // By the guest's own clock, whose offset only its namespace knows: left to
    // the kernel, which restarts such a sleep by itself, exactly.
    return false;
  }
  auto time = ReadTimespec(memory_, RemoteAddr{simple ? args[0] : args[2]});
  if (!time) {
    return false;
  }
  call_ = PendingCall{static_cast<std::uint64_t>(number), args, {}};
  absolute_ = absolute;
  Start(absolute ? *time - clock_.Real() : *time, std::move(finish));
  return true;
}

void Sleeper::GoOn(const PendingCall& pending, Finish finish) {
  call_ = pending;
  absolute_ = false;
  Start(pending.left, std::move(finish));
}

void Sleeper::Start(Nanos left, Finish finish) {
  left = std::max(left, Nanos(0));
  end_ = clock_.Monotonic() + left;
  finish_ = std::move(finish);
  timer_.Start(left, [this] {
    auto done = std::exchange(finish_, nullptr);
    done(0);
  });
}

void Sleeper::Interrupt() {
  if (!Sleeping()) {
    return;
  }
  timer_.Stop();
  Nanos left = std::max(Nanos(0), end_ - clock_.Monotonic());
  auto done = std::exchange(finish_, nullptr);
  if (absolute_) {
    done(kRestartNoHand);  // the same point in time, again
    return;
  }
  WriteRest(left);
  call_.left = left;
  pending_ = call_;
  done(kRestartBlock);
}

void Sleeper::WriteRest(Nanos left) {
  RemoteAddr at{call_.number == SYS_nanosleep ? call_.args[1] : call_.args[3]};
  if (Raw(at) != 0) {
    timespec rest{left.count() / 1'000'000'000, left.count() % 1'000'000'000};
    memory_.Write(at, std::as_bytes(std::span(&rest, 1)));
  }
}

std::optional<PendingCall> Sleeper::TakePending() {
  return std::exchange(pending_, std::nullopt);
}

}  // namespace ssi
