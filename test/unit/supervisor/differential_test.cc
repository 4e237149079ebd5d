// Random arguments for every call that asks, or changes what a second call
// leaves as it is: natively on one arena and
// forwarded on another with the same bytes. Result and every byte of the arena
// must be the same: the right bytes are written, and no others.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstring>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "base/unique_fd.h"
#include "unit/supervisor/round_trip.h"

namespace ssi::supervisor {
namespace {

constexpr std::size_t kArenaSize = 3 * 4096;
// Marks an argument that points into the arena.
constexpr std::uint64_t kArenaMark = std::uint64_t{0x5ca1ab1e} << 32;

// Three pages that can be used, with nothing before and after.
class Arena {
 public:
  Arena() {
    auto* all =
        static_cast<std::byte*>(::mmap(nullptr, kArenaSize + 8192, PROT_NONE,
                                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    base_ = all + 4096;
    ::mprotect(base_, kArenaSize, PROT_READ | PROT_WRITE);
  }
  ~Arena() { ::munmap(base_ - 4096, kArenaSize + 8192); }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  std::span<std::byte> bytes() { return {base_, kArenaSize}; }
  CallArgs Resolve(CallArgs args) {
    for (std::uint64_t& arg : args) {
      if (arg >> 32 == kArenaMark >> 32) {
        arg = Word(base_) + static_cast<std::uint32_t>(arg);
      }
    }
    return args;
  }

 private:
  std::byte* base_;
};

timeval kNoTime{0, 0};

struct World {
  World() {
    UniqueFd made = Open(dir / "file", O_RDWR | O_CREAT, 0644).value();
    REQUIRE(::symlink("file", (dir / "link").c_str()) == 0);
    file = std::move(made);
    folder = Open(dir.path, O_RDONLY | O_DIRECTORY).value();
    terminal.Reset(::posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK));
  }
  TempDir dir;
  UniqueFd file;
  UniqueFd folder;
  UniqueFd terminal;
};

class Dice {
 public:
  Dice(std::uint64_t seed, const World& world) : random_(seed), world_(world) {}

  std::uint64_t operator()(std::uint64_t sides) { return random_() % sides; }

  // Small numbers, paths and rubbish.
  void Fill(std::span<std::byte> bytes) {
    const std::uint64_t masks[] = {0, 0x0101020002010001, 0x7f7f7f7f7f7f7f7f};
    std::uint64_t mask = masks[(*this)(std::size(masks))];
    for (std::size_t at = 0; at + 8 <= bytes.size(); at += 8) {
      std::uint64_t value = random_() & mask;
      std::memcpy(bytes.data() + at, &value, 8);
    }
    const std::string paths[] = {world_.dir / "file", world_.dir / "link",
                                 world_.dir / "none", world_.dir.path, ""};
    for (std::size_t at = 0; at + 128 < bytes.size(); at += 512) {
      const std::string& path = paths[(*this)(std::size(paths))];
      std::memcpy(bytes.data() + at, path.c_str(), path.size() + 1);
    }
    // Structs that begin with their size.
    for (std::size_t at = 256; at + 4 < bytes.size(); at += 512) {
      const std::uint32_t sizes[] = {0, 4, 8, 24, 32, 48, 128, 5000};
      std::memcpy(bytes.data() + at, &sizes[(*this)(std::size(sizes))], 4);
    }
  }
  std::uint64_t Pointer() {
    switch ((*this)(10)) {
      case 0:
        return 0;
      case 1:
        return random_() | (std::uint64_t{1} << 63);
      case 2:  // near the end of what can be used
        return kArenaMark | (kArenaSize - (*this)(200));
      case 3:
        return kArenaMark | (kArenaSize + (*this)(100));
      case 4:
        return kArenaMark | (*this)(kArenaSize);
      default:
        return kArenaMark | ((*this)(kArenaSize / 256) * 256);
    }
  }
  std::uint64_t Number() {
    const std::int64_t numbers[] = {0,  1,  2,   3,   4,    8,     16,     64,
                                    -1, -2, 100, 144, 4096, 65536, 1 << 20};
    std::uint64_t value = Word(numbers[(*this)(std::size(numbers))]);
    return (*this)(20) == 0 ? random_() : value;
  }
  std::uint64_t Descriptor() {
    const int fds[] = {world_.file.get(),
                       world_.folder.get(),
                       world_.terminal.get(),
                       AT_FDCWD,
                       999,
                       -1};
    return Word(fds[(*this)(std::size(fds))]);
  }

