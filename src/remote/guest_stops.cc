#include <signal.h>

#include "process/kernel.h"
#include "process/signal_queues.h"
#include "proto/message.h"
#include "remote/guest.h"
#include "supervisor/filter.h"

// What the guest's thread stops for, and its end.

namespace ssi {

void Guest::PollStops() {
  while (body_ && !over_) {
    auto stop = body_->tracee().WaitFor(Nanos(0));
    if (!stop || !*stop) {
      return;
    }
    OnStopStatus(**stop);
    if ((*stop)->Dead()) {
      return;
    }
  }
}

void Guest::OnStopStatus(const Stop& stop) {
  if (thread_ && !stop.Dead() && thread_->StaysTorn(stop)) {
    mapper_->OnThreadTorn();
    CheckFrozen();
    return;
  }
  switch (stop.kind) {
    case Stop::Kind::kExited:
    case Stop::Kind::kKilled:
      OnDeath(stop);
      return;
    case Stop::Kind::kInterrupted:
      OnInterrupted();
      return;
    case Stop::Kind::kSeccomp:
      OnSeccompStop();
      return;
    case Stop::Kind::kSignal:
      if (thread_) {
        NoteStop();
        signals_->OnDeliveryStop(stop.value);
        CheckFrozen();
      }
      return;
    case Stop::Kind::kGroupStop:
      // Somebody on this node stopped it; it stays so until they continue it.
      (void)body_->tracee().Listen();
      return;
    default:
      if (thread_) {
        NoteStop();
        thread_->GoOn();
      }
      return;
  }
}

// A stop that comes before a notification is received ends the call with
// ERESTARTSYS (seccomp_do_user_notification, kernel/seccomp.c), of which a
// handler makes EINTR. It was not begun: it is made again.
void Guest::NoteStop() {
  bool answered = thread_->OnStopped();
  auto registers = body_->tracee().GetRegisters();
  if (answered || !registers || !registers->InCall() ||
      registers->result() != kRestartSys) {
    return;
  }
  auto number = static_cast<int>(registers->call_number());
  auto decision = supervisor::Decide(number, registers->args(), followed_.pid);
  // What the kernel here waits for by itself can end so too.
  if (decision.call_class != supervisor::CallClass::kLocal) {
    registers->SetInterrupted(registers->call_number(), kRestartNoIntr);
    (void)body_->tracee().SetRegisters(*registers);
  }
}

void Guest::OnInterrupted() {
  if (!thread_) {
    return;
  }
  NoteStop();
  // A fault was on its way to it. Held back, it would come in the middle of an
  // injected call, blocked or not: where SIGTRAP is to be delivered, the kernel
  // takes whichever fault was queued first (dequeue_synchronous_signal,
  // kernel/signal.c).
  auto queues = ReadSignalQueues(pid());
  if (queues && queues->AnyFault()) {
    thread_->RunToSignal();
    return;
  }
  auto registers = body_->tracee().GetRegisters();
  if (registers && registers->RandomCutShort()) {
    registers->RewindCall(registers->call_number());
    (void)body_->tracee().SetRegisters(*registers);
  }
  mapper_->OnThreadStopped();
  signals_->OnThreadStopped();
  CheckFrozen();
  if (thread_->Stopped()) {
    thread_->GoOn();
  }
}

void Guest::OnSeccompStop() {
  auto reason = body_->tracee().GetEventMessage();
  auto registers = body_->tracee().GetRegisters();
  if (!reason || !registers || !thread_) {
    return;  // it is dying
  }
  NoteStop();
  using supervisor::TraceReason;
  switch (static_cast<TraceReason>(*reason)) {
    case TraceReason::kLife:
      OnLifeCall(*registers);
      return;
    case TraceReason::kFromOwnPage:
      Fatal("it made a system call from the runtime's own page");
      return;
    default:
      break;
  }
  in_seccomp_stop_ = true;
  thread_->AddHold(GuestThread::kHoldHome);
  auto number = static_cast<int>(registers->call_number());
  if (static_cast<TraceReason>(*reason) == TraceReason::kUnknown &&
      supervisor::FindCall(number) != nullptr) {
    // A 32-bit call: its number means something else in the table.
    constexpr int kForeign = 1 << 30;
    number |= kForeign;
  }
  auto decision = supervisor::Decide(number, registers->args(), followed_.pid);
  hooks_.come_home(number, decision.row == nullptr
                               ? "a call that is not in the table"
                               : decision.note);
  CheckFrozen();
}

void Guest::OnLifeCall(const Registers& registers) {
  thread_->AddHold(GuestThread::kHoldEnd);
  over_ = true;
  wire::Exit exit;
  constexpr std::uint64_t kCodeMask = 0xff;
  exit.set_code(static_cast<std::int32_t>(registers.args()[0] & kCodeMask));
  hooks_.exited(exit);
}

void Guest::OnDeath(const Stop& stop) {
  bool expected = over_;
  over_ = true;
  if (expected || !started_) {
    return;
  }
  wire::Exit exit;
  exit.set_killed(stop.kind == Stop::Kind::kKilled);
  exit.set_code(stop.value);
  hooks_.exited(exit);
}

void Guest::Fatal(const std::string& reason) {
  over_ = true;
  wire::Exit exit;
  exit.set_killed(true);
  exit.set_code(SIGKILL);
  exit.set_reason(reason);
  ::kill(Raw(pid()), SIGKILL);
  hooks_.exited(exit);
}

}  // namespace ssi
