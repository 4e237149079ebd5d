#ifndef SSI_DEPUTY_DEPUTY_H_
#define SSI_DEPUTY_DEPUTY_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "deputy/cpu_limit.h"
#include "deputy/home_move.h"
#include "deputy/home_process.h"
#include "deputy/traced_run.h"
#include "proto/session.pb.h"

namespace ssi {

// The object in the home supervisor that serves one process of the job, from
// its first move on: keeps it at home as a stand-in while it is away, carries
// out what it forwards, and moves it.
//
// Owner:      the job, until the process has ended.
// Threads:    the tracer's.
// Invariants: the process is untraced whenever it runs freely at home; at most
//             one move is under way.
class Deputy {
 public:
  struct Hooks {
    // It stopped or went on by job control while it was away or traced.
    std::function<void(int signal)> stopped;
    std::function<void()> continued;
    // It is lost, and the job ends with this message.
    std::function<void(const std::string& reason)> lost;
    // Something that listings show has changed.
    std::function<void()> changed;
  };
  struct MoveResult {
    std::string outcome;  // "moved", "stayed", ...
    std::string reason;
    double milliseconds = 0;
  };
  using OnMoved = std::function<void(const MoveResult&)>;

  Deputy(HomePlaces& places, HostPid pid, std::string command, Hooks hooks);
  ~Deputy();
  Deputy(const Deputy&) = delete;
  Deputy& operator=(const Deputy&) = delete;
  Deputy(Deputy&&) = delete;
  Deputy& operator=(Deputy&&) = delete;

  // Moves it to `node`, or home where that is home's name. `moved` comes once.
  void Move(const std::string& node, const std::string& reason, OnMoved moved);
  // A program that was started traced and is at PTRACE_EVENT_EXEC: goes to
  // `node` at its entry point.
  void PlaceAtEntry(const std::string& node);

  // Looks for stops and ends of its threads; true where the process has ended
  // and is to be reaped.
  bool PollStops();
  // It has ended, and will be reaped.
  void OnEnded();
  // The waiter has seen a call end.
  void OnAlarm();
  // Whether this thread traces any of it now, on its way to another node
  // included.
  [[nodiscard]] bool Traced() const {
    return run_ != nullptr || process_.Lingers() ||
           process_.stand_in.has_value();
  }

  [[nodiscard]] bool Away() const { return process_.Away(); }
  [[nodiscard]] bool Moving() const { return move_ != nullptr; }
  [[nodiscard]] std::string Where() const;
  [[nodiscard]] std::optional<std::string> WhyNotMovable() const;
  [[nodiscard]] HostPid pid() const { return process_.pid; }
  [[nodiscard]] const std::string& command() const { return process_.command; }
  [[nodiscard]] const History& history() const { return process_.history; }
  // Of the visit that is under way too:
  [[nodiscard]] std::map<int, std::uint64_t> HomeCalls() const;
  [[nodiscard]] AwayCallCounts AwayCalls() const;
  [[nodiscard]] CpuTime CpuAway() const;
  [[nodiscard]] std::map<std::string, CpuTime> CpuByNode() const;

 private:
  void Depart();
  void Onward();
  void PrepareOnward();
  void GiveUpOnward(const std::string& reason);
  Status OnOnwardReady(std::span<const std::byte> payload);
  void Hold(HomeMove::Plan plan);
  // With `wanted_`, into `session`.
  void OpenSession(std::unique_ptr<Session>& session, Session::FirstImage first,
                   std::function<void(Status)> then);
  Session::Hooks HooksOf(const std::string& node,
                         std::function<void(Status)> opened);
  // Not of the process's own session.
  [[nodiscard]] bool IsOther(const std::string& node) const;
  void BeginMove(HomeMove::Plan plan);
  void Return(const std::string& reason);
  void AfterFailedMove(migration::Direction direction,
                       const std::string& reason);
  void AfterMove(migration::Direction direction);
  void OnMoveFinished(migration::Outcome outcome, const std::string& reason);
  void Answer(const MoveResult& result);
  void GiveUpDeparture(const std::string& reason);

