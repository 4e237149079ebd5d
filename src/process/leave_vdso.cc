#include "process/leave_vdso.h"

#include <signal.h>

#include <algorithm>
#include <array>

#include "process/kernel.h"
#include "process/memory.h"

namespace ssi {

namespace {

// Reading a clock is less than a hundred instructions, some more where the
// kernel updates its time page meanwhile.
constexpr int kMostSteps = 10'000;

bool AtSyscall(const Tracee& tracee, RemoteAddr ip) {
  constexpr std::array kSyscall = {std::byte{0x0f}, std::byte{0x05}};
  std::array<std::byte, kSyscall.size()> code{};
  return !ReadMemory(tracee.pid(), ip, code) || code == kSyscall;
}

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

Status LeaveVdso(const Tracee& tracee, const std::vector<Vma>& vmas) {
  SSI_ASSIGN(auto registers, tracee.GetRegisters());
  auto inside = [&vmas](RemoteAddr ip) {
    const Vma* vma = FindVma(vmas, Raw(ip));
    return vma != nullptr && vma->kind == Vma::Kind::kVdso;
  };
  if (registers.InCall() || !inside(registers.ip())) {
    return {};
  }
  SSI_ASSIGN(std::uint64_t mask, tracee.GetSignalMask());
  // A fault that is blocked would reset its handler.
  SSI_TRY(tracee.SetSignalMask(
      kAllSignals & ~(SignalBit(SIGSEGV) | SignalBit(SIGBUS))));
  bool stop_pending = false;
  for (int i = 0; i < kMostSteps && inside(registers.ip()) &&
                  !AtSyscall(tracee, registers.ip());
       ++i) {
    SSI_ASSIGN(bool stepped, Step(tracee, stop_pending));
    if (!stepped) {
      break;
    }
    SSI_ASSIGN(registers, tracee.GetRegisters());
  }
  if (stop_pending) {
    ::kill(Raw(tracee.pid()), SIGSTOP);
  }
  return tracee.SetSignalMask(mask);
}

}  // namespace ssi
