#ifndef SSI_REMOTE_GUEST_THREAD_H_
#define SSI_REMOTE_GUEST_THREAD_H_

#include <cstdint>
#include <optional>

#include "base/result.h"
#include "process/tracee.h"
#include "remote/notifications.h"

namespace ssi {

// Where a thread of a guest is, and who holds it there.
//
// A thread runs, or waits in a notification that we have received, or is
// stopped. An interrupt that is requested while it waits takes effect right
// after the answer, before the program computes. With WAIT_KILLABLE_RECV the
// kernel sees to that. Before Linux 5.19 the interrupt tears the thread out of
// its wait into a stop, with -ERESTARTSYS for the call
// (seccomp_do_user_notification, kernel/seccomp.c); it is held in that stop
// until there is an answer, which is put into its registers, and stops once
// more then. Only a signal that somebody else on this node sends it by hand can
// then make a call be made twice.
//
// Owner:      the guest.
// Threads:    the tracer's.
// Errors:     of ptrace are swallowed where the thread is dead: its end is
//             reported by waiting.
class GuestThread {
 public:
  enum class Place : std::uint8_t { kRunning, kNotified, kStopped };
  // Reasons to keep it from running.
  enum Hold : std::uint32_t {
    kHoldMove = 1,     // frozen for a move, or not started yet
    kHoldJobStop = 2,  // its stand-in is in a group-stop
    kHoldHome = 4,     // waits to be brought home
    kHoldEnd = 8,      // it is over
  };

  // What a filter does with signals while a call waits.
  enum class Wait : std::uint8_t { kKillable, kTorn };

  GuestThread(Tracee tracee, Notifications notifications, Wait wait)
      : tracee_(tracee), notifications_(notifications), wait_(wait) {}

  [[nodiscard]] const Tracee& tracee() const { return tracee_; }
  [[nodiscard]] Place place() const { return place_; }
  [[nodiscard]] bool Stopped() const { return place_ == Place::kStopped; }
  // The call that waits, in kNotified.
  [[nodiscard]] const Notification& notification() const {
    return notification_;
  }

  // Asks it to stop as soon as it can.
  void RequestStop();
  // Before it is sent a signal: where that would tear it out of its wait, it
  // stops first.
  void BeforeSignal(int signal);
  // In kNotified: nothing can be done with the notification any more but
  // answer it.
  [[nodiscard]] bool Torn() const {
    return wait_ == Wait::kTorn && (interrupt_requested_ || torn_stop_);
  }
  void AddHold(Hold hold);
  // Takes a hold away and lets the thread go on where none is left.
  void DropHold(Hold hold);
  [[nodiscard]] bool Held() const { return holds_ != 0; }

  // ---- events ----
  void OnNotified(const Notification& notification);
  // It is in a ptrace stop, whichever: one that RequestStop asked for does not
  // come any more. True where a restart code that it has is the answer of its
  // call.
  bool OnStopped();
  // Whether a stop is one out of a wait that is not answered yet; it stays in
  // it then.
  [[nodiscard]] bool StaysTorn(const Stop& stop);

  // ---- actions ----
  // Ends the notification; the thread runs on, or stops if that was requested.
  void Answer(std::int64_t result);
  // The kernel makes the call; one that is torn is made again from its start.
  void AnswerByKernel();
  Status AddFd(int fd, int at);
  // From a stop: runs on with `signal` delivered, unless it is held.
  void GoOn(int signal = 0);
  // The same, held or not; one that is held stops again before it computes.
  void LeaveStop(int signal = 0);
  // From a stop with a signal that is about to be delivered: to the stop at its
  // delivery, whoever holds it.
  void RunToSignal();
  // From the stop before a call that ends it: makes that call, held or not.
  void RunToEnd() { RunToSignal(); }
  // One single step, with `signal` delivered; it stops again.
  void StepInto(int signal);

 private:
  void PutResult(std::int64_t result);

  Tracee tracee_;
  Notifications notifications_;
  Wait wait_;
  Place place_ = Place::kStopped;
  Notification notification_;
  std::uint32_t holds_ = kHoldMove;
  bool interrupt_requested_ = false;
  bool restart_answered_ = false;      // and not stopped since
  std::optional<Stop> torn_stop_;      // kNotified, but stopped by this
  std::optional<std::int64_t> later_;  // for the stop to come
};

}  // namespace ssi

#endif  // SSI_REMOTE_GUEST_THREAD_H_
