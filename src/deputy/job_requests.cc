// What ssictl asks of a job, through the daemon.
#include <unistd.h>

#include <algorithm>

#include "deputy/job.h"
#include "deputy/processes.h"
#include "deputy/stats.h"
#include "process/stat_fields.h"

namespace ssi {

// ---- requests ---------------------------------------------------------------

void Job::Respond(const wire::Request& request, wire::Response response) {
  response.set_id(request.id());
  if (link_) {
    link_->Respond(response);
  }
}

void Job::OnRequest(const wire::Request& request) {
  switch (request.what_case()) {
    case wire::Request::kMove:
      OnMoveRequest(request);
      return;
    case wire::Request::kWhy:
      OnWhyRequest(request);
      return;
    case wire::Request::kProcesses:
      OnProcessesRequest(request);
      return;
    default: {
      wire::Response response;
      response.set_error("a job does not know this request");
      Respond(request, std::move(response));
      return;
    }
  }
}

void Job::OnProcessesRequest(const wire::Request& request) {
  wire::Response response;
  auto& list = *response.mutable_processes();
  std::uint64_t left = request.processes().most_bytes();
  for (pid_t pid : Members()) {
    auto& status = *list.add_processes();
    status = StatusOf(pid);
    if (!request.processes().stats()) {
      continue;
    }
    wire::ProcessStats stats;
    Describe(pid, stats);
    // The newest hops tell enough of where it stands.
    constexpr int kMostHops = 20;
    int more = stats.hops_size() - kMostHops;
    if (more > 0) {
      stats.mutable_hops()->DeleteSubrange(0, more);
    }
    if (auto size = stats.ByteSizeLong(); size <= left) {
      left -= size;
      *status.mutable_stats() = std::move(stats);
    }
  }
  Respond(request, std::move(response));
}

void Job::OnMoveRequest(const wire::Request& request) {
  pid_t pid = request.move().pid();
  auto members = Members();
  wire::Response response;
  if (std::find(members.begin(), members.end(), pid) == members.end()) {
    response.set_error(fmt::format("process {} is not of this job", pid));
    Respond(request, std::move(response));
    return;
  }
  std::string node =
      request.move().node().empty() ? places_->node : request.move().node();
  DeputyOf(pid).Move(node, "ssictl",
                     [this, request, node](const Deputy::MoveResult& result) {
                       wire::Response answer;
                       auto& move = *answer.mutable_move();
                       move.set_outcome(result.outcome);
                       move.set_reason(result.reason);
                       move.set_node(node);
                       move.set_milliseconds(result.milliseconds);
                       Respond(request, std::move(answer));
                     });
}

void Job::OnWhyRequest(const wire::Request& request) {
  pid_t pid = request.why().pid();
  wire::Response response;
  auto& why = *response.mutable_why();
  *why.mutable_process() = StatusOf(pid);
  Deputy& deputy = DeputyOf(pid);
  for (const auto& line : deputy.history().lines()) {
    auto& entry = *why.add_history();
    entry.set_time(std::chrono::duration<double>(line.at).count());
    entry.set_text(line.text);
  }
  if (auto reason = deputy.WhyNotMovable()) {
    why.set_cantmove(*reason);
  }
  Respond(request, std::move(response));
}

wire::ProcessStatus Job::StatusOf(pid_t pid) {
  wire::ProcessStatus status;
  status.set_pid(pid);
  status.set_command(CommandOf(pid));
  status.set_job(id_);
  status.set_home(places_->node);
  status.set_where(places_->node);
  status.set_state("home");
  auto stat = StatFields::Read(HostPid{pid});
  if (stat) {
    auto ticks = static_cast<double>(stat->Number(14).value_or(0) +
                                     stat->Number(15).value_or(0));
    status.set_cpu_home(ticks / static_cast<double>(::sysconf(_SC_CLK_TCK)));
  }
  auto found = deputies_.find(pid);
  if (found != deputies_.end()) {
    const Deputy& deputy = *found->second;
    status.set_where(deputy.Where());
    status.set_state(deputy.Moving() ? "moving"
                     : deputy.Away() ? "away"
                                     : "home");
    status.set_hops(deputy.history().hops());
    for (const auto& [number, count] : deputy.HomeCalls()) {
      status.set_home_calls(status.home_calls() + count);
    }
    for (const auto& [number, came] : deputy.history().came_home()) {
      status.set_came_home(status.came_home() + came.count);
    }
    auto away = deputy.CpuAway();
    status.set_cpu_away(
        std::chrono::duration<double>(away.user + away.system).count());
    if (!deputy.history().lines().empty()) {
      status.set_last(deputy.history().lines().back().text);
    }
  }
  return status;
}

void Job::Describe(pid_t pid, wire::ProcessStats& stats) {
  auto found = deputies_.find(pid);
  if (found != deputies_.end()) {
    DescribeMoved(*found->second, places_->node, stats);
  } else {
    DescribeAtHome(pid, CommandOf(pid), places_->node, stats);
  }
}

}  // namespace ssi
