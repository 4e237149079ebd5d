#include "node/daemon.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include <spdlog/spdlog.h>

#include "base/cpus.h"
#include "base/log.h"
#include "base/paths.h"
#include "node/self.h"

namespace ssi {

namespace {

// More strangers than this at once on the port, and new ones are turned away
// (each has five seconds to say who it is).
constexpr std::size_t kMostGreetings = 64;

wire::Response ErrorResponse(const std::string& error) {
  wire::Response response;
  response.set_error(error);
  return response;
}

}  // namespace

Daemon::Daemon(Loop& loop, DaemonOptions options, proto::Key key)
    : loop_(loop), options_(std::move(options)), key_(std::move(key)) {}

Daemon::~Daemon() = default;

Status Daemon::Start() {
  SSI_ASSIGN(signals_, SignalSource::Make(
                           loop_, {SIGCHLD, SIGTERM, SIGINT, SIGHUP},
                           [this](const signalfd_siginfo& info) {
                             if (info.ssi_signo == SIGCHLD) {
                               guests_->Reap();
                             } else {
                               Leave("this node goes down", [](const auto&) {});
                             }
                           }));
  SSI_ASSIGN(listener_, proto::Listener::Make(loop_, options_.listen,
                                              [this](UniqueFd socket) {
                                                OnConnection(std::move(socket));
                                              }));
  self_ =
      DescribeSelf(options_, options_.advertise.empty() ? listener_->address()
                                                        : options_.advertise);
  guests_ = std::make_unique<GuestHosts>(
      loop_, options_, [this](const std::string& node) {
        return node == options_.name || peers_->IsUp(node);
      });
  Peers::Hooks peer_hooks;
  peer_hooks.load = [this] {
    return MeasureLoad(guests_->guests(),
                       static_cast<unsigned>(control_->jobs().size()));
  };
  peer_hooks.on_request = [this](const wire::Request& request,
                                 const Respond& respond) {
    OnPeerRequest(request, respond);
  };
  peer_hooks.down = [this](const std::string& node) {
    guests_->OnNodeDown(node);
  };
  peers_ = std::make_unique<Peers>(loop_, clock_, key_, self_,
                                   std::move(peer_hooks));
  ControlServer::Hooks control_hooks;
  control_hooks.on_request = [this](const wire::Request& request,
                                    Respond respond) {
    OnRequest(request, std::move(respond));
  };
  control_hooks.on_register = [this](const wire::RegisterJob& job) {
    return OnRegister(job);
  };
  control_hooks.on_job_ended = [this](const std::string& job) {
    OnJobEnded(job);
  };
  SSI_TRY(MakePrivateDir(RuntimeDir()));
  SSI_ASSIGN(control_, ControlServer::Listen(loop_, ControlSocketPath(),
                                             std::move(control_hooks)));
  for (const auto& address : options_.join) {
    peers_->Join(address);
  }
  guests_->Prepare();
  spdlog::info("node {} serves at {}, control socket {}", options_.name,
               listener_->address(), ControlSocketPath());
  return {};
}

// ---- the port ---------------------------------------------------------------

void Daemon::OnConnection(UniqueFd socket) {
  if (greetings_.size() >= kMostGreetings) {
    return;
  }
  auto greeting = std::make_shared<std::unique_ptr<proto::Greeting>>();
  greetings_.push_back(greeting);
  *greeting = proto::Greeting::Accepting(
      loop_, std::move(socket),
      [this, weak = std::weak_ptr(greeting)](Result<proto::Greeted> greeted) {
        if (auto strong = weak.lock()) {
          std::erase(greetings_, strong);
          asio::post(loop_, [strong] {});
        }
        if (greeted) {
          OnGreeted(*std::move(greeted));
        } else if (repeats_.IsNew(greeted.error().message)) {
          spdlog::warn("a connection was refused: {}", greeted.error().message);
        }
      });
}

void Daemon::OnGreeted(proto::Greeted greeted) {
  if (greeted.preamble.purpose == proto::Purpose::kPeer) {
    if (proto::SendAnswer(greeted.socket.get(), proto::Verdict::kOk)) {
      peers_->Accept(std::move(greeted));
    }
    return;
  }
  guests_->Connect(std::move(greeted));
}

// ---- requests ---------------------------------------------------------------

wire::Registered Daemon::OnRegister(const wire::RegisterJob& job) {
  wire::Registered registered;
  registered.set_node(options_.name);
  registered.set_grace_seconds(
      static_cast<std::uint32_t>(options_.grace.count()));
  for (unsigned cpu : options_.cpus) {
    registered.add_cpus(cpu);
  }
  if (!job.on().empty() && !peers_->Knows(job.on())) {
    registered.set_error(fmt::format("no node {} in this cluster; it has {}",
                                     job.on(), peers_->Names()));
  }
  return registered;
}

void Daemon::OnRequest(const wire::Request& request, Respond respond) {
  switch (request.what_case()) {
    case wire::Request::kNodes:
      ListNodes(respond);
      return;
    case wire::Request::kProcesses:
      ListProcesses(request.processes(), std::move(respond));
      return;
    case wire::Request::kWhy:
      PassToJob(request.why().pid(), request, std::move(respond));
      return;
    case wire::Request::kMove:
      if (!request.move().node().empty() &&
          !peers_->Knows(request.move().node())) {
        respond(
            ErrorResponse(fmt::format("no node {} in this cluster; it has {}",
                                      request.move().node(), peers_->Names())));
        return;
      }
      PassToJob(request.move().pid(), request, std::move(respond));
      return;
    case wire::Request::kStatus: {
      wire::Response response;
      *response.mutable_status()->mutable_info() = self_;
      response.mutable_status()->set_state("up");
      respond(std::move(response));
      return;
    }
    case wire::Request::kLeave:
      Leave("asked to leave", respond);
      return;
    case wire::Request::kOpenSession:
      OpenSession(request.open_session(), std::move(respond));
      return;
    case wire::Request::kJobEnded:
    case wire::Request::WHAT_NOT_SET:
      respond(ErrorResponse("this ssid does not know the request"));
      return;
  }
}

void Daemon::OnPeerRequest(const wire::Request& request,
                           const Respond& respond) {
  if (request.has_job_ended()) {
    guests_->EndJob(request.job_ended().job());
    respond(wire::Response());
    return;
  }
  if (!request.has_open_session()) {
    respond(ErrorResponse("not a request between nodes"));
    return;
  }
  auto opened = guests_->Open(request.open_session());
  wire::Response response;
  if (opened) {
    *response.mutable_session() = *opened;
  } else {
    response.set_error(opened.error().message);
  }
  respond(std::move(response));
}

void Daemon::OpenSession(const wire::OpenSession& open,
                         const Respond& respond) {
  wire::Request request;
  *request.mutable_open_session() = open;
  const std::string& node = open.node();
  if (node == options_.name) {
    respond(ErrorResponse("a process cannot be sent to its own node"));
    return;
  }
  // It may open one and have no way to say so.
  hosts_of_[open.job()].insert(node);
  peers_->Ask(
      node, std::move(request),
      [this, node, respond](Result<wire::Response> response) {
        if (!response) {
          respond(ErrorResponse(response.error().message));
          return;
        }
        if (response->has_session()) {
          response->mutable_session()->set_address(peers_->AddressOf(node));
        }
        respond(*std::move(response));
      });
}

void Daemon::OnJobEnded(const std::string& job) {
  for (const auto& node : hosts_of_[job]) {
    peers_->TellJobEnded(node, job);
  }
  hosts_of_.erase(job);
}

void Daemon::ListNodes(const Respond& respond) {
  wire::Response response;
  auto& self = *response.mutable_nodes()->add_nodes();
  *self.mutable_info() = self_;
  *self.mutable_load() = MeasureLoad(
      guests_->guests(), static_cast<unsigned>(control_->jobs().size()));
  self.set_state(leaving_ ? "leaving" : "up");
  peers_->List(*response.mutable_nodes());
  respond(std::move(response));
}

void Daemon::ListProcesses(const wire::ProcessesRequest& wanted,
                           Respond respond) {
  struct Gathering {
    wire::Response response;
    std::size_t missing = 0;
    Respond respond;
  };
  auto gathering = std::make_shared<Gathering>();
  gathering->respond = std::move(respond);
  guests_->List(*gathering->response.mutable_processes());
  auto jobs = control_->jobs();
  gathering->missing = jobs.size();
  if (jobs.empty()) {
    gathering->respond(std::move(gathering->response));
    return;
  }
  for (const auto& job : jobs) {
    wire::Request request;
    request.mutable_processes()->set_stats(wanted.stats());
    // All in one message; half of it is for what every process has.
    request.mutable_processes()->set_most_bytes(MessageSocket::kMaxMessage / 2 /
                                                jobs.size());
    control_->AskJob(job, std::move(request),
                     [gathering](Result<wire::Response> response) {
                       if (response) {
                         gathering->response.mutable_processes()->MergeFrom(
                             response->processes());
                       }
                       if (--gathering->missing == 0) {
                         gathering->respond(std::move(gathering->response));
                       }
                     });
  }
}

void Daemon::PassToJob(std::int32_t pid, const wire::Request& request,
                       Respond respond) {
  std::string job = control_->JobOf(pid);
  if (job.empty()) {
    respond(ErrorResponse(fmt::format(
        "process {} is not of a job of this node (see ssictl ps)", pid)));
    return;
  }
  control_->AskJob(
      job, request,
      [respond = std::move(respond)](Result<wire::Response> response) {
        respond(response ? *std::move(response)
                         : ErrorResponse(response.error().message));
      });
}

void Daemon::Leave(const std::string& reason, const Respond& respond) {
  if (std::exchange(leaving_, true)) {
    loop_.stop();  // asked a second time: at once
    return;
  }
  spdlog::info("{}", reason);
  guests_->SendAllHome(reason, [this, respond] {
    peers_->SayGoodbye();
    respond(wire::Response());
    // After what was just sent.
    asio::post(loop_, [this] { loop_.stop(); });
  });
}

// ---- main -------------------------------------------------------------------

namespace {

// The parent waits until the child serves or fails, and passes that on.
// Returns the pipe to say so in the child; in the parent it does not return.
UniqueFd GoIntoBackground() {
  std::array<int, 2> fds{};
  if (::pipe2(fds.data(), O_CLOEXEC) != 0) {
    return UniqueFd();
  }
  pid_t pid = ::fork();
  if (pid != 0) {
    ::close(fds[1]);
    char good = 0;
    _exit(::read(fds[0], &good, 1) == 1 ? 0 : 1);
  }
  ::setsid();
  ::close(fds[0]);
  return UniqueFd(fds[1]);
}

// Standard output of the daemon and of the supervisors that it starts goes to
// its log: none of them keeps the terminal. Gives back what stderr was.
Result<UniqueFd> DetachStdio(const std::string& log_path) {
  SSI_ASSIGN(UniqueFd null, Open("/dev/null", O_RDONLY));
  SSI_ASSIGN(UniqueFd log, Open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0600));
  UniqueFd terminal(::fcntl(2, F_DUPFD_CLOEXEC, 3));
  ::dup2(null.get(), 0);
  ::dup2(log.get(), 1);
  ::dup2(log.get(), 2);
  return terminal;
}

Status Serve(DaemonOptions options, const UniqueFd& background) {
  std::string key_path =
      options.key_path.empty() ? DefaultKeyPath() : options.key_path;
  auto key = proto::Key::Load(key_path);
  if (!key) {
    return Fail(key.error().code,
                "{}; make a key with `ssictl init` and copy it to every node",
                key.error().message);
  }
  // Nobody reads the key out of its memory.
  ::prctl(PR_SET_DUMPABLE, 0);
  PinTo(0, options.cpus);  // and all guests
  Loop loop;
  auto work = asio::make_work_guard(loop);
  int ready_fd = options.ready_fd;
  std::string name = options.name;
  std::string log_path = RuntimeDir() + "/ssid.log";
  UniqueFd terminal;
  if (background.valid()) {
    SSI_ASSIGN(terminal, DetachStdio(log_path));
  }
  Daemon daemon(loop, std::move(options), *std::move(key));
  if (auto started = daemon.Start(); !started) {
    if (terminal.valid()) {
      ::dup2(terminal.get(), 2);
    }
    return started;
  }
  if (ready_fd >= 0) {
    std::string line = fmt::format("{} {}\n", ::getpid(), daemon.address());
    (void)WriteAll(ready_fd, line.data(), line.size());
    ::close(ready_fd);
  }
  if (background.valid()) {
    SSI_TRY(LogToFile("ssid", log_path, LogLevel::kInfo));
    std::string line = fmt::format("ssid: node {} serves at {}; log {}\n", name,
                                   daemon.address(), log_path);
    (void)WriteAll(terminal.get(), line.data(), line.size());
    terminal.Reset();
    (void)!::write(background.get(), "y", 1);
  }
  loop.run();
  spdlog::info("ends");
  return {};
}

}  // namespace

int RunDaemon(DaemonOptions options) {
  LogToStderr("ssid", LogLevel::kInfo);
  UniqueFd background;
  if (!options.foreground) {
    if (auto status = MakePrivateDir(RuntimeDir()); !status) {
      spdlog::error("{}", status.error().message);
      return 1;
    }
    background = GoIntoBackground();
  }
  (void)BlockSignals({SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGPIPE});
  if (auto status = Serve(std::move(options), background); !status) {
    spdlog::error("{}", status.error().message);
    return 1;
  }
  return 0;
}

}  // namespace ssi
