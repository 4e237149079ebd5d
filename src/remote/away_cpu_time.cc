// CPU clocks: what home's kernel says of the stand-in, and what was used away.
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

#include <cstring>

#include "process/cpu_time.h"
#include "process/cpu_timers.h"
#include "remote/away_calls.h"

namespace ssi {

using supervisor::Decision;

CpuTime AwayCalls::UsedAway() const {
  auto here = CpuTimeOf(parts_.guest);
  return here ? *here + parts_.followed.cpu_elsewhere
              : parts_.followed.cpu_elsewhere;
}

CpuTime AwayCalls::UsedByThread() const {
  return UsedByThread(parts_.tid, parts_.thread_id);
}

CpuTime AwayCalls::UsedByThread(HomePid tid, HostPid here) const {
  CpuTime used = CpuTimeOfThread(here).value_or(CpuTime{});
  for (const auto& thread : parts_.followed.threads) {
    if (thread.tid == tid) {
      used = used + thread.cpu_elsewhere;
    }
  }
  return used;
}

// The thread of whose CPU time this call asks; of all, or of none here.
std::optional<HomePid> AwayCalls::ThreadOfClock(
    const Notification& call) const {
  auto which = static_cast<clockid_t>(call.args[0]);
  if (call.number == SYS_getrusage && which == RUSAGE_THREAD) {
    return parts_.tid;
  }
  if (call.number != SYS_clock_gettime) {
    return std::nullopt;
  }
  auto clock = CpuClockOf(which);
  if (!clock || !clock->thread) {
    return std::nullopt;
  }
  return clock->id == 0 ? parts_.tid : HomePid{clock->id};
}

namespace {

void AddTimeval(std::span<std::byte> at, Nanos more) {
  timeval value{};
  std::memcpy(&value, at.data(), sizeof value);
  auto micros = std::chrono::duration_cast<std::chrono::microseconds>(more);
  value.tv_usec += micros.count() % 1'000'000;
  value.tv_sec += micros.count() / 1'000'000 + value.tv_usec / 1'000'000;
  value.tv_usec %= 1'000'000;
  std::memcpy(at.data(), &value, sizeof value);
}

void AddTimespec(std::span<std::byte> at, Nanos more) {
  timespec value{};
  std::memcpy(&value, at.data(), sizeof value);
  value.tv_nsec += more.count() % 1'000'000'000;
  value.tv_sec += more.count() / 1'000'000'000 + value.tv_nsec / 1'000'000'000;
  value.tv_nsec %= 1'000'000'000;
  std::memcpy(at.data(), &value, sizeof value);
}

void AddTicks(std::span<std::byte> at, Nanos more) {
  clock_t value = 0;
  std::memcpy(&value, at.data(), sizeof value);
  value += more.count() / (1'000'000'000 / ::sysconf(_SC_CLK_TCK));
  std::memcpy(at.data(), &value, sizeof value);
}

// Adds the CPU time used away to what home's kernel said of the stand-in.
void AddCpuTime(int number, const CpuTime& more, std::span<std::byte> bytes) {
  switch (number) {
    case SYS_times:  // struct tms: utime and stime first
      if (bytes.size() >= sizeof(tms)) {
        AddTicks(bytes, more.user);
        AddTicks(bytes.subspan(sizeof(clock_t)), more.system);
      }
      break;
    case SYS_getrusage:  // struct rusage: ru_utime and ru_stime first
      if (bytes.size() >= 2 * sizeof(timeval)) {
        AddTimeval(bytes, more.user);
        AddTimeval(bytes.subspan(sizeof(timeval)), more.system);
      }
      break;
    case SYS_clock_gettime:
      if (bytes.size() >= sizeof(timespec)) {
        AddTimespec(bytes, more.user + more.system);
      }
      break;
    default:
      break;
  }
}

}  // namespace

void AwayCalls::CpuClock(const Notification& call, const Decision& decision) {
  // RUSAGE_CHILDREN is of processes that never were away.
  bool own = call.number != SYS_getrusage ||
             static_cast<int>(call.args[0]) != RUSAGE_CHILDREN;
  int number = call.number;
  Forwarder::Adjust adjust;
  if (auto thread = ThreadOfClock(call)) {
    auto here = hooks_.thread_of(*thread);
    if (here) {
      adjust = [this, number, tid = *thread, here = *here](
                   std::uint8_t, std::span<std::byte> bytes) {
        AddCpuTime(number, UsedByThread(tid, here), bytes);
      };
    }
  } else if (own) {
    adjust = [this, number](std::uint8_t, std::span<std::byte> bytes) {
      AddCpuTime(number, UsedAway(), bytes);
    };
  }
  (void)parts_.forwarder.Forward(
      *decision.row, call.args, [this](std::int64_t result) { Answer(result); },
      std::move(adjust));
}

}  // namespace ssi
