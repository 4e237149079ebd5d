// Resource limits: all of them read, set and read again after a while; files
// that may grow no further; errors. Argument: SECONDS.
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/uio.h>

#include "guest.h"

namespace {

struct Limit {  // rlimit64, the kernel's
  std::uint64_t soft;
  std::uint64_t hard;
};

constexpr int kCount = 16;

Limit Get(int resource) {
  Limit old{};
  Limit limit{};
  SSI_OK(syscall(SYS_getrlimit, resource, &old));
  SSI_OK(syscall(SYS_prlimit64, 0, resource, nullptr, &limit));
  SSI_TRUE(old.soft == limit.soft && old.hard == limit.hard);
  return limit;
}

volatile int signals = 0;
void OnSignal(int) {
  signals = signals + 1;
}

// A soft limit for each resource that does no harm: below the hard one, and
// another one in each round.
std::uint64_t SoftFor(int resource, std::uint64_t hard, int round) {
  constexpr std::uint64_t kLarge = 1UL << 40;
  const auto small = static_cast<std::uint64_t>(round % 50);
  std::uint64_t soft = kLarge + small * 4096;
  if (resource == RLIMIT_NOFILE) {
    soft = 100 + small;
  } else if (resource == RLIMIT_CPU) {
    soft = 1000000 + small;
  } else if (resource == RLIMIT_NICE || resource == RLIMIT_RTPRIO) {
    soft = small % 20;
  }
  return soft < hard ? soft : hard;
}

void AllOfThem() {
  static int round = 0;
  ++round;
  Limit before[kCount];
  Limit set[kCount];
  for (int i = 0; i < kCount; ++i) {
    before[i] = Get(i);
    set[i] = {SoftFor(i, before[i].hard, round), before[i].hard};
    if (i % 2 == 0) {
      SSI_OK(syscall(SYS_setrlimit, i, &set[i]));
    } else {
      Limit old{};
      SSI_OK(syscall(SYS_prlimit64, 0, i, &set[i], &old));
      SSI_TRUE(old.soft == before[i].soft && old.hard == before[i].hard);
    }
  }
  guest::Compute(5);
  for (int i = 0; i < kCount; ++i) {
    SSI_EQ(Get(i).soft, set[i].soft);
    SSI_EQ(Get(i).hard, set[i].hard);
    SSI_OK(syscall(SYS_prlimit64, getpid(), i, &before[i], nullptr));
    SSI_EQ(Get(i).soft, before[i].soft);
  }
}

void Errors() {
  Limit limit{2, 1};
  SSI_FAILS(syscall(SYS_setrlimit, RLIMIT_CORE, &limit), EINVAL);
  SSI_FAILS(syscall(SYS_setrlimit, kCount, &limit), EINVAL);
  SSI_FAILS(syscall(SYS_getrlimit, -1, &limit), EINVAL);
  SSI_FAILS(syscall(SYS_prlimit64, 0x7ffffffe, 0, nullptr, &limit), ESRCH);
  // The hard limit goes down for all, up with CAP_SYS_RESOURCE alone, which
  // root may lack in a container.
  const Limit locks = Get(RLIMIT_LOCKS);
  const Limit lower{1000, 1000};
  SSI_OK(syscall(SYS_setrlimit, RLIMIT_LOCKS, &lower));
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  SSI_OK(syscall(SYS_capget, &header, data));
  if ((data[0].effective & (1U << CAP_SYS_RESOURCE)) != 0) {
    SSI_OK(syscall(SYS_setrlimit, RLIMIT_LOCKS, &locks));
  } else {
    const Limit higher{1000, 1001};
    SSI_FAILS(syscall(SYS_setrlimit, RLIMIT_LOCKS, &higher), EPERM);
  }
  if (geteuid() != 0) {
    SSI_FAILS(syscall(SYS_prlimit64, 1, RLIMIT_LOCKS, nullptr, &limit), EPERM);
  }
}

void FileSize() {
  struct sigaction action {};
  action.sa_handler = OnSignal;
  SSI_OK(sigaction(SIGXFSZ, &action, nullptr));
  const Limit before = Get(RLIMIT_FSIZE);
  const int fd = SSI_OK(open("grown", O_RDWR | O_CREAT | O_TRUNC, 0600));
  static char bytes[30000];
  Limit limit{10000, before.hard};
  SSI_OK(syscall(SYS_setrlimit, RLIMIT_FSIZE, &limit));
  const int count = signals;
  SSI_EQ(write(fd, bytes, 9000), 9000);
  SSI_EQ(write(fd, bytes, 9000), 1000);  // as far as it goes
  SSI_EQ(signals, count);
  SSI_FAILS(write(fd, bytes, 1), EFBIG);
  SSI_EQ(signals, count + 1);  // handled when the call returns
  SSI_FAILS(pwrite(fd, bytes, 1, 20000), EFBIG);
  SSI_EQ(signals, count + 2);
  SSI_FAILS(ftruncate(fd, 10001), EFBIG);
  SSI_EQ(signals, count + 3);
  SSI_FAILS(truncate("grown", 99999), EFBIG);
  SSI_EQ(signals, count + 4);
  SSI_EQ(lseek(fd, 9990, SEEK_SET), 9990);
  iovec two[2] = {{bytes, 8}, {bytes, 8}};
  SSI_EQ(writev(fd, two, 2), 10);
  SSI_EQ(pwrite(fd, bytes, 10, 0), 10);  // inside it: no matter
  signal(SIGXFSZ, SIG_IGN);
  SSI_FAILS(pwrite(fd, bytes, 1, 20000), EFBIG);
  SSI_EQ(signals, count + 4);
  SSI_OK(syscall(SYS_setrlimit, RLIMIT_FSIZE, &before));
  SSI_EQ(pwrite(fd, bytes, sizeof bytes, 20000), sizeof bytes);
  SSI_OK(close(fd));
  SSI_OK(unlink("grown"));
}

}  // namespace

int main(int argc, char** argv) {
  return guest::RunInDirectory(guest::Seconds(argc, argv),
                               {{"all of them", AllOfThem},
                                {"errors", Errors},
                                {"file size", FileSize}});
}
