// Probes of what a supervisor does to a process from outside.
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/unique_fd.h"
#include "node/check_probes.h"
#include "node/probe_helper.h"
#include "process/injector.h"
#include "process/memory.h"
#include "process/tracee.h"
#include "process/vmas.h"

namespace ssi::probes {

namespace {

constexpr std::uint64_t kWord = 0x5351'4c0f'feed'4711;

// A child, seized and stopped.
struct Stopped {
  Helper helper;
  Tracee tracee;

  static Result<Stopped> Make() {
    SSI_ASSIGN(auto helper, Helper::StartIdle());
    Tracee tracee(helper.pid());
    SSI_TRY(tracee.Seize(PTRACE_O_EXITKILL));
    SSI_TRY(tracee.Interrupt());
    SSI_ASSIGN(Stop stop, tracee.Wait());
    if (stop.kind != Stop::Kind::kInterrupted) {
      return Fail(ErrorCode::kUnsupported, "no interrupt stop but: {}",
                  stop.Describe());
    }
    return Stopped{std::move(helper), tracee};
  }
};

Result<RemoteAddr> SyscallInstruction(HostPid pid) {
  SSI_ASSIGN(auto vmas, ReadVmas(pid));
  for (const auto& vma : vmas) {
    if (vma.kind == Vma::Kind::kVdso) {
      return FindSyscallInstruction(pid, vma.start, vma.end);
    }
  }
  return Fail(ErrorCode::kUnsupported, "no vdso");
}

// Where this process and, after a fork, a helper have an object.
RemoteAddr PlaceOf(const void* object) {
  return RemoteAddr{reinterpret_cast<std::uint64_t>(object)};
}

}  // namespace

Result<Found> TraceChild() {
  SSI_ASSIGN(auto stopped, Stopped::Make());
  SSI_TRY(stopped.tracee.GetRegisters());
  SSI_TRY(stopped.tracee.Detach());
  return Found{};
}

// Two children of ours, of which one traces the other.
Result<Found> TraceStranger() {
  SSI_ASSIGN(auto target, Helper::StartIdle());
  HostPid pid = target.pid();
  SSI_ASSIGN(auto tracer, Helper::Start([pid](int) -> int {
               auto seized = Tracee(pid).Seize(0);
               return seized ? 0 : seized.error().sys_errno;
             }));
  SSI_ASSIGN(int code, tracer.ExitCode());
  if (code != 0) {
    return FailErrno(code, "PTRACE_SEIZE of a sibling");
  }
  return Found{};
}

Result<Found> SignalMask() {
  SSI_ASSIGN(auto stopped, Stopped::Make());
  const std::uint64_t mask = SignalBit(SIGUSR1) | SignalBit(SIGWINCH);
  SSI_TRY(stopped.tracee.SetSignalMask(mask));
  SSI_ASSIGN(std::uint64_t read, stopped.tracee.GetSignalMask());
  if (read != mask) {
    return Fail(ErrorCode::kUnsupported, "set {:#x}, read {:#x}", mask, read);
  }
  return Found{};
}

Result<Found> ExtendedState() {
  SSI_ASSIGN(auto stopped, Stopped::Make());
  SSI_ASSIGN(auto state, stopped.tracee.GetExtendedState());
  SSI_TRY(stopped.tracee.SetExtendedState(state));
  SSI_ASSIGN(auto again, stopped.tracee.GetExtendedState());
  if (again != state) {
    return Fail(ErrorCode::kUnsupported, "the state read is not what was set");
  }
  return Found{fmt::format("{} bytes", state.size())};
}

Result<Found> RestartableSequences() {
  SSI_ASSIGN(auto stopped, Stopped::Make());
  auto rseq = stopped.tracee.GetRseq();
  if (rseq) {
    return Found{};
  }
  // A kernel without the call has no areas that would have to be known.
  if (::syscall(SYS_rseq, nullptr, 0, 0, 0) != 0 && errno == ENOSYS) {
    return Found{"this kernel has none"};
  }
  return std::unexpected(rseq.error());
}

Result<Found> InjectedCall() {
  SSI_ASSIGN(auto stopped, Stopped::Make());
  SSI_ASSIGN(RemoteAddr instruction, SyscallInstruction(stopped.helper.pid()));
  SSI_ASSIGN(auto injector, Injector::Begin(stopped.tracee, instruction));
  SSI_ASSIGN(std::int64_t result, injector.Call(SYS_getpid, {}));
  SSI_TRY(injector.End());
  if (result != Raw(stopped.helper.pid())) {
    return Fail(ErrorCode::kUnsupported, "getpid gave {} in process {}", result,
                Raw(stopped.helper.pid()));
  }
  return Found{};
}

// Not traced: the bytes of a forwarded call are read while the guest runs.
Result<Found> ForeignMemory() {
  std::uint64_t object = kWord;
  SSI_ASSIGN(auto helper, Helper::StartIdle());
  RemoteAddr at = PlaceOf(&object);
  SSI_ASSIGN(auto read, ReadObject<std::uint64_t>(helper.pid(), at));
  if (read != kWord) {
    return Fail(ErrorCode::kUnsupported, "other bytes were read");
  }
  SSI_TRY(WriteObject(helper.pid(), at, ~kWord));
  SSI_ASSIGN(read, ReadObject<std::uint64_t>(helper.pid(), at));
  if (read != ~kWord) {
    return Fail(ErrorCode::kUnsupported, "other bytes were written");
  }
  return Found{};
}

Result<Found> CodeWrite() {
  void* page = ::mmap(nullptr, kPageSize, PROT_READ | PROT_EXEC,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) {
    return FailErrno(errno, "mmap");
  }
  SSI_ASSIGN(auto stopped, Stopped::Make());
  HostPid pid = stopped.helper.pid();
  SSI_ASSIGN(auto file, MemoryFile::Open(pid));
  SSI_TRY(file.Write(PlaceOf(page), std::as_bytes(std::span(&kWord, 1))));
  SSI_ASSIGN(auto read, ReadObject<std::uint64_t>(pid, PlaceOf(page)));
  if (read != kWord) {
    return Fail(ErrorCode::kUnsupported, "the page did not change");
  }
  return Found{};
}

// The child makes it, so that we cannot have it by inheritance.
Result<Found> ForeignDescriptor() {
  SSI_ASSIGN(auto helper, Helper::Start([](int socket) -> int {
               int made = ::eventfd(1, EFD_CLOEXEC);
               (void)SendNumber(socket, made);
               ::pause();
               return made;
             }));
  SSI_ASSIGN(std::int64_t number, ReceiveNumber(helper.socket()));
  SSI_ASSIGN(auto pid_fd, PidFdOpen(Raw(helper.pid())));
  SSI_ASSIGN(auto taken, PidFdGetFd(pid_fd.get(), static_cast<int>(number)));
  std::uint64_t value = 0;
  SSI_TRY(ReadAll(taken.get(), &value, sizeof value));
  if (value != 1) {
    return Fail(ErrorCode::kUnsupported, "another descriptor came");
  }
  return Found{};
}

// A stand-in opens the files that were mapped away through the descriptors of
// its supervisor.
Result<Found> DescriptorPath() {
  SSI_ASSIGN(auto memory, MakeMemFd("ssi-check"));
  std::string path = fmt::format("/proc/{}/fd/{}", ::getpid(), memory.get());
  SSI_ASSIGN(auto helper, Helper::Start([&path](int) -> int {
               UniqueFd opened(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
               return opened.valid() ? 0 : errno;
             }));
  SSI_ASSIGN(int code, helper.ExitCode());
  if (code != 0) {
    return FailErrno(code, "open /proc/PID/fd/N");
  }
  return Found{};
}

}  // namespace ssi::probes
