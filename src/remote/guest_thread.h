#ifndef SSI_REMOTE_GUEST_THREAD_H_
#define SSI_REMOTE_GUEST_THREAD_H_

#include <cstdint>
#include <optional>

#include "base/result.h"
#include "process/tracee.h"
#include "remote/notifications.h"

namespace ssi {

// Where the one thread of a guest is, and who holds it there.
//
// A thread runs, or waits in a notification that we have received, or is
// stopped. One that waits cannot be stopped before it is answered (the filter
// is WAIT_KILLABLE_RECV): an interrupt that is requested meanwhile takes effect
// right after the answer, before the program computes.
//
// Owner:      the remote.
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

  GuestThread(Tracee tracee, Notifications notifications)
      : tracee_(tracee), notifications_(notifications) {}

  [[nodiscard]] const Tracee& tracee() const { return tracee_; }
  [[nodiscard]] Place place() const { return place_; }
  [[nodiscard]] bool Stopped() const { return place_ == Place::kStopped; }
  // The call that waits, in kNotified.
  [[nodiscard]] const Notification& notification() const {
    return notification_;
  }

  // Asks it to stop as soon as it can.
  void RequestStop();
  void AddHold(Hold hold);
  // Takes a hold away and lets the thread go on where none is left.
  void DropHold(Hold hold);
  [[nodiscard]] bool Held() const { return holds_ != 0; }
  [[nodiscard]] bool HeldFor(Hold hold) const { return (holds_ & hold) != 0; }

  // ---- events ----
  void OnNotified(const Notification& notification);
  // It is in a ptrace stop, whichever: one that RequestStop asked for does not
  // come any more.
  void OnStopped();

  // ---- actions ----
  // Ends the notification; the thread runs on, or stops if that was requested.
  void Answer(std::int64_t result);
  void AnswerByKernel();
  Status AddFd(int fd, int at);
  // From a stop: runs on with `signal` delivered, unless it is held.
  void GoOn(int signal = 0);
  // The same, held or not; one that is held stops again before it computes.
  void LeaveStop(int signal = 0);
  // From a stop with a signal that is about to be delivered: to the stop at its
  // delivery, whoever holds it.
  void RunToSignal();
  // One single step, with `signal` delivered; it stops again.
  void StepInto(int signal);

 private:
  Tracee tracee_;
  Notifications notifications_;
  Place place_ = Place::kStopped;
  Notification notification_;
  std::uint32_t holds_ = kHoldMove;
  bool interrupt_requested_ = false;
};

}  // namespace ssi

#endif  // SSI_REMOTE_GUEST_THREAD_H_
