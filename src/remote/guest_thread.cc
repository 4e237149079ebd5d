#include "remote/guest_thread.h"

#include <utility>

#include <spdlog/spdlog.h>

#include "base/check.h"
#include "process/kernel.h"
#include "process/signal_queues.h"

namespace ssi {

namespace {

// Death is a normal outcome and reported elsewhere; anything else is worth a
// line.
void Expect(const Status& status, const char* what) {
  if (!status && status.error().code != ErrorCode::kGone) {
    spdlog::error("guest: {}: {}", what, status.error().message);
  }
}

}  // namespace

void GuestThread::RequestStop() {
  if (place_ != Place::kStopped && !interrupt_requested_) {
    interrupt_requested_ = true;
    Expect(tracee_.Interrupt(), "interrupt");
  }
}

void GuestThread::BeforeSignal(int signal) {
  if (wait_ != Wait::kTorn || place_ != Place::kNotified || torn_stop_) {
    return;
  }
  auto queues = ReadSignalQueues(tracee_.pid());
  if (queues && (queues->blocked & SignalBit(signal)) == 0) {
    RequestStop();
  }
}

void GuestThread::AddHold(Hold hold) {
  holds_ |= hold;
  RequestStop();
}

void GuestThread::DropHold(Hold hold) {
  std::uint32_t before = holds_;
  holds_ &= ~static_cast<std::uint32_t>(hold);
  if (before != 0 && holds_ == 0 && place_ == Place::kStopped) {
    GoOn();
  }
}

void GuestThread::OnNotified(const Notification& notification) {
  place_ = Place::kNotified;
  restart_answered_ = false;
  notification_ = notification;
}

bool GuestThread::OnStopped() {
  place_ = Place::kStopped;
  // "Any trap clears pending STOP trap" (kernel/signal.c, ptrace_stop).
  interrupt_requested_ = false;
  return restart_answered_;
}

bool GuestThread::StaysTorn(const Stop& stop) {
  if (later_) {
    PutResult(*std::exchange(later_, std::nullopt));
    return false;
  }
  if (wait_ != Wait::kTorn || place_ != Place::kNotified) {
    return false;
  }
  torn_stop_ = stop;
  return true;
}

// As if the notification had been answered so.
void GuestThread::PutResult(std::int64_t result) {
  auto registers = tracee_.GetRegisters();
  if (!registers) {
    return;  // it is dying
  }
  if (IsRestart(result)) {
    registers->SetInterrupted(static_cast<std::uint64_t>(notification_.number),
                              result);
  } else {
    registers->FinishCall(result);
  }
  Expect(tracee_.SetRegisters(*registers), "result of a call");
}

void GuestThread::Answer(std::int64_t result) {
  SSI_CHECK(place_ == Place::kNotified, "answer to nothing");
  if (IsRestart(result)) {
    // With neither interrupt nor signal pending the code would reach the
    // program as an errno (kernel-facts, part 1 section 6).
    RequestStop();
    restart_answered_ = true;
  }
  place_ = Place::kRunning;
  if (!Torn()) {
    Expect(notifications_.Answer(notification_.id, result), "answer");
  } else if (!torn_stop_) {
    later_ = result;
  } else {
    // Through one more stop, which comes before any signal is delivered
    // (get_signal, kernel/signal.c).
    int signal =
        torn_stop_->kind == Stop::Kind::kSignal ? torn_stop_->value : 0;
    torn_stop_.reset();
    PutResult(result);
    interrupt_requested_ = true;
    Expect(tracee_.Interrupt(), "interrupt");
    Expect(tracee_.Continue(signal), "continue");
  }
}

void GuestThread::AnswerByKernel() {
  SSI_CHECK(place_ == Place::kNotified, "answer to nothing");
  if (Torn()) {
    Answer(kRestartNoIntr);
    return;
  }
  place_ = Place::kRunning;
  Expect(notifications_.Continue(notification_.id), "continue a call");
}

Status GuestThread::AddFd(int fd, int at) {
  if (Torn()) {
    return Fail(ErrorCode::kGone, "its wait is torn");
  }
  return notifications_.AddFd(notification_.id, fd, at);
}

void GuestThread::GoOn(int signal) {
  if (holds_ == 0) {
    LeaveStop(signal);
  }
}

void GuestThread::LeaveStop(int signal) {
  SSI_CHECK(place_ == Place::kStopped, "it is not stopped");
  place_ = Place::kRunning;
  if (restart_answered_) {
    // Still in its call where it stops for a signal next.
    auto queues = ReadSignalQueues(tracee_.pid());
    restart_answered_ = signal == 0 && queues && queues->AnyDeliverable();
  }
  if (holds_ != 0) {
    RequestStop();  // pends over the stop, and takes effect right after it
  }
  Expect(tracee_.Continue(signal), "continue");
}

void GuestThread::RunToSignal() {
  place_ = Place::kRunning;
  Expect(tracee_.Continue(), "continue");
}

void GuestThread::StepInto(int signal) {
  place_ = Place::kRunning;
  restart_answered_ = false;
  Expect(tracee_.SingleStep(signal), "single step");
}

}  // namespace ssi
