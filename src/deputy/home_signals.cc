#include "deputy/home_signals.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include <spdlog/spdlog.h>

#include "deputy/cut_short.h"
#include "process/call_runner.h"
#include "process/cpu_timers.h"
#include "process/injector.h"
#include "process/kernel.h"
#include "process/signal_order.h"
#include "process/signal_queues.h"

namespace ssi {

void HomeSignals::GoOn(int signal) {
  auto status = tracee_.Continue(signal);
  if (!status && status.error().code != ErrorCode::kGone) {
    spdlog::error("stand-in: {}", status.error().message);
  }
}

std::optional<Registers> HomeSignals::InCall() const {
  if (!executor_.Busy()) {
    return std::nullopt;
  }
  auto registers = tracee_.GetRegisters();
  if (!registers || !registers->InCall() ||
      registers->ip() != agent_code_ + AgentInCallOffset()) {
    return std::nullopt;
  }
  return *registers;
}

void HomeSignals::OnStop(const Stop& stop) {
  switch (stop.kind) {
    case Stop::Kind::kSignal:
      OnSignal(stop.value);
      return;
    case Stop::Kind::kGroupStop:
      if (!std::exchange(group_stop_.stopped, true)) {
        hooks_.stopped(stop.value);
      }
      EndByStop();
      (void)tracee_.Listen();
      BeQuiet();
      return;
    case Stop::Kind::kInterrupted:
      OnInterrupted();
      return;
    default:
      GoOn();
      return;
  }
}

void HomeSignals::OnSignal(int signal) {
  auto info = tracee_.GetSignalInfo();
  if (!info) {
    return;  // it is dying
  }
  bool by_cpu_time =
      signal == SIGXCPU || signal == SIGPROF || signal == SIGVTALRM;
  if (by_cpu_time && info->si_code == SI_USER && info->si_pid == ::getpid()) {
    // From cpu_limit.h or cpu_timer_watch.h, in the kernel's stead.
    *info = {};
    info->si_signo = signal;
    info->si_code = SI_KERNEL;
    (void)tracee_.SetSignalInfo(*info);
  }
  if (holding_ == Holding::kInForce) {
    PutBack(signal);
    return;
  }
  bool of_thread = origins_.Taken({pid_, tracee_.pid()}, *info);
  RemoveMark(*info);
  if (signals_.process.Ignored(signal)) {
    Drop();
    return;
  }
  if (signals_.process.Stops(signal)) {
    // Its group-stop, which an orphaned process group does not get, stops the
    // remote.
    EndByStop();
    GoOn(signal);
    TryToHold();
    return;
  }
  Offer(*info, of_thread);
}

// Came in through a call's temporary mask while all others are held: back onto
// its queue, and the call is interrupted, to be made again when it is home.
void HomeSignals::PutBack(int signal) {
  if (signal == SIGSTOP) {
    stop_later_ = true;  // the agent is needed until it is home
    GoOn();
    return;
  }
  UndoEintr();  // which was for this signal
  EndCall(false);
  Requeue(signal, kAllSignals);
}

void HomeSignals::Requeue(int signal, std::uint64_t mask) {
  auto queues = ReadSignalQueues(tracee_.pid());
  if (signal >= kFirstRealTime && queues && queues->Pends(signal)) {
    auto status = RequeueInFront(signal);
    if (!status && status.error().code != ErrorCode::kGone) {
      spdlog::error("stand-in: signal {}: {}", signal, status.error().message);
    }
    signal = 0;
  }
  (void)tracee_.SetSignalMask(mask);
  GoOn(signal);
}

// The kernel puts it behind others of its number, which were sent later.
Status HomeSignals::RequeueInFront(int signal) {
  HostPid pid = tracee_.pid();
  SSI_ASSIGN(auto info, tracee_.GetSignalInfo());
  SSI_ASSIGN(auto before, PeekQueued(pid, signal));
  constexpr std::uint64_t kLength = 2;  // of the instruction `syscall`
  SSI_ASSIGN(
      auto injector,
      Injector::Begin(tracee_, agent_code_ + (AgentInCallOffset() - kLength)));
  SSI_TRY(injector.HandBack(signal));
  SSI_ASSIGN(auto after, PeekQueued(pid, signal));
  // A siginfo does not always tell its queue.
  bool of_thread = after.of_thread.size() > before.of_thread.size();
  QueuedSignals older;
  (of_thread ? older.of_thread : older.of_process).push_back(info);
  InjectingRunner runner(injector, pid, executor_.window().remote_spare(),
                         AgentWindow::kSpareSize);
  Status status = PutInFront(runner, {pid_, pid}, signal, older);
  SSI_TRY(injector.End());
  return status;
}

void HomeSignals::Hold(std::function<void()> then) {
  when_held_ = std::move(then);
  holding_ = Holding::kWanted;
  if (!offered_) {
    TryToHold();
  }
}

void HomeSignals::TryToHold() {
  if ((holding_ == Holding::kWanted || when_quiet_) && !offered_) {
    (void)tracee_.Interrupt();
  }
}

void HomeSignals::BeQuiet() {
  if (auto then = std::exchange(when_quiet_, nullptr)) {
    then();
  }
}

void HomeSignals::Release() {
  holding_ = Holding::kNo;
  when_held_ = nullptr;
  calls_.Release();
  (void)tracee_.Interrupt();  // its stop puts the mask back
  if (std::exchange(stop_later_, false)) {
    ::kill(Raw(pid_), SIGSTOP);
  }
}

// Some calls become EINTR by a mere stop; they are made again (kernel-facts,
// part 2 section 4).
void HomeSignals::UndoEintr() {
  auto registers = InCall();
  if (registers && registers->result() == -EINTR) {
    registers->SetInterrupted(registers->call_number(), kRestartNoHand);
    (void)tracee_.SetRegisters(*registers);
  }
}

void HomeSignals::EndByStop() {
  if (InCall()) {
    (void)KeepEintr(tracee_);
  }
}

void HomeSignals::KeepTime() {
  auto registers = InCall();
  if (registers && calls_.KeepTime(*registers)) {
    (void)tracee_.SetRegisters(*registers);
  }
}

// A signal that would be ignored natively.
void HomeSignals::Drop() {
  UndoEintr();
  KeepTime();
  GoOn();
  hooks_.taken();
}

void HomeSignals::Offer(const siginfo_t& info, bool of_thread) {
  wire::SignalOffer offer;
  offered_ = Offered{next_offer_++, info, false, of_thread, signals_.mask};
  offer.set_offer(offered_->id);
  offer.set_thread(Raw(tracee_.pid()));
  offer.set_info(&info, sizeof info);
  offer.set_of_thread(of_thread);
  if (auto mask = calls_.TemporaryMask(); mask && InCall()) {
    offered_->temporary = true;
    offered_->under = *mask;
    offer.set_temporary(true);
    offer.set_temporary_mask(*mask);
  }
  hooks_.offer(offer);
}

void HomeSignals::OnAnswer(const wire::SignalAnswer& answer) {
  if (!offered_ || answer.offer() != offered_->id) {
    return;
  }
  Offered offered = *std::exchange(offered_, std::nullopt);
  if (!answer.accepted()) {
    // Blocked there: blocked here too, and back onto its queue.
    int signal = offered.info.si_signo;
    signals_.mask = (answer.mask() | SignalBit(signal)) & ~kNeverBlocked;
    if (offered.of_thread) {
      origins_.Note({pid_, tracee_.pid()}, offered.info);
    }
    Requeue(signal, signals_.mask);
    if (cancel_) {
      (void)tracee_.Interrupt();
    }
    hooks_.taken();
    return;
  }
  EndCall(offered.temporary);
  EnterHandler(offered);
  GoOn();
  hooks_.taken();
}

void HomeSignals::GiveUpOffer() {
  if (std::exchange(offered_, std::nullopt)) {
    GoOn();
  }
}

// The handler's mask is in force here at once, not only when the remote tells
// it: what it blocks stays on the queues here, where sigpending sees it.
void HomeSignals::EnterHandler(const Offered& offered) {
  int signal = offered.info.si_signo;
  if (!signals_.process.HasHandler(signal)) {
    return;
  }
  // Of a SA_RESETHAND home is told in its turn.
  SignalState entered = signals_.process;
  signals_.mask = entered.EnterHandler(
      signal, offered.temporary ? offered.under : signals_.mask);
  if (holding_ != Holding::kInForce) {
    (void)tracee_.SetSignalMask(signals_.mask);
  }
}

void HomeSignals::EndCall(bool as_eintr) {
  cancel_.reset();
  auto registers = InCall();
  // What the agent does otherwise is ours: the kernel makes it again.
  if (!registers || !calls_.InAgent()) {
    EndCallNotBegun();
    return;
  }
  std::int64_t result = registers->result();
  if (!IsRestart(result)) {
    return;  // it has a result, EINTR included
  }
  registers->FinishCall(as_eintr ? -EINTR : result);
  (void)tracee_.SetRegisters(*registers);
}

// Never by letting it go on and interrupting it again: an interrupt that comes
// before it has a CPU stops it where it was, for ever on a busy machine.
void HomeSignals::EndCallNotBegun() {
  if (!calls_.Busy()) {
    return;
  }
  if (!calls_.InAgent()) {
    calls_.EndWaiting();
    return;
  }
  auto registers = tracee_.GetRegisters();
  if (!registers) {
    return;  // it is dying
  }
  auto skipped = executor_.window().SkipCall(*registers, agent_code_,
                                             calls_.ResultIfNotBegun());
  if (skipped) {
    (void)tracee_.SetRegisters(*skipped);
  }
}

void HomeSignals::OnCancel(std::uint64_t id) {
  if (calls_.AnswerHeld(id) || !calls_.HasCall(id)) {
    return;  // its reply is on the way
  }
  cancel_ = id;
  if (!offered_) {
    (void)tracee_.Interrupt();
  }
}

void HomeSignals::OnInterrupted() {
  if (std::exchange(group_stop_.stopped, false)) {
    hooks_.continued();
  }
  auto queues = ReadSignalQueues(tracee_.pid());
  bool deliverable = queues && queues->AnyDeliverable();
  if (!deliverable) {
    UndoEintr();  // of an interrupt alone
  }
  if (holding_ == Holding::kWanted) {
    if (calls_.SettingMask() || deliverable) {
      // Signals that are unblocked together, or let in by a call together, are
      // delivered together: the next one stops here at once, or the mask is
      // set first.
      GoOn();
      return;
    }
    holding_ = Holding::kInForce;
    calls_.Hold();
    (void)tracee_.SetSignalMask(kAllSignals);
    if (auto then = std::exchange(when_held_, nullptr)) {
      then();
    }
  } else if (holding_ == Holding::kNo) {
    (void)tracee_.SetSignalMask(signals_.mask);
    if (!queues || (queues->pending & ~signals_.mask) == 0) {
      BeQuiet();
    }
  }
  if (cancel_ && calls_.Busy()) {
    EndCall(false);
  } else {
    KeepTime();
  }
  cancel_.reset();
  GoOn();
}

}  // namespace ssi
