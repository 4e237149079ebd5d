#include "process/leave_vdso.h"

#include <signal.h>

#include "process/kernel.h"
#include "process/memory.h"

namespace ssi {

namespace {

// Reading a clock is less than a hundred instructions, and as many again each
// time the kernel has updated its time page meanwhile (every 1 to 10 ms).
constexpr int kMostSteps = 10'000;

// The vdso's code, while the thread is in it and not before a `syscall`.
class Vdso {
 public:
  static Result<Vdso> Read(HostPid pid, const Vma& vma) {
    Vdso vdso;
    vdso.start_ = vma.start;
    vdso.code_.resize(vma.size());
    SSI_TRY(ReadMemory(pid, RemoteAddr{vma.start}, vdso.code_));
    return vdso;
  }
  [[nodiscard]] bool Reads(RemoteAddr ip) const {
    std::uint64_t at = Raw(ip) - start_;
    bool inside = Raw(ip) >= start_ && at + 1 < code_.size();
    return inside &&
           !(code_[at] == std::byte{0x0f} && code_[at + 1] == std::byte{0x05});
  }

 private:
  std::uint64_t start_ = 0;
  std::vector<std::byte> code_;
};

// False where it stopped for something else than the step.
Result<bool> Step(const Tracee& tracee, bool& stop_pending) {
  SSI_TRY(tracee.SingleStep());
  for (;;) {
    SSI_ASSIGN(Stop stop, tracee.Wait());
    if (stop.Dead()) {
      return Fail(ErrorCode::kGone, "process {} died: {}", Raw(tracee.pid()),
                  stop.Describe());
    }
    if (stop.kind == Stop::Kind::kSignal && stop.value == SIGTRAP) {
      return true;
    }
    if (stop.kind == Stop::Kind::kSignal && stop.value != SIGSTOP) {
      // A bad pointer for the result: it faults again where it goes on.
      return false;
    }
    stop_pending |= stop.kind == Stop::Kind::kSignal;
    SSI_TRY(tracee.SingleStep());
  }
}

}  // namespace

Status StepWhile(const Tracee& tracee, const GoesOn& goes_on) {
  SSI_ASSIGN(auto registers, tracee.GetRegisters());
  SSI_ASSIGN(std::uint64_t mask, tracee.GetSignalMask());
  // A fault that is blocked would reset its handler.
  SSI_TRY(tracee.SetSignalMask(kAllSignals &
                               ~(SignalBit(SIGSEGV) | SignalBit(SIGBUS))));
  bool stop_pending = false;
  int steps = 0;
  for (bool stepped = true;
       stepped && goes_on(registers.ip()) && steps < kMostSteps; ++steps) {
    SSI_ASSIGN(stepped, Step(tracee, stop_pending));
    SSI_ASSIGN(registers, tracee.GetRegisters());
  }
  if (stop_pending) {
    ::kill(Raw(tracee.pid()), SIGSTOP);
  }
  SSI_TRY(tracee.SetSignalMask(mask));
  if (steps == kMostSteps) {
    return Fail(ErrorCode::kRetry, "it does not finish reading a clock");
  }
  return {};
}

Status LeaveVdso(const Tracee& tracee, const std::vector<Vma>& vmas) {
  SSI_ASSIGN(auto registers, tracee.GetRegisters());
  const Vma* vma = FindVma(vmas, Raw(registers.ip()));
  if (registers.InCall() || vma == nullptr || vma->kind != Vma::Kind::kVdso) {
    return {};
  }
  SSI_ASSIGN(Vdso vdso, Vdso::Read(tracee.pid(), *vma));
  return StepWhile(tracee, [&vdso](RemoteAddr ip) { return vdso.Reads(ip); });
}

}  // namespace ssi