 private:
  std::mt19937_64 random_;
  const World& world_;
};

// What each argument of a call is, in one letter: p pointer, n number,
// d descriptor, v one of the values, w no time, s this process.
struct Probe {
  int nr;
  const char* kinds;
  std::vector<std::uint64_t> values{};  // for v
};

const std::vector<Probe>& Probes() {
  static const std::vector<Probe> probes{
      {SYS_stat, "pp"},
      {SYS_lstat, "pp"},
      {SYS_fstat, "dp"},
      {SYS_newfstatat, "dppn"},
      {SYS_statx, "dpnnp"},
      {SYS_access, "pn"},
      {SYS_faccessat, "dpn"},
      {SYS_faccessat2, "dpnn"},
      {SYS_readlink, "ppn"},
      {SYS_readlinkat, "dppn"},
      {SYS_getcwd, "pn"},
      {SYS_lseek, "dnv", {SEEK_SET, SEEK_END, 99}},
      {SYS_poll, "pnv", {0}},
      {SYS_select, "vpppw", {0, 1, 7, 64, ~0ULL}},
      {SYS_fcntl, "dvp", {F_GETLK, F_OFD_GETLK, F_GETOWN_EX, 17, 1035, 1037}},
      {SYS_fcntl, "dvn", {F_GETFL, F_GETFD, F_GETPIPE_SZ, F_GETSIG, 4711}},
      {SYS_ioctl,
       "dvp",
       {TCGETS, TCGETA, TIOCGWINSZ, TIOCGPGRP, TIOCGSID, TIOCOUTQ, FIONREAD,
        TIOCGETD, TIOCGEXCL, TIOCGPTN, TIOCGPTLCK, TIOCGPKT, TIOCMGET, 2,
        0x80086601, 0x801c581f, 0x80081272, 0x1268}},
      {SYS_getgroups, "np"},
      {SYS_getresuid, "ppp"},
      {SYS_getresgid, "ppp"},
      {SYS_capget, "pp"},
      {SYS_getrlimit, "np"},
      {SYS_prlimit64, "nnvp", {0}},
      {SYS_getpriority, "nn"},
      {SYS_sched_getaffinity, "nnp"},
      {SYS_sched_getparam, "np"},
      {SYS_sched_getscheduler, "n"},
      {SYS_sched_rr_get_interval, "np"},
      {SYS_sched_getattr, "npnn"},
      {SYS_ioprio_get, "nn"},
      {SYS_rt_sigpending, "pn"},
      {SYS_uname, "p"},
      {SYS_wait4, "npvp", {1, 3}},
      {SYS_waitid, "nnpvp", {5, 9}},
      {SYS_prctl, "vp", {2, 16, 37}},
      {SYS_prctl, "vnnnn", {7, 21, 23, 27, 30, 34, 39, 5, 9, 52}},
      {SYS_prctl, "vvnnp", {62, 0}},
      {SYS_getpgid, "n"},
      {SYS_getsid, "n"},
      {SYS_name_to_handle_at, "dpppn"},
      {136, "np"},  // ustat
      {139, "vpp", {1, 2, 3, 4}},
      {139, "vnp", {2}},
      {SYS_get_robust_list, "vpp", {1, 999999}},
      {SYS_quotactl, "vpnp", {0x80000700, 0x80000400, 0x00580500, 7}},
      {SYS_quotactl_fd, "dvnp", {0x80000700, 0x80000400, 0x00580500, 7}},
      {SYS_clock_getres, "vp", {8, 9, 16, 99}},
      {SYS_pread64, "dpnn"},
      {SYS_preadv, "dpnnn"},
      {SYS_preadv2, "dpnnnv", {0, 1 << 20}},
      // These change something, and the second time nothing more.
      {SYS_pwrite64, "dpnn"},
      {SYS_pwritev, "dpnnn"},
      {SYS_pwritev2, "dpnnnv", {0, 1 << 20}},
      {SYS_utime, "pp"},
      {SYS_utimes, "pp"},
      {SYS_futimesat, "dpp"},
      {SYS_utimensat, "dppn"},
      {SYS_prctl, "vp", {15}},
      {SYS_fcntl, "dvp", {F_SETLK, F_OFD_SETLK, F_SETOWN_EX, 1036}},
      {SYS_fadvise64, "dnnn"},
      {SYS_sync_file_range, "dnnn"},
      {256, "vnpp", {999999, Word(::getpid())}},  // migrate_pages
      {279, "svpppn", {0, 1, 3}},                 // move_pages
      {451, "dppn"},                              // cachestat
      {457, "ppnn"},                              // statmount
      {458, "ppvn", {0, 1, 64, 1000, 65536}},     // listmount
      {459, "nppv", {0}},                         // lsm_get_self_attr
      {461, "ppn"},                               // lsm_list_modules
      {468, "dppnn"},                             // file_getattr
  };
  return probes;
}

CallArgs Roll(Dice& dice, const Probe& probe) {
  CallArgs args{};
  for (std::size_t i = 0; probe.kinds[i] != '\0'; ++i) {
    switch (probe.kinds[i]) {
      case 'p':
        args.at(i) = dice.Pointer();
        break;
      case 'd':
        args.at(i) = dice.Descriptor();
        break;
      case 'w':
        args.at(i) = Word(&kNoTime);
        break;
      case 's':
        args.at(i) = Word(::getpid());
        break;
      case 'v':
        args.at(i) = probe.values[dice(probe.values.size())];
        break;
      default:
        args.at(i) = dice.Number();
    }
  }
  return args;
}

// Two buffers in one place: the order in which they are stored shows.
bool Overlap(const CallArgs& args) {
  for (std::size_t i = 0; i < args.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      bool both = args[i] >> 32 == kArenaMark >> 32 &&
                  args[j] >> 32 == kArenaMark >> 32;
      if (both && args[i] - args[j] + 300 < 600) {
        return true;
      }
    }
  }
  return false;
}

std::string Describe(const Probe& probe, const CallArgs& args) {
  std::string text(FindCall(probe.nr)->name);
  for (std::uint64_t arg : args) {
    text += fmt::format(" {:#x}", arg);
  }
  return text;
}

TEST_CASE("forwarded calls are native calls, byte for byte", "[round]") {
  World world;
  Dice dice(2024, world);
  Arena native;
  Arena forwarded;
  RoundTrip call;
  std::set<std::string> seen;  // one line per call is enough
  for (int i = 0; i < 20000; ++i) {
    const Probe& probe = Probes()[dice(Probes().size())];
    CallArgs args = Roll(dice, probe);
    dice.Fill(native.bytes());
    std::memcpy(forwarded.bytes().data(), native.bytes().data(), kArenaSize);
    if (Overlap(args) || !IsForwarded(Decide(probe.nr, args))) {
      continue;
    }
    std::int64_t expected = RawCall(probe.nr, native.Resolve(args));
    std::int64_t result = call.Call(probe.nr, forwarded.Resolve(args));
    // An extensible struct that is cut off: the kernel first looks for bytes
    // that it does not know in the part that it can read.
    // move_pages moves some before it finds that the rest is not there.
    bool early = expected == -E2BIG || probe.nr == SYS_move_pages;
    if (early && result == -EFAULT) {
      continue;
    }
    // Where the kernel faults in the middle it may have stored some of it.
    bool same = expected == -EFAULT ||
                std::memcmp(native.bytes().data(), forwarded.bytes().data(),
                            kArenaSize) == 0;
    if ((result != expected || !same) &&
        seen.insert(std::string(FindCall(probe.nr)->name)).second) {
      UNSCOPED_INFO(Describe(probe, args)
                    << ": " << result << ", natively " << expected
                    << (same ? "" : ", other bytes"));
      CHECK(false);
    }
  }
}

}  // namespace
}  // namespace ssi::supervisor
