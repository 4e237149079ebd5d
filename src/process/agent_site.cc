#include "process/agent_site.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <utility>

#include "process/memory.h"

namespace ssi {

namespace {

// Makes the windows' memfd inside the tracee and opens it: the other way round
// fails under Yama. Its name is "", read from the padding of the
// vdso's ELF header, so nothing is written into the tracee.
Result<UniqueFd> MakeWindowMemory(const Tracee& tracee, Injector& injector,
                                  const std::vector<Vma>& vmas,
                                  std::size_t windows, std::uint64_t& number) {
  auto vdso = std::find_if(vmas.begin(), vmas.end(), [](const Vma& vma) {
    return vma.kind == Vma::Kind::kVdso;
  });
  if (vdso == vmas.end()) {
    return Fail(ErrorCode::kUnsupported, "process {} has no vdso",
                Raw(tracee.pid()));
  }
  constexpr std::uint64_t kElfPadding = 9;  // EI_PAD: zeros up to byte 15
  SSI_ASSIGN(number,
             injector.MustCall("memfd_create", SYS_memfd_create,
                               {vdso->start + kElfPadding, MFD_CLOEXEC}));
  // By /proc, which knows threads too: the first one may have exited.
  SSI_ASSIGN(
      UniqueFd memory,
      Open(fmt::format("/proc/{}/fd/{}", Raw(tracee.pid()), number), O_RDWR));
  if (::ftruncate(memory.get(), static_cast<off_t>(windows * kWindowSize)) !=
      0) {
    return FailErrno(errno, "size of an agent's window");
  }
  return memory;
}

Status MapInto(const Tracee& tracee, Injector& injector, std::uint64_t code,
               std::size_t windows, std::uint64_t memory_number) {
  constexpr std::uint64_t kFixed = MAP_FIXED_NOREPLACE;
  SSI_TRY(injector.MustCall(
      "mmap of the agent", SYS_mmap,
      {code, kAgentCodeSize, PROT_READ | PROT_EXEC,
       MAP_PRIVATE | MAP_ANONYMOUS | kFixed, ~std::uint64_t{0}, 0}));
  SSI_TRY(injector.MustCall(
      "mmap of the windows", SYS_mmap,
      {code + kAgentCodeSize, windows * kWindowSize, PROT_READ | PROT_WRITE,
       MAP_SHARED | kFixed, memory_number, 0}));
  // Through /proc/PID/mem, because the page is never writable (MDWE).
  SSI_ASSIGN(auto file, MemoryFile::Open(tracee.pid()));
  return file.Write(RemoteAddr{code}, AgentCode());
}

}  // namespace

AgentSite::AgentSite(std::byte* base, RemoteAddr code, std::size_t windows)
    : base_(base), code_(code) {
  windows_.reserve(windows);
  for (std::size_t i = 0; i < windows; ++i) {
    windows_.emplace_back(base + i * kWindowSize,
                          code + kAgentCodeSize + i * kWindowSize, alarm_word(),
                          AlarmAt());
  }
}

Result<AgentSite> AgentSite::Map(const UniqueFd& memory, RemoteAddr code,
                                 std::size_t windows) {
  void* base = ::mmap(nullptr, windows * kWindowSize, PROT_READ | PROT_WRITE,
                      MAP_SHARED, memory.get(), 0);
  if (base == MAP_FAILED) {
    return FailErrno(errno, "map the windows of an agent");
  }
  return AgentSite(static_cast<std::byte*>(base), code, windows);
}

AgentSite::AgentSite(AgentSite&& other) noexcept
    : base_(std::exchange(other.base_, nullptr)),
      code_(other.code_),
      windows_(std::move(other.windows_)) {}

AgentSite& AgentSite::operator=(AgentSite&& other) noexcept {
  std::swap(base_, other.base_);
  std::swap(code_, other.code_);
  std::swap(windows_, other.windows_);
  return *this;
}

AgentSite::~AgentSite() {
  if (base_ != nullptr) {
    ::munmap(base_, windows_.size() * kWindowSize);
  }
}

RemoteAddr AgentSite::AlarmAt() const {
  return code_ + kAgentCodeSize + offsetof(WindowHead, alarm);
}

void AgentSite::MoveTo(RemoteAddr code) {
  code_ = code;
  for (std::size_t i = 0; i < windows_.size(); ++i) {
    windows_[i].SetRemote(code + kAgentCodeSize + i * kWindowSize, AlarmAt());
  }
}

Result<AgentSite> PlantSite(const Tracee& tracee, Injector& injector,
                            const std::vector<Vma>& vmas, std::size_t windows) {
  auto code = FindFree(vmas, SiteSize(windows), kSiteFrom, kSiteLimit);
  if (!code) {
    return Fail(ErrorCode::kUnsupported, "no room for the agent in process {}",
                Raw(tracee.pid()));
  }
  std::uint64_t number = ~std::uint64_t{0};
  auto memory = MakeWindowMemory(tracee, injector, vmas, windows, number);
  Status mapped = memory ? MapInto(tracee, injector, *code, windows, number)
                         : Status(std::unexpected(memory.error()));
  if (number != ~std::uint64_t{0}) {
    SSI_TRY(injector.Call(SYS_close, {number}));
  }
  if (!mapped) {
    SSI_TRY(injector.Call(SYS_munmap, {*code, SiteSize(windows)}));
    return std::unexpected(mapped.error());
  }
  return AgentSite::Map(*memory, RemoteAddr{*code}, windows);
}

Status StartAgent(const Tracee& tracee, const Registers& registers,
                  const AgentSite& site, const AgentWindow& window) {
  SSI_TRY(tracee.SetRegisters(registers.ForJump(site.code(), window.remote())));
  return tracee.Continue();
}

Status StopAgent(const Tracee& tracee, bool& stop_pending) {
  SSI_TRY(tracee.Interrupt());
  return AwaitAgentStop(tracee, stop_pending);
}

Status AwaitAgentStop(const Tracee& tracee, bool& stop_pending) {
  for (;;) {
    SSI_ASSIGN(Stop stop, tracee.Wait());
    if (stop.Dead()) {
      return Fail(ErrorCode::kGone, "process {} died: {}", Raw(tracee.pid()),
                  stop.Describe());
    }
    if (stop.kind == Stop::Kind::kInterrupted) {
      return {};
    }
    if (stop.kind == Stop::Kind::kSignal && stop.value == SIGSTOP) {
      stop_pending = true;
    }
    // Every trap takes a pending interrupt away (kernel/signal.c, ptrace_stop).
    SSI_TRY(tracee.Interrupt());
    SSI_TRY(tracee.Continue());
  }
}

Status UnmapSite(Injector& injector, const AgentSite& site) {
  SSI_TRY(injector.MustCall("munmap of the agent", SYS_munmap,
                            {Raw(site.code()), site.size()}));
  return {};
}

}  // namespace ssi
