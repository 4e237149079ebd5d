#include "process/injector.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "process/memory.h"

namespace ssi {

Result<Injector> Injector::Begin(const Tracee& tracee,
                                 RemoteAddr syscall_instruction) {
  SSI_ASSIGN(auto saved, tracee.GetRegisters());
  SSI_ASSIGN(auto mask, tracee.GetSignalMask());
  // Without this a SIGWINCH makes the single-step stop a signal-delivery-stop.
  SSI_TRY(tracee.SetSignalMask(kAllSignals));
  return Injector(tracee, syscall_instruction, saved, mask);
}

Status Injector::RunToTrap() {
  for (;;) {
    SSI_ASSIGN(Stop stop, tracee_.Wait());
    if (stop.Dead()) {
      return Fail(ErrorCode::kGone, "process {} died: {}", Raw(tracee_.pid()),
                  stop.Describe());
    }
    if (stop.kind == Stop::Kind::kSignal && stop.value == SIGTRAP) {
      return {};
    }
    if (stop.kind == Stop::Kind::kSignal && stop.value == SIGSTOP) {
      stop_pending_ = true;
    } else if (stop.kind == Stop::Kind::kSignal) {
      // A fault of the call's own making: ours are chosen not to have any.
      return Fail(ErrorCode::kSystem, "signal {} during an injected call",
                  stop.value);
    }
    if (stop.kind == Stop::Kind::kClone) {
      SSI_ASSIGN(cloned_, tracee_.GetEventMessage());
    }
    // Seccomp stops, our own earlier INTERRUPT, clone events: go on.
    SSI_TRY(tracee_.SingleStep());
  }
}

Result<std::int64_t> Injector::Call(std::uint64_t number,
                                    const CallArgs& args) {
  SSI_TRY(tracee_.SetRegisters(saved_.ForCall(instruction_, number, args)));
  SSI_TRY(tracee_.SingleStep());
  SSI_TRY(RunToTrap());
  SSI_ASSIGN(auto registers, tracee_.GetRegisters());
  return registers.result();
}

Result<HostPid> Injector::CloneThread(RemoteAddr args, std::size_t size) {
  cloned_ = 0;
  // A stop that pends ends it before it begins (copy_process, kernel/fork.c);
  // made again, it has been taken.
  constexpr int kMostTries = 16;
  for (int i = 0; i < kMostTries; ++i) {
    SSI_ASSIGN(std::int64_t result, Call(SYS_clone3, {Raw(args), size}));
    if (result == kRestartNoIntr) {
      continue;
    }
    if (result < 0) {
      return FailErrno(static_cast<int>(-result), "clone3 in process {}",
                       Raw(tracee_.pid()));
    }
    break;
  }
  if (cloned_ == 0) {
    return Fail(ErrorCode::kSystem, "a new thread of {} is not traced",
                Raw(tracee_.pid()));
  }
  return HostPid{static_cast<pid_t>(cloned_)};
}

Status Injector::HandBack(int signal) {
  // The kernel looks at the signal on the way to the next instruction, and some
  // instruction there must be.
  SSI_TRY(tracee_.SetRegisters(saved_.ForCall(instruction_, SYS_getpid, {})));
  SSI_TRY(tracee_.SingleStep(signal));
  return RunToTrap();
}

Result<std::uint64_t> Injector::MustCall(const char* what, std::uint64_t number,
                                         const CallArgs& args) {
  SSI_ASSIGN(std::int64_t result, Call(number, args));
  if (result < 0 && result > -4096) {
    return FailErrno(static_cast<int>(-result), "{} in process {}", what,
                     Raw(tracee_.pid()));
  }
  return static_cast<std::uint64_t>(result);
}

Result<std::int64_t> Injector::CallAndInterrupt(std::uint64_t number,
                                                const CallArgs& args) {
  SSI_TRY(tracee_.SetRegisters(saved_.ForCall(instruction_, number, args)));
  SSI_TRY(tracee_.StepToSyscall());
  bool entered = false;
  for (;;) {
    SSI_ASSIGN(Stop stop, tracee_.Wait());
    if (stop.Dead()) {
      return Fail(ErrorCode::kGone, "process {} died: {}", Raw(tracee_.pid()),
                  stop.Describe());
    }
    if (stop.kind == Stop::Kind::kSignal && stop.value == SIGSTOP) {
      stop_pending_ = true;
    } else if (stop.kind == Stop::Kind::kSignal) {
      return Fail(ErrorCode::kSystem, "signal {} during an injected call",
                  stop.value);
    }
    if (stop.kind == Stop::Kind::kSyscall) {
      if (entered) {
        break;  // its exit stop
      }
      entered = true;
      // Pends until the call has begun to wait, or is over. Then its exit stop
      // comes, which takes the interrupt away: "any trap clears pending STOP
      // trap" (kernel/signal.c, ptrace_stop; tried on 6.18).
      SSI_TRY(tracee_.Interrupt());
    }
    SSI_TRY(tracee_.StepToSyscall());
  }
  SSI_ASSIGN(auto registers, tracee_.GetRegisters());
  return registers.result();
}

Status Injector::End() {
  SSI_TRY(tracee_.SetRegisters(saved_));
  SSI_TRY(tracee_.SetSignalMask(mask_));
  if (stop_pending_) {
    // Its siginfo is gone, but for SIGSTOP nobody can see it.
    ::kill(Raw(tracee_.pid()), SIGSTOP);
    stop_pending_ = false;
  }
  return {};
}

std::uint64_t Injector::KeepBlocked() {
  if (stop_pending_) {
    ::kill(Raw(tracee_.pid()), SIGSTOP);
    stop_pending_ = false;
  }
  return mask_;
}

Result<RemoteAddr> FindSyscallInstruction(HostPid pid, std::uint64_t vdso_start,
                                          std::uint64_t vdso_end) {
  if (vdso_end <= vdso_start || vdso_end - vdso_start > 1 << 20) {
    return Fail(ErrorCode::kUnsupported, "process {} has no vdso", Raw(pid));
  }
  std::vector<std::byte> code(vdso_end - vdso_start);
  SSI_TRY(ReadMemory(pid, RemoteAddr{vdso_start}, code));
  constexpr std::array kSyscall = {std::byte{0x0f}, std::byte{0x05}};
  auto at =
      std::search(code.begin(), code.end(), kSyscall.begin(), kSyscall.end());
  if (at == code.end()) {
    return Fail(ErrorCode::kUnsupported, "no syscall instruction in the vdso");
  }
  return RemoteAddr{vdso_start + static_cast<std::uint64_t>(at - code.begin())};
}

}  // namespace ssi
