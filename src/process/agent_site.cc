#include "process/agent_site.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "process/memory.h"

namespace ssi {

namespace {

// Makes the window's memfd inside the tracee and takes a duplicate: the other
// way round fails under Yama. Its name is "", read from the padding of the
// vdso's ELF header, so nothing is written into the tracee.
Result<UniqueFd> MakeWindowMemory(const Tracee& tracee, Injector& injector,
                                  const std::vector<Vma>& vmas,
                                  std::uint64_t& number) {
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
  SSI_ASSIGN(UniqueFd pid_fd, PidFdOpen(Raw(tracee.pid())));
  SSI_ASSIGN(UniqueFd memory,
             PidFdGetFd(pid_fd.get(), static_cast<int>(number)));
  if (::ftruncate(memory.get(), kWindowSize) != 0) {
    return FailErrno(errno, "size of an agent's window");
  }
  return memory;
}

Status MapSite(const Tracee& tracee, Injector& injector, std::uint64_t code,
               std::uint64_t memory_number) {
  constexpr std::uint64_t kFixed = MAP_FIXED_NOREPLACE;
  SSI_TRY(injector.MustCall(
      "mmap of the agent", SYS_mmap,
      {code, kAgentCodeSize, PROT_READ | PROT_EXEC,
       MAP_PRIVATE | MAP_ANONYMOUS | kFixed, ~std::uint64_t{0}, 0}));
  SSI_TRY(injector.MustCall(
      "mmap of the window", SYS_mmap,
      {code + kAgentCodeSize, kWindowSize, PROT_READ | PROT_WRITE,
       MAP_SHARED | kFixed, memory_number, 0}));
  // Through /proc/PID/mem, because the page is never writable (MDWE).
  SSI_ASSIGN(auto file, MemoryFile::Open(tracee.pid()));
  return file.Write(RemoteAddr{code}, AgentCode());
}

}  // namespace

Result<AgentWindow> PlantAgent(const Tracee& tracee, Injector& injector,
                               const std::vector<Vma>& vmas) {
  auto code = FindFree(vmas, kAgentSiteSize, kSiteFrom, kSiteLimit);
  if (!code) {
    return Fail(ErrorCode::kUnsupported, "no room for the agent in process {}",
                Raw(tracee.pid()));
  }
  std::uint64_t number = ~std::uint64_t{0};
  auto memory = MakeWindowMemory(tracee, injector, vmas, number);
  Status mapped = memory ? MapSite(tracee, injector, *code, number)
                         : Status(std::unexpected(memory.error()));
  if (number != ~std::uint64_t{0}) {
    SSI_TRY(injector.Call(SYS_close, {number}));
  }
  RemoteAddr window_at{*code + kAgentCodeSize};
  if (!mapped) {
    SSI_TRY(UnmapAgent(injector, window_at));
    return std::unexpected(mapped.error());
  }
  SSI_ASSIGN(auto window, AgentWindow::Map(*memory, window_at));
  SSI_TRY(tracee.SetRegisters(
      injector.saved().ForJump(RemoteAddr{*code}, window_at)));
  SSI_TRY(tracee.Continue());
  return window;
}

Status StopAgent(const Tracee& tracee, bool& stop_pending) {
  SSI_TRY(tracee.Interrupt());
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

Status UnmapAgent(Injector& injector, RemoteAddr window) {
  SSI_TRY(injector.MustCall("munmap of the agent", SYS_munmap,
                            {Raw(AgentCodeAt(window)), kAgentSiteSize}));
  return {};
}

}  // namespace ssi
