// Clocks: none goes back, all advance at one rate, the vdso's and the
// kernel's are the same, wherever they are read. Argument: SECONDS.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/timex.h>

#include <iterator>

#include "guest.h"

namespace {

using Time = std::int64_t;
constexpr Time kSecond = 1'000'000'000;
constexpr Time kMillisecond = 1'000'000;

Time Raw(clockid_t clock) {
  timespec now{};
  SSI_OK(syscall(SYS_clock_gettime, clock, &now));
  SSI_TRUE(now.tv_nsec >= 0 && now.tv_nsec < kSecond);
  return now.tv_sec * kSecond + now.tv_nsec;
}

Time Vdso(clockid_t clock) {
  return guest::Nanoseconds(clock);
}

constexpr clockid_t kNeverBack[] = {CLOCK_MONOTONIC,     CLOCK_BOOTTIME,
                                    CLOCK_MONOTONIC_RAW, CLOCK_MONOTONIC_COARSE,
                                    CLOCK_REALTIME,      CLOCK_TAI};

// The largest value that each clock has shown yet.
void NeverBack() {
  static Time largest[std::size(kNeverBack)] = {};
  const Time end = Vdso(CLOCK_MONOTONIC) + 20 * kMillisecond;
  while (Vdso(CLOCK_MONOTONIC) < end) {
    for (std::size_t i = 0; i < std::size(kNeverBack); ++i) {
      const Time fast = Vdso(kNeverBack[i]);
      const Time slow = Raw(kNeverBack[i]);
      SSI_TRUE(fast >= largest[i]);
      SSI_TRUE(slow >= fast);
      largest[i] = slow;
    }
  }
}

// MONOTONIC and BOOTTIME are carried along; REALTIME is that of the place.
// Over the whole run they must have advanced alike.
void Rates() {
  static const Time monotonic = Vdso(CLOCK_MONOTONIC);
  static const Time boottime = Vdso(CLOCK_BOOTTIME);
  static const Time realtime = Vdso(CLOCK_REALTIME);
  guest::Compute(5);
  const Time elapsed = Vdso(CLOCK_MONOTONIC) - monotonic;
  const Time by_boottime = Vdso(CLOCK_BOOTTIME) - boottime;
  const Time by_realtime = Vdso(CLOCK_REALTIME) - realtime;
  const Time slack = elapsed / 20 + 100 * kMillisecond;
  SSI_TRUE(by_boottime > elapsed - slack && by_boottime < elapsed + slack);
  SSI_TRUE(by_realtime > elapsed - slack && by_realtime < elapsed + slack);
}

void Together() {
  for (int i = 0; i < 100; ++i) {
    const Time before = Vdso(CLOCK_MONOTONIC);
    const Time coarse = Raw(CLOCK_MONOTONIC_COARSE);
    const Time after = Vdso(CLOCK_MONOTONIC);
    SSI_TRUE(coarse <= after);
    SSI_TRUE(coarse >= before - 200 * kMillisecond);
    timeval micro{};
    const Time second = Vdso(CLOCK_REALTIME) / kSecond;
    SSI_OK(gettimeofday(&micro, nullptr));
    SSI_TRUE(micro.tv_usec >= 0 && micro.tv_usec < 1'000'000);
    SSI_TRUE(micro.tv_sec >= second && micro.tv_sec <= second + 5);
    SSI_OK(syscall(SYS_gettimeofday, &micro, nullptr));
    SSI_TRUE(micro.tv_sec >= second && micro.tv_sec <= second + 5);
    // time() is coarse: a tick behind, so perhaps in the second before.
    const Time now = syscall(SYS_time, nullptr);
    SSI_TRUE(now >= second - 1 && now <= second + 5);
    SSI_TRUE(time(nullptr) >= second - 1 && time(nullptr) <= second + 5);
  }
}

// Home says the time by the stamps of its files and by how long it is up.
void AsHomeSays() {
  const int fd = SSI_OK(open("stamp", O_WRONLY | O_CREAT, 0600));
  SSI_OK(futimens(fd, nullptr));
  struct stat status {};
  SSI_OK(fstat(fd, &status));
  const Time late = Vdso(CLOCK_REALTIME) / kSecond - status.st_mtim.tv_sec;
  SSI_TRUE(late >= -5 && late <= 10);
  SSI_OK(close(fd));
  SSI_OK(unlink("stamp"));
  struct sysinfo info {};
  SSI_OK(sysinfo(&info));
  const Time up = Vdso(CLOCK_BOOTTIME) / kSecond;
  SSI_TRUE(info.uptime >= up - 3 && info.uptime <= up + 3);
  SSI_TRUE(Vdso(CLOCK_REALTIME) / kSecond > 1'600'000'000);
  SSI_TRUE(Vdso(CLOCK_REALTIME) / kSecond < 4'200'000'000);
}

void Resolutions() {
  for (const clockid_t clock : kNeverBack) {
    timespec fast{};
    timespec slow{};
    SSI_OK(clock_getres(clock, &fast));
    SSI_OK(syscall(SYS_clock_getres, clock, &slow));
    SSI_EQ(fast.tv_nsec, slow.tv_nsec);
    SSI_EQ(slow.tv_sec, 0);
    SSI_EQ(slow.tv_nsec == 1, clock != CLOCK_MONOTONIC_COARSE);
  }
}

void Errors() {
  timespec time{};
  SSI_FAILS(syscall(SYS_clock_gettime, 99, &time), EINVAL);
  SSI_FAILS(syscall(SYS_clock_getres, 99, &time), EINVAL);
  if (geteuid() != 0) {
    SSI_FAILS(syscall(SYS_clock_settime, CLOCK_REALTIME, &time), EPERM);
    SSI_FAILS(syscall(SYS_settimeofday, &time, nullptr), EPERM);
  }
  SSI_FAILS(syscall(SYS_clock_settime, CLOCK_MONOTONIC, &time), EINVAL);
  timex state{};  // no mode bits: only asks
  SSI_TRUE(syscall(SYS_adjtimex, &state) >= 0);
  SSI_TRUE(state.tick >= 9000 && state.tick <= 11000);
  state = {};
  SSI_TRUE(syscall(SYS_clock_adjtime, CLOCK_REALTIME, &state) >= 0);
  SSI_FAILS(syscall(SYS_clock_adjtime, CLOCK_MONOTONIC, &state), EOPNOTSUPP);
}

}  // namespace

int main(int argc, char** argv) {
  return guest::RunInDirectory(guest::Seconds(argc, argv),
                               {{"never back", NeverBack},
                                {"rates", Rates},
                                {"together", Together},
                                {"as home says", AsHomeSays},
                                {"resolutions", Resolutions},
                                {"errors", Errors}});
}