  void BecomeAway();
  void BecomeHome();
  void SwitchSessions();
  void OnResumed();
  void LetRun();
  void MakeRun(HostPid thread, TracedRun::Until until);
  void OnTracedRunDone(TracedRun::Result result);
  void GoBackLater();

  void OnFrame(const proto::FrameHeader& header,
               std::span<const std::byte> payload);
  Status HandleFrame(const proto::FrameHeader& header,
                     std::span<const std::byte> payload);
  Status OnExit(std::span<const std::byte> payload);
  void EndLike(const wire::Exit& exit);

  [[nodiscard]] std::vector<HostPid> TracedThreads() const;
  void OnStop(HostPid thread, const Stop& stop);
  void LetGo(HostPid thread, int signal);
  void OnStopAtHome(const Tracee& tracee, const Stop& stop);
  void WatchWaits();
  void EndWaits();
  void OnHeldStop(const Tracee& tracee, const Stop& stop);
  void OnThreadEnded(HostPid thread);
  void AddThread(const StandInThread& thread);
  CallServer::Hooks CallHooks();
  HomeSignals::Hooks SignalHooks();
  Status OnLife(std::span<const std::byte> payload);
  void OnThreadMade(std::uint64_t request, std::int64_t result);
  void AnswerLife(std::uint64_t request, std::int64_t result);
  void AwaitLeaderEnd();
  void WatchEnd();
  void ReapUnknown();
  Status OnComeHome(std::span<const std::byte> payload);
  void AnswerComeHome();
  Status OnMapFile(std::span<const std::byte> payload);
  wire::MapFileReply DescribeFile(const wire::MapFileRequest& request);
  wire::MapFileReply ReadFileBytes(const wire::MapFileRequest& request);
  void OnUsage(const wire::Usage& usage);
  void WatchCpuLimit();
  void WatchCpuTimers();
  bool AskForCpu();
  // On the clock of a timer, at home and away, as last reported.
  [[nodiscard]] Nanos UsedOn(const CpuTimer& timer) const;
  void SettleUsage();
  void OnOtherFrame(const proto::FrameHeader& header,
                    std::span<const std::byte> payload);
  void OnSessionLost(const std::string& node, const Error& error);
  void OnSessionBack(const std::string& node, Nanos after);
  void OnSessionClosed(const Error& error);
  void OnOtherClosed(const Error& error);
  void DropIdleSession();
  void DropOtherSession();
  void EndRemote();
  void Transmit(proto::FrameType type,
                const google::protobuf::MessageLite& message);
  void Note(std::string text);

  HomePlaces& places_;
  Hooks hooks_;
  HomeProcess process_;
  std::unique_ptr<HomeMove> move_;
  std::unique_ptr<TracedRun> run_;
  bool ended_ = false;
  bool ending_like_ = false;  // the stand-in is being ended as its remote did

  // Where it is to be, and the request that said so.
  std::string wanted_;
  std::string reason_;
  OnMoved moved_;
  Nanos asked_{};

  // A call for which it came home: it goes back afterwards.
  std::optional<std::int64_t> came_for_;
  HostPid came_by_{};                        // the thread that makes it
  std::optional<wire::ComeHome> come_home_;  // asked for, and not home yet
  int home_failures_ = 0;                    // of that
  bool come_counted_ = false;
  bool returning_ = false;   // held for a move from away that has not begun
  bool connecting_ = false;  // its node, to the one that it is to go on to
  Nanos arrived_away_{};
  Nanos stay_home_{};  // before it goes back; grows while it comes home at once
  Timer back_timer_;
  Timer leader_timer_;
  Timer end_timer_;
  Timer wait_timer_;
  Later later_;
  int end_looks_ = 0;  // that are left

  wire::Usage usage_;                        // of its body now
  std::map<HostPid, CpuTime> thread_usage_;  // by clocks of single threads
  std::optional<CpuLimit> cpu_limit_;        // once it has been away
};

}  // namespace ssi

#endif  // SSI_DEPUTY_DEPUTY_H_
