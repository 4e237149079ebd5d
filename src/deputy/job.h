#ifndef SSI_DEPUTY_JOB_H_
#define SSI_DEPUTY_JOB_H_

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/loop.h"
#include "deputy/deputy.h"
#include "deputy/explainer.h"
#include "deputy/front.h"
#include "deputy/front_stops.h"
#include "deputy/job_link.h"
#include "deputy/launch.h"
#include "deputy/waiter.h"
#include "fs/hash_cache.h"
#include "proto/control.pb.h"
#include "supervisor/call_tally.h"

namespace ssi {

struct JobOptions {
  pid_t front = -1;  // of ssirun, which the user sees
  std::vector<std::string> command;
  std::string on;     // node where programs are placed; empty: none
  int stats_fd = -1;  // where the statistics go; borrowed; -1: none
  // Its calls are counted, at home, and what they would cost away is told.
  std::optional<supervisor::AwayAssumptions> explain;
  bool verbose = false;
  bool debug = false;
};

// The home supervisor: parent of CMD, tracer of what is away, reaper of all.
//
// Owner:   its main, RunHomeSupervisor.
// Threads: the loop's, which is the tracer.
class Job {
 public:
  Job(Loop& loop, JobOptions options, UniqueFd front);
  ~Job();
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;
  Job(Job&&) = delete;
  Job& operator=(Job&&) = delete;

  // Starts CMD. The exit status of ssirun where that fails, else nothing.
  std::optional<int> Start(Launch launch);
  void SendLog(std::string_view text);

 private:
  void OnFrontMessage(std::span<const std::byte> data);
  void OnFrontGone();
  void TellFront(FrontMessage::Kind kind, int value);
  FrontStops::Hooks StopHooks();
  int FailStart(const std::string& reason, int status);

  std::optional<int> Execute(Launch& launch);
  Status ConnectDaemon();
  void OnRequest(const wire::Request& request);
  void OnProcessesRequest(const wire::Request& request);
  void OnMoveRequest(const wire::Request& request);
  void OnWhyRequest(const wire::Request& request);
  void Respond(const wire::Request& request, wire::Response response);

  void OnChildSignal();
  void PollExplained();
  void PollDeputies();
  void PollChildren();
  void Reap(pid_t pid);
  void OnCommandState(int code, int status);
  void OnMainEnded(int wait_status);
  void EndIfEmpty();
  void KillJob(const std::string& reason);

  Deputy& DeputyOf(pid_t pid);
  [[nodiscard]] std::vector<pid_t> Members() const;
  wire::ProcessStatus StatusOf(pid_t pid);
  void Describe(pid_t pid, wire::ProcessStats& stats);
  void TellStats();

  Loop& loop_;
  JobOptions options_;
  SystemClock clock_;
  std::string id_;
  std::unique_ptr<SignalSource> signals_;
  MessageSocket front_;
  bool front_gone_ = false;
  FrontStops front_stops_;
  std::unique_ptr<JobLink> link_;
  wire::Registered registered_;
  std::unique_ptr<Waiter> waiter_;
  std::unique_ptr<HashCache> hashes_;
  std::unique_ptr<HomePlaces> places_;
  std::unique_ptr<Explainer> explainer_;
  std::map<pid_t, std::unique_ptr<Deputy>> deputies_;
  std::vector<std::unique_ptr<Deputy>> retired_;
  std::vector<wire::ProcessStats> ended_;  // that were moved, for --stats
  Nanos started_ = clock_.Monotonic();
  pid_t main_ = -1;
  std::optional<int> main_status_;
  std::optional<std::string> lost_;
  bool ending_ = false;
};

// main of the home supervisor. `front`: the socket to the front; `mask`: the
// signal mask of ssirun's caller.
int RunHomeSupervisor(const JobOptions& options, UniqueFd front,
                      const sigset_t& mask);

}  // namespace ssi

#endif  // SSI_DEPUTY_JOB_H_
