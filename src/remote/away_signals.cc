#include "remote/away_signals.h"

#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include <spdlog/spdlog.h>

#include "process/memory.h"
#include "process/signal_queues.h"

namespace ssi {

namespace {

std::optional<siginfo_t> InfoOf(const wire::SignalOffer& offer) {
  siginfo_t info{};
  if (offer.info().size() != sizeof info) {
    return std::nullopt;
  }
  std::memcpy(&info, offer.info().data(), sizeof info);
  if (info.si_signo < 1 || info.si_signo > kSignalCount) {
    return std::nullopt;
  }
  return info;
}

// uc_sigmask in the signal frame of x86-64, from the stack pointer at the
// handler's entry: the return address, then struct ucontext, whose mask is
// behind flags, link, stack and the 256 bytes of mcontext
// (arch/x86/include/uapi/asm/sigcontext.h).
constexpr std::uint64_t kFrameMask = 8 + 8 + 8 + 24 + 256;

}  // namespace

std::optional<std::uint64_t> AwaySignals::MaskNow() const {
  if (temporary_) {
    // Others that come in with the signal that a call let in, before or after
    // the call's mask has been taken back at home.
    return temporary_->mask & temporary_->old_mask;
  }
  if (awaited_mask_) {
    return awaited_mask_;
  }
  if (!started_) {
    return signals_.mask;
  }
  if (thread_.Stopped()) {
    auto mask = thread_.tracee().GetSignalMask();
    return mask ? std::optional(*mask) : std::nullopt;
  }
  auto queues = ReadSignalQueues(thread_.tracee().pid());
  return queues ? std::optional(queues->blocked) : std::nullopt;
}

void AwaySignals::OnOffer(const wire::SignalOffer& offer) {
  waiting_.push_back(offer);
  JudgeWaiting();
}

void AwaySignals::OnThreadStopped() {
  if (temporary_ && temporary_->step == Temporary::Step::kWaitStop) {
    // Back from the call: under the mask that it waited with, so that the
    // kernel delivers the signal that the call let in.
    temporary_->step = Temporary::Step::kWaitDelivery;
    (void)thread_.tracee().SetSignalMask(temporary_->mask);
  }
  JudgeWaiting();
  if (temporary_ && temporary_->step == Temporary::Step::kWaitDelivery) {
    GoToDelivery();
  }
}

// Also while it is held: only a frame knows both masks, an image does not.
void AwaySignals::GoToDelivery() {
  auto queues = ReadSignalQueues(thread_.tracee().pid());
  if (queues && queues->AnyDeliverable()) {
    thread_.RunToSignal();
  } else {
    (void)thread_.tracee().SetSignalMask(temporary_->old_mask);
    temporary_.reset();
  }
}

void AwaySignals::OnCallTaken() {
  JudgeWaiting();
}

void AwaySignals::JudgeWaiting() {
  while (!waiting_.empty() &&
         !(temporary_ && temporary_->step == Temporary::Step::kWaitFrame)) {
    if (thread_.place() == GuestThread::Place::kRunning) {
      thread_.RequestStop();
      return;  // judged when it is stopped
    }
    wire::SignalOffer offer = std::move(waiting_.front());
    waiting_.pop_front();
    Judge(offer);
  }
}

void AwaySignals::Judge(const wire::SignalOffer& offer) {
  auto info = InfoOf(offer);
  auto mask = MaskNow();
  if (!info || !mask) {
    return;  // it is dying, or home talks nonsense
  }
  if (offer.temporary() && !temporary_) {
    Temporary made;
    made.mask = offer.temporary_mask();
    made.old_mask = *mask;
    temporary_ = made;
    // Now: in the order in which home offers them.
    SendToThread({*info, offer.of_thread()});
    wire::SignalAnswer answer;
    answer.set_offer(offer.offer());
    answer.set_thread(Raw(tid_));
    answer.set_accepted(true);
    hooks_.answer(answer);
    return;
  }
  if ((*mask & SignalBit(info->si_signo)) != 0) {
    wire::SignalAnswer answer;
    answer.set_offer(offer.offer());
    answer.set_thread(Raw(tid_));
    answer.set_mask(temporary_ ? temporary_->old_mask : *mask);
    hooks_.answer(answer);
    return;
  }
  Accept(offer, {*info, offer.of_thread()});
}

void AwaySignals::Accept(const wire::SignalOffer& offer,
                         const QueuedSignal& signal) {
  SendToThread(signal);
  wire::SignalAnswer answer;
  answer.set_offer(offer.offer());
  answer.set_thread(Raw(tid_));
  answer.set_accepted(true);
  hooks_.answer(answer);
  if (thread_.place() == GuestThread::Place::kNotified) {
    hooks_.interrupt_local();
  }
}

void AwaySignals::SendToThread(const QueuedSignal& signal) {
  sent_[Queue{signal.info.si_signo, signal.of_thread}].push_back(signal.info);
  SendNext();
}

// Carriers, whose siginfo is replaced at their delivery stops. All are sent to
// the thread itself, which home's kernel has chosen; so those of the process's
// queue set out when all of the thread's own, which come first, have arrived.
void AwaySignals::SendNext() {
  bool own = std::any_of(sent_.begin(), sent_.end(), [](const auto& entry) {
    return entry.first.of_thread;
  });
  for (const auto& [queue, infos] : sent_) {
    if (queue.of_thread == own && on_way_.emplace(queue.signal, queue).second) {
      thread_.BeforeSignal(queue.signal);
      ::syscall(SYS_tgkill, Raw(process_), Raw(thread_.tracee().pid()),
                queue.signal);
    }
  }
}

// In the delivery stop of a carrier: it gets the siginfo that it stands for,
// and the next one sets out.
void AwaySignals::Unload(int signal) {
  auto carrier = thread_.tracee().GetSignalInfo();
  auto carried = on_way_.find(signal);
  if (!carrier || carrier->si_code != SI_TKILL || carried == on_way_.end()) {
    return;  // it is dying; or a fault of its own
  }
  auto found = sent_.find(carried->second);
  on_way_.erase(carried);
  (void)thread_.tracee().SetSignalInfo(found->second.front());
  found->second.pop_front();
  if (found->second.empty()) {
    sent_.erase(found);
  }
  SendNext();
}

void AwaySignals::BeforeAnswer() {
  if (temporary_ && temporary_->step == Temporary::Step::kWaitStop) {
    thread_.RequestStop();
  }
}

// As home foresees it for what it sent: told so, it does not unblock there for
// a moment what the next handler blocks.
std::uint64_t AwaySignals::MaskWhenDelivered() const {
  SignalState after = signals_.process;
  std::uint64_t mask = signals_.mask;
  for (const auto& [queue, infos] : sent_) {
    if (after.HasHandler(queue.signal)) {
      mask = after.EnterHandler(queue.signal, mask);
    }
  }
  return mask;
}

void AwaySignals::EnterHandler(int signal, std::uint64_t under) {
  KernelSigaction before =
      signals_.process.actions()[static_cast<std::size_t>(signal - 1)];
  signals_.mask = signals_.process.EnterHandler(signal, under);
  Told mask;
  mask.kind = Told::Kind::kMask;
  mask.mask = MaskWhenDelivered();
  hooks_.tell(mask);
  const KernelSigaction& after =
      signals_.process.actions()[static_cast<std::size_t>(signal - 1)];
  if (after != before) {  // SA_RESETHAND
    Told action;
    action.kind = Told::Kind::kAction;
    action.signal = signal;
    action.action = after;
    hooks_.tell(action);
  }
}

// What it stops for afterwards is still the signal.
void AwaySignals::BeforeHandler() {
  auto info = thread_.tracee().GetSignalInfo();
  if (info) {
    hooks_.before_handler();
    (void)thread_.tracee().SetSignalInfo(*info);
  }
}

void AwaySignals::OnDeliveryStop(int signal) {
  if (temporary_ && temporary_->step == Temporary::Step::kWaitFrame &&
      signal == SIGTRAP) {
    FinishTemporaryStep();
    JudgeWaiting();
    return;
  }
  Unload(signal);
  bool handled = signals_.process.HasHandler(signal);
  if (handled) {
    BeforeHandler();
  }
  auto under = thread_.tracee().GetSignalMask();
  if (handled && under) {
    EnterHandler(signal, *under);
  }
  if (temporary_ && temporary_->step == Temporary::Step::kWaitDelivery) {
    if (handled) {
      // One step: the kernel builds the frame and traps at the handler's first
      // instruction, where the mask that the frame restores can be set.
      temporary_->step = Temporary::Step::kWaitFrame;
      thread_.StepInto(signal);
      return;
    }
    (void)thread_.tracee().SetSignalMask(temporary_->old_mask);
    temporary_.reset();
  }
  thread_.LeaveStop(signal);
  JudgeWaiting();
}

void AwaySignals::FinishTemporaryStep() {
  auto registers = thread_.tracee().GetRegisters();
  if (registers) {
    auto status =
        WriteObject(thread_.tracee().pid(), registers->sp() + kFrameMask,
                    temporary_->old_mask);
    if (!status) {
      spdlog::error("guest: mask of a signal frame: {}",
                    status.error().message);
    }
  }
  temporary_.reset();
  thread_.LeaveStop();
}

std::vector<QueuedSignal> AwaySignals::Undelivered() const {
  std::vector<QueuedSignal> left;
  for (const auto& [queue, infos] : sent_) {
    for (const auto& info : infos) {
      left.push_back({info, queue.of_thread});
    }
  }
  return left;
}

}  // namespace ssi
