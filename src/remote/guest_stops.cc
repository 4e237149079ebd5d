#include <signal.h>
#include <sys/wait.h>

#include "base/fault.h"
#include "process/kernel.h"
#include "process/signal_queues.h"
#include "proto/message.h"
#include "remote/guest.h"
#include "supervisor/filter.h"

// What the guest's threads stop for, their calls, and the end of all.

namespace ssi {

namespace {
using namespace std::chrono_literals;

// A quick answer of home is worth waiting for: a sleep and a wake-up across
// CPUs cost 30 us (design, section 12).
constexpr Nanos kPollForReply = 50us;
}  // namespace

void Guest::OnListener() {
  if (places_.channel.Full()) {
    listener_watch_.reset();  // calls wait in the kernel until OnRoom
    return;
  }
  auto call = notifications_->Receive();
  if (!call || !*call || over_) {
    return;
  }
  auto* task = FindTask((*call)->thread);
  if (task == nullptr) {
    Fatal("a call of a thread that is not known");
    return;
  }
  (void)fault::Hit("guest.call");
  task->thread.OnNotified(**call);
  task->calls.OnCall(**call);
  task->away_signals.OnCallTaken();
  CheckFrozen();
  if (task->forwarder.Outstanding()) {
    places_.channel.PollFor(kPollForReply);
  }
}

void Guest::PollStops() {
  if (!body_ || over_) {
    return;
  }
  std::vector<HostPid> threads = {body_->pid()};
  for (const auto& [here, task] : tasks_) {
    if (here != body_->pid()) {
      threads.push_back(here);
    }
  }
  for (HostPid here : threads) {
    while (!over_) {
      auto stop = Tracee(here).WaitFor(Nanos(0));
      if (!stop || !*stop) {
        break;
      }
      if ((*stop)->Dead() && here == body_->pid()) {
        OnDeath(**stop);
        return;
      }
      if ((*stop)->Dead()) {
        ::waitpid(Raw(here), nullptr, __WALL);
        OnTaskEnded(here);
        break;
      }
      if (auto* task = FindTask(here)) {
        OnStopStatus(*task, **stop);
      }
    }
  }
}

void Guest::OnStopStatus(GuestTask& task, const Stop& stop) {
  if (task.thread.StaysTorn(stop)) {
    mapper_->OnThreadTorn(task.thread);
    CheckFrozen();
    return;
  }
  switch (stop.kind) {
    case Stop::Kind::kInterrupted:
      OnInterrupted(task);
      return;
    case Stop::Kind::kSeccomp:
      OnSeccompStop(task);
      return;
    case Stop::Kind::kSignal:
      NoteStop(task);
      task.calls.BeforeSignal();
      task.away_signals.OnDeliveryStop(stop.value);
      CheckFrozen();
      return;
    case Stop::Kind::kGroupStop:
      // Somebody on this node stopped it; it stays so until they continue it.
      (void)task.thread.tracee().Listen();
      return;
    default:
      NoteStop(task);
      task.thread.GoOn();
      return;
  }
}

// A stop that comes before a notification is received ends the call with
// ERESTARTSYS (seccomp_do_user_notification, kernel/seccomp.c), of which a
// handler makes EINTR. It was not begun: it is made again.
void Guest::NoteStop(GuestTask& task) {
  const Tracee& tracee = task.thread.tracee();
  bool answered = task.thread.OnStopped();
  auto registers = tracee.GetRegisters();
  if (answered || !registers || !registers->InCall() ||
      registers->result() != kRestartSys) {
    return;
  }
  auto number = static_cast<int>(registers->call_number());
  auto decision = supervisor::Decide(number, registers->args(), followed_.pid);
  // What the kernel here waits for by itself can end so too.
  if (decision.call_class != supervisor::CallClass::kLocal) {
    registers->SetInterrupted(registers->call_number(), kRestartNoIntr);
    (void)tracee.SetRegisters(*registers);
  }
}

void Guest::OnInterrupted(GuestTask& task) {
  NoteStop(task);
  // A fault was on its way to it. Held back, it would come in the middle of an
  // injected call, blocked or not: where SIGTRAP is to be delivered, the kernel
  // takes whichever fault was queued first (dequeue_synchronous_signal,
  // kernel/signal.c).
  auto queues = ReadSignalQueues(task.here());
  if (queues && queues->AnyFault()) {
    task.thread.RunToSignal();
    return;
  }
  const Tracee& tracee = task.thread.tracee();
  auto registers = tracee.GetRegisters();
  if (registers && registers->RandomCutShort()) {
    registers->RewindCall(registers->call_number());
    (void)tracee.SetRegisters(*registers);
  }
  task.calls.OnThreadStopped();
  mapper_->OnThreadStopped(task.thread);
  task.away_signals.OnThreadStopped();
  CheckFrozen();
  if (task.thread.Stopped()) {
    task.thread.GoOn();
  }
}

void Guest::OnSeccompStop(GuestTask& task) {
  const Tracee& tracee = task.thread.tracee();
  auto reason = tracee.GetEventMessage();
  auto registers = tracee.GetRegisters();
  if (!reason || !registers) {
    return;  // it is dying
  }
  NoteStop(task);
  using supervisor::TraceReason;
  switch (static_cast<TraceReason>(*reason)) {
    case TraceReason::kLife:
      OnLifeCall(task, *registers);
      return;
    case TraceReason::kFromOwnPage:
      Fatal("it made a system call from the runtime's own page");
      return;
    default:
      ComeHome(task, *registers,
               static_cast<TraceReason>(*reason) == TraceReason::kUnknown);
      return;
  }
}

// In the seccomp stop of a call that is for home alone.
void Guest::ComeHome(GuestTask& task, const Registers& registers,
                     bool unknown) {
  task.in_seccomp_stop = true;
  task.thread.AddHold(GuestThread::kHoldHome);
  auto number = static_cast<int>(registers.call_number());
  if (unknown && supervisor::FindCall(number) != nullptr) {
    // A 32-bit call: its number means something else in the table.
    constexpr int kForeign = 1 << 30;
    number |= kForeign;
  }
  auto decision = supervisor::Decide(number, registers.args(), followed_.pid);
  task.calls.CountStop(supervisor::CallClass::kComeHome, number);
  wire::ComeHome come;
  come.set_number(number);
  come.set_thread(Raw(task.tid));
  come.set_reason(std::string(decision.row == nullptr
                                  ? "a call that is not in the table"
                                  : decision.note));
  hooks_.come_home(come);
  CheckFrozen();
}

void Guest::EndWith(const wire::Exit& exit) {
  over_ = true;
  hooks_.exited(exit);
}

void Guest::OnDeath(const Stop& stop) {
  if (over_ || !started_) {
    over_ = true;
    return;
  }
  wire::Exit exit;
  exit.set_killed(stop.kind == Stop::Kind::kKilled);
  exit.set_code(stop.value);
  EndWith(exit);
}

void Guest::Fatal(const std::string& reason) {
  wire::Exit exit;
  exit.set_killed(true);
  exit.set_code(SIGKILL);
  exit.set_reason(reason);
  ::kill(Raw(body_->pid()), SIGKILL);
  EndWith(exit);
}

}  // namespace ssi
