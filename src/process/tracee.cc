#include "process/tracee.h"

#include <elf.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include <array>
#include <cerrno>

#include "process/memory.h"

namespace ssi {

namespace {

// glibc's ptrace is variadic with an enum; the kernel's takes longs.
long Ptrace(int request, HostPid pid, std::uint64_t address,
            std::uint64_t data) {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the interface has it so
  return ::ptrace(static_cast<__ptrace_request>(request), Raw(pid),
                  reinterpret_cast<void*>(address),
                  reinterpret_cast<void*>(data));
}

std::uint64_t PointerValue(const void* pointer) {
  return reinterpret_cast<std::uint64_t>(pointer);
}

Status Do(const char* name, int request, HostPid pid, std::uint64_t address,
          std::uint64_t data) {
  if (Ptrace(request, pid, address, data) != 0) {
    return FailErrno(errno, "ptrace {} of {}", name, Raw(pid));
  }
  return {};
}

// Larger than every XSAVE area of today (AMX: 11 KiB).
constexpr std::size_t kMaxExtendedState = 16384;

}  // namespace

Status Tracee::Seize(unsigned long options) const {
  return Do("SEIZE", PTRACE_SEIZE, pid_, 0, options);
}
Status Tracee::Interrupt() const {
  return Do("INTERRUPT", PTRACE_INTERRUPT, pid_, 0, 0);
}
Status Tracee::Continue(int signal) const {
  return Do("CONT", PTRACE_CONT, pid_, 0, static_cast<unsigned>(signal));
}
Status Tracee::Listen() const {
  return Do("LISTEN", PTRACE_LISTEN, pid_, 0, 0);
}
Status Tracee::StepToSyscall(int signal) const {
  return Do("SYSCALL", PTRACE_SYSCALL, pid_, 0, static_cast<unsigned>(signal));
}
Status Tracee::SingleStep(int signal) const {
  return Do("SINGLESTEP", PTRACE_SINGLESTEP, pid_, 0,
            static_cast<unsigned>(signal));
}
Status Tracee::Detach(int signal) const {
  return Do("DETACH", PTRACE_DETACH, pid_, 0, static_cast<unsigned>(signal));
}
Status Tracee::SetOptions(unsigned long options) const {
  return Do("SETOPTIONS", PTRACE_SETOPTIONS, pid_, 0, options);
}

Result<std::optional<Stop>> Tracee::TakeStop(int extra_flags) const {
  siginfo_t info{};
  auto id = static_cast<id_t>(Raw(pid_));
  int looked = ::waitid(P_PID, id, &info,
                        WEXITED | WSTOPPED | WNOWAIT | __WALL | extra_flags);
  if (looked != 0) {
    if (errno == EINTR) {
      return std::nullopt;
    }
    return FailErrno(errno == ECHILD ? ESRCH : errno, "wait for {}", Raw(pid_));
  }
  if (info.si_pid == 0) {
    return std::nullopt;
  }
  if (info.si_code == CLD_EXITED) {
    return Stop{Stop::Kind::kExited, info.si_status, info.si_status << 8};
  }
  if (info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED) {
    return Stop{Stop::Kind::kKilled, info.si_status, info.si_status};
  }
  info = {};
  if (::waitid(P_PID, id, &info, WSTOPPED | __WALL | WNOHANG) != 0 ||
      info.si_pid == 0) {
    return std::nullopt;  // killed in between: look again
  }
  // si_status is the upper part of waitpid's word: event and signal.
  return DecodeWaitStatus((info.si_status << 8) | 0x7f);
}

Result<Stop> Tracee::Wait() const {
  for (;;) {
    SSI_ASSIGN(auto stop, TakeStop(0));
    if (stop) {
      return *stop;
    }
  }
}

Result<std::optional<Stop>> Tracee::WaitFor(
    std::chrono::nanoseconds limit) const {
  timespec start{};
  ::clock_gettime(CLOCK_MONOTONIC, &start);
  // A SIGCHLD that is taken here may be another child's, or of a later event of
  // this one: the loop gets it back.
  bool taken = false;
  auto give_back = [&taken] {
    if (taken) {
      ::kill(::getpid(), SIGCHLD);
    }
  };
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  for (;;) {
    auto stop = TakeStop(WNOHANG);
    if (!stop || *stop) {
      give_back();
      return stop;
    }
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    auto passed = std::chrono::seconds(now.tv_sec - start.tv_sec) +
                  std::chrono::nanoseconds(now.tv_nsec - start.tv_nsec);
    if (passed >= limit) {
      give_back();
      return std::nullopt;
    }
    auto left = limit - passed;
    // A SIGCHLD can be lost to an earlier one that is still pending, so look
    // again at least every 10 ms.
    left = std::min(left, std::chrono::nanoseconds(10'000'000));
    timespec wait{left.count() / 1'000'000'000, left.count() % 1'000'000'000};
    taken |= ::sigtimedwait(&child, nullptr, &wait) == SIGCHLD;
  }
}

Result<Registers> Tracee::GetRegisters() const {
  user_regs_struct raw{};
  SSI_TRY(Do("GETREGS", PTRACE_GETREGS, pid_, 0, PointerValue(&raw)));
  return Registers(raw);
}

Status Tracee::SetRegisters(const Registers& registers) const {
  return Do("SETREGS", PTRACE_SETREGS, pid_, 0, PointerValue(&registers.raw()));
}

Result<std::vector<std::byte>> Tracee::GetExtendedState() const {
  std::vector<std::byte> state(kMaxExtendedState);
  iovec vector{state.data(), state.size()};
  SSI_TRY(Do("GETREGSET", PTRACE_GETREGSET, pid_, NT_X86_XSTATE,
             PointerValue(&vector)));
  state.resize(vector.iov_len);
  return state;
}

Status Tracee::SetExtendedState(std::span<const std::byte> state) const {
  iovec vector{const_cast<std::byte*>(state.data()), state.size()};
  return Do("SETREGSET", PTRACE_SETREGSET, pid_, NT_X86_XSTATE,
            PointerValue(&vector));
}

Result<std::uint64_t> Tracee::GetSignalMask() const {
  std::uint64_t mask = 0;
  SSI_TRY(Do("GETSIGMASK", PTRACE_GETSIGMASK, pid_, sizeof mask,
             PointerValue(&mask)));
  return mask;
}

Status Tracee::SetSignalMask(std::uint64_t mask) const {
  return Do("SETSIGMASK", PTRACE_SETSIGMASK, pid_, sizeof mask,
            PointerValue(&mask));
}

Result<siginfo_t> Tracee::GetSignalInfo() const {
  siginfo_t info{};
  SSI_TRY(Do("GETSIGINFO", PTRACE_GETSIGINFO, pid_, 0, PointerValue(&info)));
  return info;
}

Status Tracee::SetSignalInfo(const siginfo_t& info) const {
  return Do("SETSIGINFO", PTRACE_SETSIGINFO, pid_, 0, PointerValue(&info));
}

Result<RseqConfiguration> Tracee::GetRseq() const {
  RseqConfiguration rseq{};
  if (Ptrace(kPtraceGetRseqConfiguration, pid_, sizeof rseq,
             PointerValue(&rseq)) < 0) {
    int err = errno;
    if (err == EIO || err == EINVAL) {
      return Fail(ErrorCode::kUnsupported, "PTRACE_GET_RSEQ_CONFIGURATION");
    }
    return FailErrno(err, "ptrace GET_RSEQ_CONFIGURATION of {}", Raw(pid_));
  }
  return rseq;
}

Result<bool> Tracee::HasUserDispatch() const {
  // struct ptrace_sud_config: mode, selector, offset, len
  std::array<std::uint64_t, 4> config{};
  if (Ptrace(kPtraceGetUserDispatch, pid_, sizeof config,
             PointerValue(config.data())) < 0) {
    int err = errno;
    if (err == EIO || err == EINVAL) {
      return false;
    }
    return FailErrno(err, "ptrace GET_SYSCALL_USER_DISPATCH_CONFIG of {}",
                     Raw(pid_));
  }
  return config[0] != 0;  // PR_SYS_DISPATCH_OFF
}

Result<std::uint64_t> Tracee::GetEventMessage() const {
  unsigned long message = 0;
  SSI_TRY(
      Do("GETEVENTMSG", PTRACE_GETEVENTMSG, pid_, 0, PointerValue(&message)));
  return message;
}

Result<__ptrace_syscall_info> Tracee::GetCallInfo() const {
  __ptrace_syscall_info info{};
  if (Ptrace(PTRACE_GET_SYSCALL_INFO, pid_, sizeof info, PointerValue(&info)) <
      0) {
    return FailErrno(errno, "ptrace GET_SYSCALL_INFO of {}", Raw(pid_));
  }
  return info;
}

}  // namespace ssi
