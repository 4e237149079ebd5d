#ifndef SSI_REMOTE_GUEST_H_
#define SSI_REMOTE_GUEST_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/loop.h"
#include "process/image.h"
#include "proto/channel.h"
#include "proto/session.pb.h"
#include "remote/away_calls.h"
#include "remote/away_signals.h"
#include "remote/body.h"
#include "remote/file_mapper.h"
#include "remote/forwarder.h"
#include "remote/guest_thread.h"
#include "remote/local_files.h"
#include "remote/sandbox.h"
#include "remote/sleeper.h"

namespace ssi {

// One process that computes on this node while it lives elsewhere: its body in
// its sandbox, and everything that answers for it.
//
// Owner:      the remote (remote.h), from the arrival of an image until the
//             process has left or ended.
// Threads:    the tracer's. Between Build and Finish the bulk thread may write
//             into pid().
// Invariants: it computes only between Start and Freeze, or after Resume.
// Errors:     of Build and Finish leave nothing that could run.
class Guest {
 public:
  struct Hooks {
    // It has ended, or wants to: nothing of it runs any more.
    std::function<void(const wire::Exit&)> exited;
    std::function<void(int number, std::string_view reason)> come_home;
    std::function<void()> frozen;
    std::function<void()> settled;
  };
  struct Places {
    Loop& loop;
    const Clock& clock;
    proto::Channel& channel;
    LocalFiles& files;
  };

  // How far this node's clocks are behind the home node's (monotonic and
  // boot), as measured at the ask: never more than they really are.
  struct ClockShift {
    Nanos monotonic{};
    Nanos boot{};
  };

  Guest(Places places, Hooks hooks);
  ~Guest();
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;
  Guest(Guest&&) = delete;
  Guest& operator=(Guest&&) = delete;

  // ---- arrival ----
  // Makes sandbox and body. The files of the image must have been prepared.
  Status Build(const CapturedProcess& incoming, const ClockShift& shift);
  Status Finish();
  // From here on it may compute.
  Status Start();

  // ---- departure ----
  // Stops it: `frozen` comes when nothing of it computes any more, then, after
  // Settle, `settled` when none of its calls is at home.
  void Freeze();
  void Settle();
  Result<CapturedProcess> Capture();
  void Resume();
  // Kills everything. To be called before destruction where it was built.
  void Destroy();

  // ---- from home ----
  Status OnReply(std::uint64_t id, std::span<const std::byte> payload);
  Status OnMapReply(const wire::MapFileReply& reply);
  void OnSignal(const wire::SignalOffer& offer);
  void OnStop();
  void OnContinue();

  // Looks for stops and the end of the body; called after each SIGCHLD.
  void PollStops();

  [[nodiscard]] HostPid pid() const { return body_->pid(); }
  // Of the init of its sandbox.
  [[nodiscard]] const UniqueFd& init_pid_fd() const {
    return sandbox_->init_pid_fd();
  }
  [[nodiscard]] bool Running() const { return started_ && !over_; }
  // Where a frozen one is, for the message about a freeze that fails.
  [[nodiscard]] std::string WhereItIs() const;
  [[nodiscard]] wire::Usage Usage() const;
  [[nodiscard]] bool HasOutstandingCall() const;

 private:
  Status MakeSandbox();
  void MakeParts();
  void OnListener();
  void OnStopStatus(const Stop& stop);
  void NoteStop();
  void OnInterrupted();
  void OnSeccompStop();
  void OnLifeCall(const Registers& registers);
  void OnDeath(const Stop& stop);
  void Fatal(const std::string& reason);
  void CheckFrozen();
  void Tell(const Told& told);
  Status LeaveSeccompStop();
  [[nodiscard]] Nanos BehindHome(const ClockFloor& home) const;
  Status WaitForClock(const ClockFloor& floor) const;

  Places places_;
  Hooks hooks_;
  ClockShift shift_;
  std::optional<Sandbox> sandbox_;
  std::optional<Body> body_;
  CapturedProcess incoming_;
  ProcessImage followed_;
  SignalState signal_state_;

  // Made by MakeParts, when there is a body.
  std::optional<Notifications> notifications_;
  std::optional<GuestThread> thread_;
  std::optional<Forwarder> forwarder_;
  std::optional<Sleeper> sleeper_;
  std::optional<AwaySignals> signals_;
  std::optional<FileMapper> mapper_;
  std::optional<AwayCalls> calls_;
  std::unique_ptr<ReadWatch> listener_watch_;

  bool started_ = false;
  bool over_ = false;
  bool freezing_ = false;
  bool frozen_told_ = false;
  bool settling_ = false;
  bool in_seccomp_stop_ = false;
};

}  // namespace ssi

#endif  // SSI_REMOTE_GUEST_H_
