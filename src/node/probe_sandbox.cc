// Probes of the sandbox: first its parts one by one, so that it shows which is
// refused, then the real thing (remote/sandbox.h).
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "base/clock.h"
#include "base/files.h"
#include "node/check_probes.h"
#include "node/probe_helper.h"
#include "process/agent_site.h"
#include "process/memory.h"
#include "process/tracee.h"
#include "remote/sandbox.h"

namespace ssi::probes {

namespace {

using std::chrono::nanoseconds;
using namespace std::chrono_literals;

struct NamespaceKind {
  int flag;
  const char* name;
};
constexpr std::array kKinds = {
    NamespaceKind{CLONE_NEWPID, "pid"}, NamespaceKind{CLONE_NEWNS, "mount"},
    NamespaceKind{CLONE_NEWNET, "net"}, NamespaceKind{CLONE_NEWIPC, "ipc"},
    NamespaceKind{CLONE_NEWUTS, "uts"}};

// Where the agent goes in a process of a sandbox.
constexpr RemoteAddr kCode{kSiteFrom};

// This process into a user namespace of its own, with the same ids, and into
// what else `flags` say.
Status Unshare(int flags) {
  std::string users = fmt::format("{0} {0} 1", ::geteuid());
  std::string groups = fmt::format("{0} {0} 1", ::getegid());
  if (::unshare(CLONE_NEWUSER | flags) != 0) {
    return FailErrno(errno, "unshare");
  }
  SSI_TRY(WriteProcFile("/proc/self/setgroups", "deny"));
  SSI_TRY(WriteProcFile("/proc/self/gid_map", groups));
  return WriteProcFile("/proc/self/uid_map", users);
}

// The kinds that are refused also when they are asked for alone.
std::string RefusedKinds() {
  std::string names;
  for (const auto& kind : kKinds) {
    auto helper = Helper::Start([&kind](int) -> int {
      auto done = Unshare(kind.flag);
      return done ? 0 : done.error().sys_errno;
    });
    auto code = helper ? helper->ExitCode() : std::unexpected(helper.error());
    if (code && *code != 0) {
      names += fmt::format("{}{} ({})", names.empty() ? "" : ", ", kind.name,
                           ErrnoName(*code));
    }
  }
  return names;
}

// Executes a call in a process that runs nothing but the agent.
Result<std::int64_t> CallInside(SpawnedProcess& process, std::uint64_t number,
                                const CallArgs& args) {
  AgentCall& call = process.site.window(0).calls()[0];
  call.number = number;
  call.args = args;
  process.site.window(0).Post(1);
  if (!process.site.window(0).WaitDone(2s)) {
    return Fail(ErrorCode::kGone, "the process in the sandbox does not answer");
  }
  return call.result;
}

nanoseconds MonotonicNow() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return InNanos(now);
}

Status Trace(const SpawnedProcess& process, const Tracee& tracee) {
  SSI_TRY(tracee.Interrupt());
  SSI_ASSIGN(Stop stop, tracee.Wait());
  if (stop.kind != Stop::Kind::kInterrupted) {
    return Fail(ErrorCode::kUnsupported, "no interrupt stop but: {}",
                stop.Describe());
  }
  auto code = AgentCode();
  std::vector<std::byte> found(code.size());
  SSI_TRY(ReadMemory(process.pid, kCode, found));
  if (!std::equal(code.begin(), code.end(), found.begin())) {
    return Fail(ErrorCode::kUnsupported, "other bytes were read");
  }
  SSI_TRY(PidFdGetFd(process.pid_fd.get(), kFileSocket));
  return {};
}

}  // namespace

Result<Found> UserNamespace() {
  SSI_TRY(Unshare(0));
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> data{};
  if (::syscall(SYS_capget, &header, data.data()) != 0) {
    return FailErrno(errno, "capget");
  }
  if ((data[0].effective & 1U << CAP_SYS_ADMIN) == 0) {
    return Fail(ErrorCode::kDenied, "it gives no capabilities");
  }
  return Found{};
}

