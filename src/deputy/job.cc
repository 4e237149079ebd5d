#include "deputy/job.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include "base/cpus.h"
#include "base/paths.h"
#include "base/reserve.h"
#include "base/unix_socket.h"
#include "deputy/explain_report.h"
#include "deputy/processes.h"
#include "deputy/stats.h"
#include "migration/limits.h"
#include "process/stat_fields.h"
#include "process/threads.h"

namespace ssi {

namespace {

constexpr int kOwnFailure = 125;

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) {
    text += (text.empty() ? "" : " ") + word;
  }
  return text;
}

Nanos GraceOf(const wire::Registered& registered) {
  return registered.grace_seconds() > 0
             ? migration::BoundedGrace(
                   std::chrono::seconds(registered.grace_seconds()))
             : migration::kGracePeriod;
}

// Log lines go to the front, which has the user's stderr.
class FrontSink final
    : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  explicit FrontSink(Job& job) : job_(job) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    job_.SendLog({line.data(), line.size()});
  }
  void flush_() override {}

 private:
  Job& job_;
};

void LogToFront(Job& job, const JobOptions& options) {
  auto logger = std::make_shared<spdlog::logger>(
      "ssirun", std::make_shared<FrontSink>(job));
  logger->set_pattern("%n: %v");
  logger->set_level(options.debug     ? spdlog::level::debug
                    : options.verbose ? spdlog::level::info
                                      : spdlog::level::warn);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace

Job::Job(Loop& loop, JobOptions options, UniqueFd front)
    : loop_(loop),
      options_(std::move(options)),
      id_(fmt::format("{:016x}", RandomId())),
      front_(
          loop, std::move(front),
          [this](std::span<const std::byte> data,
                 const std::vector<UniqueFd>&) { OnFrontMessage(data); },
          [this] { OnFrontGone(); }),
      front_stops_(loop, StopHooks()) {}

Job::~Job() {
  retired_.clear();
  deputies_.clear();
}

void Job::KillJob(const std::string& reason) {
  spdlog::error("the job is ended: {}", reason);
  ending_ = true;
  KillDescendants();
  loop_.stop();
}

// ---- starting ---------------------------------------------------------------

Status Job::ConnectDaemon() {
  wire::RegisterJob job;
  job.set_job(id_);
  job.set_supervisor(::getpid());
  job.set_command(Joined(options_.command));
  job.set_on(options_.on);
  JobLink::Hooks hooks;
  hooks.on_request = [this](const wire::Request& request) {
    OnRequest(request);
  };
  hooks.on_closed = [this] {
    spdlog::info("this node's ssid is gone; the job goes on");
    asio::post(loop_, [this] { link_.reset(); });
  };
  SSI_ASSIGN(link_,
             JobLink::Connect(loop_, job, registered_, std::move(hooks)));
  return {};
}

int Job::FailStart(const std::string& reason, int status) {
  SendLog(fmt::format("ssirun: {}\n", reason));
  TellFront(FrontMessage::Kind::kFailed, status);
  return status;
}

std::optional<int> Job::Start(Launch launch) {
  // Explained, it stays at home: nobody has to know of it.
  auto connected = options_.explain ? Status() : ConnectDaemon();
  if (!connected) {
    bool gone = connected.error().code == ErrorCode::kGone;
    if (!options_.on.empty() || !gone) {
      return FailStart(connected.error().message, kOwnFailure);
    }
    spdlog::warn("{}; {} runs at home", connected.error().message,
                 options_.command[0]);
  }
  // Not this process: where all CPUs of a share are busy with threads that
  // sleep and wake, Linux 6.18 lets those of other sessions wait for 0.4 s
  // (group scheduling; seen with OpenMP), and so would each of its moves.
  PinTo(launch.pid(), std::span<const unsigned>(
                          registered_.cpus().data(),
                          static_cast<std::size_t>(registered_.cpus().size())));
  auto waiter = Waiter::Make(loop_, [this] {
    for (auto& [pid, deputy] : deputies_) {
      deputy->OnAlarm();
    }
  });
  auto signals = SignalSource::Make(loop_, {SIGCHLD},
                                    [this](const auto&) { OnChildSignal(); });
  if (!waiter || !signals) {
    return FailStart("no descriptors left", kOwnFailure);
  }
  waiter_ = *std::move(waiter);
  signals_ = *std::move(signals);
  hashes_ = std::make_unique<HashCache>(RuntimeDir() + "/hashes");
  places_ = std::make_unique<HomePlaces>(HomePlaces{
      loop_, clock_, *waiter_, *hashes_, BaselineOfThisProcess(),
      registered_.node().empty() ? "home" : registered_.node(),
      GraceOf(registered_),
      [this](const wire::OpenSession& open, const auto& opened) {
        if (!link_) {
          opened(Fail(ErrorCode::kGone, "this node's ssid is gone"));
          return;
        }
        wire::Request request;
        *request.mutable_open_session() = open;
        request.mutable_open_session()->set_job(id_);
        link_->Ask(
            std::move(request), [opened](Result<wire::Response> response) {
              if (!response) {
                opened(std::unexpected(response.error()));
              } else if (!response->error().empty()) {
                opened(Fail(ErrorCode::kDenied, "{}", response->error()));
              } else {
                opened(response->session());
              }
            });
      }});
  if (auto failed = Execute(launch)) {
    return failed;
  }
  ::prctl(PR_SET_TIMERSLACK, 1);
  TellFront(FrontMessage::Kind::kStarted, main_);
  OnChildSignal();
  return std::nullopt;
}

std::optional<int> Job::Execute(Launch& launch) {
  main_ = launch.pid();
  auto on_state = [this](int signal) {
    OnCommandState(signal != 0 ? CLD_STOPPED : CLD_CONTINUED, signal);
  };
  auto started = launch.Go(options_.front, on_state);
  if (!started) {
    KillDescendants();  // it may be stopped before its exec
    return FailStart(started.error().message, kOwnFailure);
  }
  int error = started->exec_error;
  if (error != 0) {
    constexpr int kNotFound = 127;
    constexpr int kCannotExecute = 126;
    return FailStart(fmt::format("cannot execute {}: {}", options_.command[0],
                                 std::strerror(error)),
                     error == ENOENT ? kNotFound : kCannotExecute);
  }
  if (started->filter_error != 0) {
    return FailStart(fmt::format("the kernel refuses the filter of --explain "
                                 "(see `ssictl check`): {}",
                                 std::strerror(started->filter_error)),
                     kOwnFailure);
  }
  if (options_.explain) {
    explainer_ = std::make_unique<Explainer>(
        *options_.explain, [this, on_state](pid_t pid, int signal) {
          if (pid == main_) {
            on_state(signal);
          }
        });
    if (started->at_exec) {
      explainer_->Begin(HostPid{main_});
    }
    return std::nullopt;
  }
  if (started->at_exec) {
    DeputyOf(main_).PlaceAtEntry(options_.on);
  }
  return std::nullopt;
}

// ---- children ---------------------------------------------------------------

void Job::OnChildSignal() {
  if (ending_) {
    return;
  }
  if (explainer_) {
    PollExplained();
  } else {
    PollDeputies();
    PollChildren();
  }
  EndIfEmpty();
}

// All are traced, so all that they do comes here.
void Job::PollExplained() {
  int status = 0;
  for (pid_t pid = 0; (pid = ::waitpid(-1, &status, __WALL | WNOHANG)) > 0;) {
    Stop stop = DecodeWaitStatus(status);
    explainer_->OnStop(HostPid{pid}, stop);
    if (stop.Dead() && pid == main_) {
      OnMainEnded(status);
    }
  }
}

Deputy& Job::DeputyOf(pid_t pid) {
  auto& deputy = deputies_[pid];
  if (!deputy) {
    Deputy::Hooks hooks;
    bool main = pid == main_;
    hooks.stopped = [this, main](int signal) {
      if (main) {
        front_stops_.OnStopped(signal);
      }
    };
    hooks.continued = [this, main] {
      if (main) {
        front_stops_.OnContinued();
      }
    };
    hooks.lost = [this, main, pid](const std::string& reason) {
      if (main) {
        lost_ = reason;
      } else {
        spdlog::error("{}", reason);
      }
      ::kill(pid, SIGKILL);
    };
    // A process that is no longer traced may have been stopped meanwhile.
    hooks.changed = [this] {
      asio::post(loop_, [this] { PollChildren(); });
    };
    deputy = std::make_unique<Deputy>(*places_, HostPid{pid}, CommandOf(pid),
                                      std::move(hooks));
  }
  return *deputy;
}

void Job::PollDeputies() {
  std::vector<pid_t> traced;
  for (const auto& [pid, deputy] : deputies_) {
    if (deputy->Traced()) {
      traced.push_back(pid);
    }
  }
  for (pid_t pid : traced) {
    if (DeputyOf(pid).PollStops()) {
      Reap(pid);
    }
  }
}

void Job::PollChildren() {
  while (auto ended = EndedChild()) {
    Reap(*ended);
  }
  auto found = deputies_.find(main_);
  bool traced = found != deputies_.end() && found->second->Traced();
  if (main_ > 0 && !main_status_ && !traced) {
    siginfo_t info{};
    while (::waitid(P_PID, static_cast<id_t>(main_), &info,
                    WSTOPPED | WCONTINUED | WNOHANG) == 0 &&
           info.si_pid == main_) {
      OnCommandState(info.si_code, info.si_status);
      info = {};
    }
  }
}

void Job::OnCommandState(int code, int status) {
  if (code == CLD_STOPPED) {
    front_stops_.OnStopped(status);
  } else if (code == CLD_CONTINUED) {
    front_stops_.OnContinued();
  }
}

// The one place where processes of the job are reaped.
void Job::Reap(pid_t pid) {
  auto found = deputies_.find(pid);
  if (found != deputies_.end()) {
    found->second->OnEnded();
    DescribeMoved(*found->second, places_->node, ended_.emplace_back());
    // Destroyed later: this may run inside one of its callbacks.
    retired_.push_back(std::move(found->second));
    deputies_.erase(found);
    asio::post(loop_, [this] { retired_.clear(); });
  } else if (pid == main_) {
    DescribeAtHome(pid, Joined(options_.command), places_->node,
                   ended_.emplace_back());
  }
  int status = 0;
  if (::waitpid(pid, &status, __WALL) == pid && pid == main_) {
    OnMainEnded(status);
  }
}

void Job::OnMainEnded(int wait_status) {
  main_status_ = wait_status;
  TellStats();
  if (lost_) {
    SendLog(fmt::format("ssirun: {}\n", *lost_));
    TellFront(FrontMessage::Kind::kFailed, kOwnFailure);
  } else if (WIFSIGNALED(wait_status)) {
    TellFront(FrontMessage::Kind::kKilled, WTERMSIG(wait_status));
  } else {
    TellFront(FrontMessage::Kind::kExited, WEXITSTATUS(wait_status));
  }
  front_stops_.OnContinued();  // CMD was stopped, maybe, and it as well
}

std::vector<pid_t> Job::Members() const {
  std::vector<pid_t> found = ChildrenOf(::getpid());
  for (std::size_t i = 0; i < found.size(); ++i) {
    auto more = ChildrenOf(found[i]);
    found.insert(found.end(), more.begin(), more.end());
  }
  return found;
}

void Job::EndIfEmpty() {
  bool woken = front_gone_ || front_stops_.Settled();
  siginfo_t unused{};
  bool alone =
      ::waitid(P_ALL, 0, &unused, WEXITED | WNOHANG | WNOWAIT | __WALL) != 0 &&
      errno == ECHILD;
  if (main_status_ && woken && alone) {
    // After what was just said to the front.
    asio::post(loop_, [this] { loop_.stop(); });
  }
}

void Job::TellStats() {
  wire::JobStats stats;
  if (explainer_) {
    explainer_->Describe(*stats.mutable_explanation());
  }
  if (options_.stats_fd < 0) {
    if (explainer_) {
      SendLog(ExplanationText(stats.explanation()));
    }
    return;
  }
  stats.set_command(Joined(options_.command));
  stats.set_home(places_->node);
  int status = *main_status_;
  constexpr int kBySignal = 128;
  stats.set_exit_status(lost_                 ? kOwnFailure
                        : WIFSIGNALED(status) ? kBySignal + WTERMSIG(status)
                                              : WEXITSTATUS(status));
  stats.set_seconds(
      std::chrono::duration<double>(clock_.Monotonic() - started_).count());
  for (const auto& process : ended_) {
    *stats.add_processes() = process;
  }
  for (const auto& [pid, deputy] : deputies_) {
    DescribeMoved(*deputy, places_->node, *stats.add_processes());
  }
  if (auto written = WriteStats(stats, options_.stats_fd); !written) {
    SendLog(fmt::format("ssirun: --stats: {}\n", written.error().message));
  }
}

namespace {

// CMD's group is orphaned where no member has a parent in another group of the
// session: the terminal's stop signals do nothing to it, and reading in the
// background gives EIO (POSIX). CMD's parent is this process, and must count
// as the front's own parent would: it stays in the session, in another group,
// only if that one is there.
void LeaveGroup(pid_t front) {
  auto stat = StatFields::Read(HostPid{front});
  constexpr std::size_t kParent = 4;
  auto parent =
      static_cast<pid_t>(stat ? stat->Number(kParent).value_or(0) : 0);
  bool counts = parent > 0 && ::getsid(parent) == ::getsid(0) &&
                ::getpgid(parent) != ::getpgrp();
  if (counts || ::setsid() < 0) {
    ::setpgid(0, 0);
  }
}

}  // namespace

int RunHomeSupervisor(const JobOptions& options, UniqueFd front,
                      const sigset_t& mask) {
  auto launch = Launch::Fork(options.command, mask,
                             options.explain      ? Trace::kCalls
                             : options.on.empty() ? Trace::kNo
                                                  : Trace::kFromExec);
  // A group of its own, so that what the user sends to the job's group does
  // not stop or end it (front.h).
  LeaveGroup(options.front);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  ::prctl(PR_SET_NAME, "ssi-home");
  std::vector<int> keep = {front.get()};
  if (options.stats_fd >= 0) {
    keep.push_back(options.stats_fd);
  }
  if (launch) {
    auto more = launch->descriptors();
    keep.insert(keep.end(), more.begin(), more.end());
  }
  LetGoOfFiles(keep, Stderr::kLetGo);
  KeepReserve();
  Loop loop;
  Job job(loop, options, std::move(front));
  LogToFront(job, options);
  if (!launch) {
    spdlog::error("{}", launch.error().message);
    return kOwnFailure;
  }
  auto work = asio::make_work_guard(loop);
  if (auto failed = job.Start(*std::move(launch))) {
    return *failed;
  }
  loop.run();
  // Nothing is left to be said or written: the kernel closes the rest, faster
  // than we would take it apart.
  ::_exit(0);
}

}  // namespace ssi
