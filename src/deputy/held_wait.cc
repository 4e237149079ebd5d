#include "deputy/held_wait.h"

#include <sys/syscall.h>

#include <cerrno>

#include "deputy/cut_short.h"
#include "deputy/traced_run.h"
#include "process/signal_queues.h"
#include "supervisor/timed_calls.h"

namespace ssi {

namespace {

// What the call gives when its time is up (sigtimedwait(2), semop(2),
// socket(7); the others count what has happened).
std::int64_t ResultOfTimeout(std::uint64_t number) {
  bool counts = supervisor::TimedCallOf(static_cast<int>(number)) != nullptr &&
                number != SYS_rt_sigtimedwait && number != SYS_semtimedop;
  return counts ? 0 : -EAGAIN;
}

}  // namespace

Status HeldWait::Begin(const Tracee& tracee) {
  in_call_ = false;
  return tracee.StepToSyscall();
}

void HeldWait::Interrupt(const Tracee& tracee) {
  interrupted_ = true;
  (void)tracee.Interrupt();
}

std::optional<int> HeldWait::OnStop(const Tracee& tracee, const Stop& stop,
                                    Nanos now) {
  switch (stop.kind) {
    case Stop::Kind::kSyscall:
      return in_call_ ? OnResult(tracee, now) : OnEntry(tracee, now);
    case Stop::Kind::kSignal:
      if (!Ignores(tracee.pid(), stop.value)) {
        return stop.value;
      }
      (void)MendCutShort(tracee);
      StepOn(tracee, stop.value);
      return std::nullopt;
    case Stop::Kind::kInterrupted:
      (void)MendCutShort(tracee);
      StepOn(tracee);
      return std::nullopt;
    case Stop::Kind::kGroupStop:
      // As natively: after SIGCONT it has been interrupted.
      if (auto registers = tracee.GetRegisters();
          registers && registers->InCall() &&
          registers->result() == kRestartNoHand) {
        registers->SetInterrupted(registers->call_number(), -EINTR);
        (void)tracee.SetRegisters(*registers);
      }
      return 0;
    default:
      return 0;
  }
}

std::optional<int> HeldWait::OnEntry(const Tracee& tracee, Nanos now) {
  auto registers = tracee.GetRegisters();
  if (!registers || !registers->InThis(left_.call.number, left_.call.args)) {
    return 0;  // a signal's handler came first
  }
  in_call_ = true;
  if (left_.end <= now) {
    Interrupt(tracee);  // what is there already it gets
  }
  StepOn(tracee);
  return std::nullopt;
}

std::optional<int> HeldWait::OnResult(const Tracee& tracee, Nanos now) {
  in_call_ = false;
  auto registers = tracee.GetRegisters();
  auto queues = ReadSignalQueues(tracee.pid());
  if (!registers || !queues || !CutShort(*registers) || queues->AnyNative()) {
    return 0;
  }
  if (left_.end > now) {
    // By a signal that it ignores, or that another thread has taken. Only where
    // the kernel looks for signals it acts on a restart code.
    (void)tracee.Interrupt();
    StepOn(tracee);
    return std::nullopt;
  }
  registers->FinishCall(ResultOfTimeout(left_.call.number));
  (void)tracee.SetRegisters(*registers);
  return 0;
}

}  // namespace ssi
