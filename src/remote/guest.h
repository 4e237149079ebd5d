#ifndef SSI_REMOTE_GUEST_H_
#define SSI_REMOTE_GUEST_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/loop.h"
#include "process/image.h"
#include "proto/session.pb.h"
#include "proto/steady_channel.h"
#include "remote/body.h"
#include "remote/file_mapper.h"
#include "remote/guest_task.h"
#include "remote/local_files.h"
#include "remote/sandbox.h"

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
    std::function<void(const wire::ComeHome&)> come_home;
    std::function<void(const wire::LifeRequest&)> life;
    std::function<void()> frozen;
    std::function<void()> settled;
  };
  struct Places {
    Loop& loop;
    const Clock& clock;
    proto::SteadyChannel& channel;
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
  // Makes the body in the sandbox, which is made here if there is none yet. The
  // files of the image must have been prepared.
  Status Build(const CapturedProcess& incoming, const ClockShift& shift,
               std::optional<Sandbox> sandbox);
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
  Status OnLifeReply(const wire::LifeReply& reply);
  void OnSignal(const wire::SignalOffer& offer);
  void OnStop();
  void OnContinue();

  // The channel takes more again.
  void OnRoom();

  // Looks for stops and ends of its threads; called after each SIGCHLD.
  void PollStops();

  // Through which all of it can be looked at.
  [[nodiscard]] HostPid pid() const { return body_->living(); }
  // Of the init of its sandbox.
  [[nodiscard]] const UniqueFd& init_pid_fd() const {
    return sandbox_->init_pid_fd();
  }
  [[nodiscard]] bool Running() const { return started_ && !over_; }
  // Where a frozen one is, for the message about a freeze that fails.
  [[nodiscard]] std::string WhereItIs() const;
  [[nodiscard]] wire::Usage Usage() const;
  // CPU times alone, of each thread too.
  [[nodiscard]] wire::Usage CpuUsage() const;
  [[nodiscard]] bool HasOutstandingCall() const;

 private:
  [[nodiscard]] wire::Usage UsedCpu() const;
  using Tasks = std::map<HostPid, std::unique_ptr<GuestTask>>;

  Status MakeSandbox(std::optional<Sandbox> prepared);
  void MakeParts();
  void WatchCalls();
  GuestTask& AddTask(HomePid tid, const Tracee& tracee, std::uint64_t mask);
  AwayCalls::Hooks CallHooks(HomePid tid, HostPid here);
  AwaySignals::Hooks SignalHooks(HomePid tid, HostPid here);
  [[nodiscard]] GuestTask* FindTask(HostPid here) const;
  [[nodiscard]] GuestTask* FindTask(HomePid tid) const;
  void Hold(GuestThread::Hold hold);
  void Drop(GuestThread::Hold hold);

  // ---- guest_stops.cc ----
  void OnListener();
  void OnStopStatus(GuestTask& task, const Stop& stop);
  void NoteStop(GuestTask& task);
  void OnInterrupted(GuestTask& task);
  void OnSeccompStop(GuestTask& task);
  void ComeHome(GuestTask& task, const Registers& registers, bool unknown);
  void OnDeath(const Stop& stop);
  void EndWith(const wire::Exit& exit);
  void Fatal(const std::string& reason);

  // ---- guest_life.cc ----
  void OnLifeCall(GuestTask& task, const Registers& registers);
  void BeginNewThread(GuestTask& task, std::uint64_t flags);
  void BeginEndThread(GuestTask& task, std::uint64_t code);
  void MakeThread(GuestTask& task, HomePid tid);
  void EndTask(GuestTask& task);
  void OnTaskEnded(HostPid here);
  void AskHome(GuestTask& task, LifeCall::Kind kind, wire::LifeRequest request);
  void AwaitLeaderEnd();

  void CheckFrozen();
  void Tell(HomePid tid, const Told& told);
  Status LeaveSeccompStop(GuestTask& task);
  void TakePending(CapturedProcess& captured);
  static std::optional<PendingCall> PendingOf(GuestTask& task,
                                              Registers& registers);
  [[nodiscard]] Nanos BehindHome(const ClockFloor& home) const;

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
  std::optional<FileMapper> mapper_;
  Tasks tasks_;
  std::unique_ptr<ReadWatch> listener_watch_;
  std::uint64_t life_requests_ = 0;
  AwayCalls::Counts counts_of_ended_;  // threads
  Timer leader_timer_;

  bool started_ = false;
  bool over_ = false;
  bool freezing_ = false;
  bool frozen_told_ = false;
  Later later_;
  bool settling_ = false;
  bool job_stopped_ = false;
};

}  // namespace ssi

#endif  // SSI_REMOTE_GUEST_H_
