// The numbers and sizes that the table states, against the kernel's headers
// where they know them.
#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <linux/capability.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <linux/quota.h>
#include <linux/serial.h>
#include <linux/utsname.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
#include <sys/timex.h>

#include <catch2/catch.hpp>

#include "supervisor/call_table.h"
#include "supervisor/option_args.h"

namespace ssi::supervisor {
namespace {

std::uint32_t SizeOf(std::string_view name, std::size_t arg) {
  const CallRow* row = FindCall(name);
  REQUIRE(row != nullptr);
  REQUIRE(row->args.at(arg).kind == ArgKind::kStruct);
  return row->args.at(arg).size;
}

TEST_CASE("structs have the kernel's sizes", "[abi]") {
  CHECK(SizeOf("stat", 1) == sizeof(struct stat));
  CHECK(SizeOf("newfstatat", 2) == sizeof(struct stat));
  CHECK(SizeOf("statx", 4) == sizeof(struct statx));
  CHECK(SizeOf("statfs", 1) == sizeof(struct statfs));
  CHECK(SizeOf("wait4", 3) == sizeof(struct rusage));
  CHECK(SizeOf("getrusage", 1) == sizeof(struct rusage));
  CHECK(SizeOf("waitid", 2) == sizeof(siginfo_t));
  CHECK(SizeOf("sysinfo", 0) == sizeof(struct sysinfo));
  CHECK(SizeOf("uname", 0) == sizeof(struct new_utsname));
  CHECK(SizeOf("times", 0) == sizeof(struct tms));
  CHECK(SizeOf("adjtimex", 0) == sizeof(struct timex));
  CHECK(SizeOf("setrlimit", 1) == sizeof(struct rlimit));
  CHECK(SizeOf("prlimit64", 2) == sizeof(struct rlimit64));
  CHECK(SizeOf("utimes", 1) == 2 * sizeof(struct timeval));
  CHECK(SizeOf("utimensat", 2) == 2 * sizeof(struct timespec));
  CHECK(SizeOf("setitimer", 1) == sizeof(struct itimerval));
  CHECK(SizeOf("timerfd_settime", 2) == sizeof(struct itimerspec));
  CHECK(SizeOf("settimeofday", 1) == sizeof(struct timezone));
}

// What a request, command or option makes of its argument.
Arg Option(std::string_view call, std::size_t index, std::size_t option_index,
           std::uint64_t option) {
  CallArgs args{};
  args.at(option_index) = option;
  return ResolveArg(*FindCall(call), index, args);
}

struct SizedIoctl {
  std::uint64_t request;
  Direction direction;
  std::size_t size;
};

TEST_CASE("ioctl requests have the kernel's numbers and sizes", "[abi]") {
  constexpr auto kIn = Direction::kIn;
  constexpr auto kOut = Direction::kOut;
  constexpr auto kInOut = Direction::kInOut;
  const SizedIoctl known[] = {
      {TCGETS, kOut, sizeof(struct termios)},
      {TCSETSW, kIn, sizeof(struct termios)},
      {TIOCGLCKTRMIOS, kOut, sizeof(struct termios)},
      {TCGETS2, kOut, sizeof(struct termios2)},
      {TCSETSF2, kIn, sizeof(struct termios2)},
      {TIOCGWINSZ, kOut, 8},
      {TIOCSWINSZ, kIn, 8},
      {TIOCGPGRP, kOut, sizeof(int)},
      {TIOCSPGRP, kIn, sizeof(int)},
      {TIOCGSID, kOut, sizeof(int)},
      {TIOCSTI, kIn, 1},
      {TIOCOUTQ, kOut, sizeof(int)},
      {FIONREAD, kOut, sizeof(int)},
      {FIONBIO, kIn, sizeof(int)},
      {FIOASYNC, kIn, sizeof(int)},
      {FIOQSIZE, kOut, sizeof(loff_t)},
      {TIOCGPTN, kOut, sizeof(int)},
      {TIOCSPTLCK, kIn, sizeof(int)},
      {TIOCGPTLCK, kOut, sizeof(int)},
      {TIOCGDEV, kOut, sizeof(int)},
      {TIOCPKT, kIn, sizeof(int)},
      {TIOCGPKT, kOut, sizeof(int)},
      {TIOCGEXCL, kOut, sizeof(int)},
      {TIOCMGET, kOut, sizeof(int)},
      {TIOCMSET, kIn, sizeof(int)},
      {TIOCSETD, kIn, sizeof(int)},
      {TIOCGETD, kOut, sizeof(int)},
      {TIOCGSERIAL, kOut, sizeof(struct serial_struct)},
      {TIOCSSERIAL, kIn, sizeof(struct serial_struct)},
      {TIOCGRS485, kOut, sizeof(struct serial_rs485)},
      {TIOCSRS485, kInOut, sizeof(struct serial_rs485)},
      {TIOCGICOUNT, kOut, sizeof(struct serial_icounter_struct)},
      {TIOCGISO7816, kOut, sizeof(struct serial_iso7816)},
      {TIOCSISO7816, kInOut, sizeof(struct serial_iso7816)},
      {FIBMAP, kInOut, sizeof(int)},
      {FIGETBSZ, kOut, sizeof(int)},
      {FITRIM, kInOut, sizeof(struct fstrim_range)},
      {FS_IOC_GETFLAGS, kOut, sizeof(int)},
      {FS_IOC_SETFLAGS, kIn, sizeof(int)},
      {FS_IOC_GETVERSION, kOut, sizeof(int)},
      {FS_IOC_SETVERSION, kIn, sizeof(int)},
      {FS_IOC_FSGETXATTR, kOut, sizeof(struct fsxattr)},
      {FS_IOC_FSSETXATTR, kIn, sizeof(struct fsxattr)},
      {FS_IOC_GETFSLABEL, kOut, FSLABEL_MAX},
      {FS_IOC_SETFSLABEL, kIn, FSLABEL_MAX},
      {FICLONERANGE, kIn, sizeof(struct file_clone_range)},
      {BLKGETSIZE64, kOut, sizeof(std::uint64_t)},
      {BLKGETSIZE, kOut, sizeof(long)},
      {BLKSSZGET, kOut, sizeof(int)},
      {BLKBSZGET, kOut, sizeof(int)},
      {BLKPBSZGET, kOut, sizeof(int)},
      {BLKROGET, kOut, sizeof(int)},
      {BLKRAGET, kOut, sizeof(long)},
      {BLKIOMIN, kOut, sizeof(int)},
      {BLKIOOPT, kOut, sizeof(int)},
      {BLKALIGNOFF, kOut, sizeof(int)},
      {BLKROTATIONAL, kOut, sizeof(short)},
      {BLKDISCARD, kIn, 16},
      {BLKZEROOUT, kIn, 16},
  };
  for (const SizedIoctl& ioctl : known) {
    Arg arg = Option("ioctl", 2, 1, ioctl.request);
    INFO(std::hex << ioctl.request);
    CHECK(arg.kind == ArgKind::kStruct);
    CHECK(arg.direction == ioctl.direction);
    CHECK(arg.size == ioctl.size);
  }
}

TEST_CASE("ioctl requests without a pointer", "[abi]") {
  for (std::uint64_t request :
       {std::uint64_t{TCSBRK}, std::uint64_t{TCXONC}, std::uint64_t{TCFLSH},
        std::uint64_t{TIOCSCTTY}, std::uint64_t{TCSBRKP},
        std::uint64_t{TIOCGPTPEER}, std::uint64_t{TIOCSIG},
        std::uint64_t{FICLONE}, std::uint64_t{FIFREEZE}}) {
    ArgKind kind = Option("ioctl", 2, 1, request).kind;
    CHECK((kind == ArgKind::kInt || kind == ArgKind::kFlags ||
           kind == ArgKind::kFd));
    CHECK(ClassOf(16, {0, request}) == CallClass::kHome);
  }
  for (std::uint64_t request :
       {std::uint64_t{TIOCEXCL}, std::uint64_t{TIOCNXCL},
        std::uint64_t{TIOCNOTTY}, std::uint64_t{FIOCLEX},
        std::uint64_t{FIONCLEX}, std::uint64_t{TIOCVHANGUP},
        std::uint64_t{TIOCSBRK}, std::uint64_t{TIOCCBRK}}) {
    CHECK(Option("ioctl", 2, 1, request).kind == ArgKind::kNone);
    CHECK(ClassOf(16, {0, request}) == CallClass::kHome);
  }
}

TEST_CASE("quota commands have the kernel's numbers and sizes", "[abi]") {
  auto of = [](unsigned command) {
    return Option("quotactl", 3, 0, QCMD(command, 0));
  };
  CHECK(of(Q_QUOTAON).kind == ArgKind::kPath);
  CHECK(of(Q_GETFMT).size == 4);
  CHECK(of(Q_GETINFO).size == sizeof(struct if_dqinfo));
  CHECK(of(Q_GETQUOTA).size == sizeof(struct if_dqblk));
  CHECK(of(Q_SETQUOTA).direction == Direction::kIn);
  CHECK(of(Q_GETNEXTQUOTA).size == sizeof(struct if_nextdqblk));
  CHECK(of(Q_XGETQUOTA).size == sizeof(struct fs_disk_quota));
  CHECK(of(Q_XSETQLIM).size == sizeof(struct fs_disk_quota));
  CHECK(of(Q_XGETQSTAT).size == sizeof(struct fs_quota_stat));
  CHECK(of(Q_XGETQSTATV).size == sizeof(struct fs_quota_statv));
  CHECK(of(Q_SYNC).kind == ArgKind::kInt32);
}

TEST_CASE("capabilities and extensible structs", "[abi]") {
  CHECK(SizeOf("capget", 0) == sizeof(struct __user_cap_header_struct));
  CHECK(SizeOf("capget", 1) == 2 * sizeof(struct __user_cap_data_struct));
  CHECK(sizeof(struct open_how) <= kMaxSized);
}

}  // namespace
}  // namespace ssi::supervisor
