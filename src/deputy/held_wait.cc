#include "deputy/held_wait.h"

#include <sys/syscall.h>

#include <cerrno>

#include <spdlog/spdlog.h>

#include "deputy/cut_short.h"
#include "process/kernel.h"
#include "process/signal_queues.h"

namespace ssi {

namespace {

// What the call gives when its time is up (sigtimedwait(2), semop(2); the
// others count what has happened).
std::int64_t ResultOfTimeout(std::uint64_t number) {
  bool again = number == SYS_rt_sigtimedwait || number == SYS_semtimedop;
  return again ? -EAGAIN : 0;
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

void HeldWait::GoOn(const Tracee& tracee, int signal) {
  auto status = tracee.StepToSyscall(signal);
  if (!status && status.error().code != ErrorCode::kGone) {
    spdlog::error("a wait at home: {}", status.error().message);
  }
}

std::optional<int> HeldWait::OnStop(const Tracee& tracee, const Stop& stop,
                                    Nanos now) {
  switch (stop.kind) {
    case Stop::Kind::kSyscall:
      return in_call_ ? OnResult(tracee, now) : OnEntry(tracee, now);
    case Stop::Kind::kSignal: {
      auto queues = ReadSignalQueues(tracee.pid());
      if (!queues || !queues->Ignores(stop.value)) {
        return stop.value;
      }
      (void)MendCutShort(tracee);
      GoOn(tracee, stop.value);
      return std::nullopt;
    }
    case Stop::Kind::kInterrupted:
      (void)MendCutShort(tracee);
      GoOn(tracee);
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
  if (!registers || registers->call_number() != left_.call.number ||
      registers->args() != left_.call.args) {
    return 0;  // a signal's handler came first
  }
  in_call_ = true;
  if (left_.end <= now) {
    Interrupt(tracee);  // what is there already it gets
  }
  GoOn(tracee);
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
    GoOn(tracee);
    return std::nullopt;
  }
  registers->FinishCall(ResultOfTimeout(left_.call.number));
  (void)tracee.SetRegisters(*registers);
  return 0;
}

}  // namespace ssi
