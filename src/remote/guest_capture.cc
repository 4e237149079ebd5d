// What leaves of a guest when it is moved.
#include <sys/syscall.h>

#include "process/cpu_time.h"
#include "process/kernel.h"
#include "remote/guest.h"

namespace ssi {

// From the stop at a call that comes home into the signal path, with the call
// about to be made.
Status Guest::LeaveSeccompStop(GuestTask& task) {
  const Tracee& tracee = task.thread.tracee();
  SSI_ASSIGN(auto registers, tracee.GetRegisters());
  std::uint64_t number = registers.call_number();
  registers.SkipCall(0);
  SSI_TRY(tracee.SetRegisters(registers));
  SSI_TRY(tracee.Interrupt());
  SSI_TRY(tracee.Continue());
  for (;;) {
    SSI_ASSIGN(Stop stop, tracee.Wait());
    if (stop.Dead()) {
      return Fail(ErrorCode::kGone, "the process died");
    }
    if (stop.kind == Stop::Kind::kInterrupted) {
      break;
    }
    SSI_TRY(tracee.Continue(stop.kind == Stop::Kind::kSignal ? stop.value : 0));
  }
  SSI_ASSIGN(registers, tracee.GetRegisters());
  registers.RewindCall(number);
  task.in_seccomp_stop = false;
  return tracee.SetRegisters(registers);
}

Result<CapturedProcess> Guest::Capture() {
  for (auto& [here, task] : tasks_) {
    if (task->in_seccomp_stop) {
      SSI_TRY(LeaveSeccompStop(*task));
    }
  }
  ProcessImage known = followed_;
  known.areas.clear();
  known.actions = signal_state_.actions();  // as set here
  SSI_ASSIGN(CpuTime here, CpuTimeOf(body_->pid()));
  SSI_ASSIGN(auto captured, body_->Capture(std::move(known)));
  captured.image.cpu_elsewhere = followed_.cpu_elsewhere + here;
  TakePending(captured);
  captured.image.clock_floor = {places_.clock.Monotonic() + shift_.monotonic,
                                places_.clock.Boot() + shift_.boot};
  captured.image.coarse_floor = MonotonicCoarse() + shift_.monotonic;
  return captured;
}

// A wait that goes on by restart_syscall can be stopped on the way into that
// call, too; elsewhere it must begin where the wait was interrupted.
std::optional<PendingCall> Guest::PendingOf(GuestTask& task,
                                            Registers& registers) {
  Registers waits = registers;
  if (registers.InCall() && registers.call_number() == SYS_restart_syscall &&
      IsRestart(registers.result())) {
    waits.SetInterrupted(SYS_restart_syscall, kRestartBlock);
  } else if (registers.AboutToRestart(SYS_restart_syscall)) {
    waits.BackIntoCall(kRestartBlock);
  }
  auto pending = task.calls.PendingOf(waits);
  if (pending && registers.result() != kRestartBlock) {
    registers = waits;
    registers.SetInterrupted(pending->number, kRestartBlock);
  }
  return pending;
}

// What only this side knows of the threads: calls with time left, and signals
// that have been accepted and not delivered. They stay here, too.
void Guest::TakePending(CapturedProcess& captured) {
  for (auto& thread : captured.image.threads) {
    auto* task = FindTask(thread.tid);
    if (task == nullptr) {
      continue;  // it has exited
    }
    thread.undelivered = task->away_signals.Undelivered();
    thread.cpu_elsewhere = task->calls.UsedByThread();
    if (auto cut = task->calls.CutOf(thread.registers)) {
      thread.pending = cut;
      continue;
    }
    thread.pending = PendingOf(*task, thread.registers);
    task->calls.SetPending(thread.pending);
    if (!thread.pending &&
        thread.registers.AboutToRestart(SYS_restart_syscall)) {
      thread.registers.BackIntoCall(kRestartBlock);
    }
    if (thread.registers.InCall() &&
        thread.registers.result() == kRestartBlock && !thread.pending) {
      // The one wait that the kernel makes here unseen: FUTEX_WAIT_BITSET until
      // a point in time, which is the same one wherever the call is made again.
      thread.registers.SetInterrupted(SYS_futex, kRestartNoHand);
    }
  }
}

}  // namespace ssi