Result<Found> Namespaces() {
  int all = 0;
  for (const auto& kind : kKinds) {
    all |= kind.flag;
  }
  if (auto done = Unshare(all); !done) {
    std::string refused = RefusedKinds();
    return std::unexpected(
        refused.empty() ? done.error()
                        : Error{done.error().code, "refused: " + refused, 0});
  }
  SSI_ASSIGN(auto first, Helper::Start([](int) -> int { return ::getpid(); }));
  SSI_ASSIGN(int pid, first.ExitCode());
  if (pid != 1) {
    return Fail(ErrorCode::kUnsupported, "its first process has pid {}", pid);
  }
  return Found{};
}

// As the sandbox does it.
Result<Found> Mount() {
  SSI_TRY(Unshare(CLONE_NEWNS));
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return FailErrno(errno, "make mounts private");
  }
  if (::mount("none", "/proc", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
              "size=4k,nr_inodes=2,mode=755") != 0) {
    return FailErrno(errno, "mount tmpfs");
  }
  if (::chdir("/proc") != 0 || ::syscall(SYS_pivot_root, ".", ".") != 0) {
    return FailErrno(errno, "pivot_root");
  }
  return Found{};
}

Result<Found> WholeSandbox() {
  SSI_ASSIGN(auto sandbox, Sandbox::Make());
  return Found{};
}

// With our own pid, which is as good as any that a process can have at home.
Result<Found> ChosenPid() {
  SSI_ASSIGN(auto sandbox, Sandbox::Make());
  SSI_ASSIGN(auto process, sandbox.Spawn(HomePid{::getpid()}, kCode));
  SSI_ASSIGN(std::int64_t pid, CallInside(process, SYS_getpid, {}));
  if (pid != ::getpid()) {
    return Fail(ErrorCode::kUnsupported, "asked for pid {}, got {}", ::getpid(),
                pid);
  }
  return Found{};
}

Result<Found> TimeNamespace() {
  constexpr nanoseconds kAhead = 5000s;
  SSI_ASSIGN(auto sandbox, Sandbox::Make());
  SSI_ASSIGN(auto offsets, OwnClockOffsets());
  offsets.monotonic += kAhead;
  offsets.boot += kAhead;
  SSI_TRY(sandbox.SetClockOffsets(offsets));
  SSI_ASSIGN(auto process, sandbox.Spawn(HomePid{::getpid()}, kCode));
  auto before = MonotonicNow();
  SSI_ASSIGN(
      std::int64_t result,
      CallInside(process, SYS_clock_gettime,
                 {CLOCK_MONOTONIC, Raw(process.site.window(0).remote_data())}));
  auto after = MonotonicNow();
  if (result != 0) {
    return FailErrno(static_cast<int>(-result), "clock_gettime");
  }
  timespec inside{};
  std::memcpy(&inside, process.site.window(0).data().data(), sizeof inside);
  Nanos there = InNanos(inside);
  if (there < before + kAhead || there > after + kAhead) {
    return Fail(ErrorCode::kUnsupported, "the offset does not show inside");
  }
  return Found{};
}

Result<Found> TraceInside() {
  SSI_ASSIGN(auto sandbox, Sandbox::Make());
  SSI_ASSIGN(auto process, sandbox.Spawn(HomePid{::getpid()}, kCode));
  // Once it answers, it is the agent; before, it is still on its way there.
  SSI_TRY(CallInside(process, SYS_getpid, {}));
  Tracee tracee(process.pid);
  SSI_TRY(tracee.Seize(PTRACE_O_EXITKILL));
  auto status = Trace(process, tracee);
  // Reaped first, or the kernel keeps the sandbox's init.
  ::kill(Raw(process.pid), SIGKILL);
  ::waitpid(Raw(process.pid), nullptr, __WALL);
  SSI_TRY(status);
  return Found{};
}

}  // namespace ssi::probes
