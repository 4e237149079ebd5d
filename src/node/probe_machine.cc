// Probes of the machine: kernel, limits, memory, clocks.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/unique_fd.h"
#include "node/check_probes.h"
#include "node/probe_helper.h"
#include "process/agent_window.h"

namespace ssi::probes {

namespace {

// Design section 13.
constexpr auto kPromised = std::pair(6, 7);
constexpr auto kBestEffort = std::pair(5, 14);

// Less than this leaves no room for a guest beside the daemons.
constexpr std::uint64_t kLittleMemory = std::uint64_t{256} << 20;
// A supervisor has a handful of descriptors for each process that is away.
constexpr rlim_t kFewFiles = 256;
// A move makes a guest supervisor, a watchdog, a sandbox's init and a body; a
// few of those at once.
constexpr int kManyProcesses = 16;

// The number behind `name` in a file of lines "name: number kB".
std::optional<std::uint64_t> KilobytesOf(const std::string& text,
                                         std::string_view name) {
  auto at = text.find(name);
  unsigned long long kilobytes = 0;
  if (at == std::string::npos || std::sscanf(text.c_str() + at + name.size(),
                                             ": %llu kB", &kilobytes) != 1) {
    return std::nullopt;
  }
  return std::uint64_t{kilobytes} << 10;
}

std::optional<std::uint64_t> NumberIn(const std::string& path) {
  auto text = ReadFile(path);
  if (!text) {
    return std::nullopt;
  }
  while (!text->empty() && text->back() == '\n') {
    text->pop_back();
  }
  return ParseNumber<std::uint64_t>(*text);
}

// What the memory limits of this process's cgroup (version 2) and its parents
// leave; nothing where there is no limit.
std::optional<std::uint64_t> LeftInCgroup() {
  auto groups = ReadFile("/proc/self/cgroup");
  auto at = groups ? groups->find("0::/") : std::string::npos;
  if (at == std::string::npos) {
    return std::nullopt;
  }
  constexpr std::size_t kPrefix = 3;
  std::string group = groups->substr(at + kPrefix);
  group.resize(group.find('\n'));
  std::optional<std::uint64_t> left;
  for (; group.size() > 1; group.resize(group.rfind('/'))) {
    std::string folder = "/sys/fs/cgroup" + group;
    auto limit = NumberIn(folder + "/memory.max");
    auto used = NumberIn(folder + "/memory.current");
    if (limit && used) {
      std::uint64_t here = *limit > *used ? *limit - *used : 0;
      left = std::min(left.value_or(here), here);
    }
  }
  return left;
}

// The memory of an agent's window, as it is made for each process that moves.
Status UseMemoryFile() {
  SSI_ASSIGN(UniqueFd file, MakeMemFd("ssi-check"));
  if (::ftruncate(file.get(), kWindowSize) != 0) {
    return FailErrno(errno, "size of a memfd");
  }
  void* at = ::mmap(nullptr, kWindowSize, PROT_READ | PROT_WRITE, MAP_SHARED,
                    file.get(), 0);
  if (at == MAP_FAILED) {
    return FailErrno(errno, "map a memfd");
  }
  std::memset(at, 1, kWindowSize);
  return {};
}

}  // namespace

Result<Found> KernelVersion() {
  utsname name{};
  int major = 0;
  int minor = 0;
  if (::uname(&name) != 0 ||
      std::sscanf(name.release, "%d.%d", &major, &minor) != 2) {
    return Fail(ErrorCode::kUnsupported, "unknown version");
  }
  std::string text = name.release;
  auto version = std::pair(major, minor);
  if (version >= kPromised) {
    return Found{text};
  }
  return Found{text + (version >= kBestEffort
                           ? ": best effort; 6.7 and newer are promised"
                           : ": older than 5.14, not supported"),
               Found::Quality::kPoor};
}

Result<Found> Memory() {
  SSI_TRY(UseMemoryFile());
  SSI_ASSIGN(std::string text, ReadFile("/proc/meminfo"));
  auto available = KilobytesOf(text, "MemAvailable");
  if (!available) {
    return Fail(ErrorCode::kUnsupported, "/proc/meminfo has no MemAvailable");
  }
  std::string detail = FormatSize(*available) + " available";
  std::uint64_t left = *available;
  if (auto in_group = LeftInCgroup(); in_group && *in_group < left) {
    left = *in_group;
    detail = FormatSize(left) + " left in this control group";
  }
  return Found{std::move(detail), left < kLittleMemory ? Found::Quality::kPoor
                                                       : Found::Quality::kGood};
}

Result<Found> OpenFiles() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return FailErrno(errno, "RLIMIT_NOFILE");
  }
  return Found{fmt::format("{}, at most {}", limit.rlim_cur, limit.rlim_max),
               limit.rlim_cur < kFewFiles ? Found::Quality::kPoor
                                          : Found::Quality::kGood};
}

Result<Found> Processes() {
  std::vector<Helper> helpers;
  for (int i = 0; i < kManyProcesses; ++i) {
    auto helper = Helper::StartIdle();
    if (!helper) {
      return Fail(ErrorCode::kRetry, "only {} more could be made: {}", i,
                  helper.error().message);
    }
    helpers.push_back(*std::move(helper));
  }
  return Found{};
}

// Reads the clock where the system call for it is forbidden: what works then
// works without one.
Result<Found> ClockSource() {
  auto name = ReadFile(
      "/sys/devices/system/clocksource/clocksource0/current_clocksource");
  std::string source =
      name ? name->substr(0, name->find('\n')) : std::string("unknown");
  std::array program = {
      sock_filter{BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
      sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_clock_gettime},
      sock_filter{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EPERM},
      sock_filter{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
  sock_fprog filter{program.size(), program.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) {
    return FailErrno(errno, "seccomp");
  }
  timespec now{};
  if (::clock_gettime(CLOCK_MONOTONIC, &now) != 0) {
    return Found{source + " is read by a system call each time",
                 Found::Quality::kPoor};
  }
  return Found{std::move(source)};
}

}  // namespace ssi::probes
