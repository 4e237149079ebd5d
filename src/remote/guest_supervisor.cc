#include "remote/guest_supervisor.h"

#include <signal.h>
#include <sys/prctl.h>

#include <spdlog/spdlog.h>

#include "base/log.h"
#include "base/paths.h"
#include "base/reserve.h"
#include "proto/message.h"
#include "proto/preamble.h"
#include "proto/tls.h"
#include "supervisor/filter.h"

namespace ssi {

namespace {

using namespace std::chrono_literals;

// The daemon's listings are as old as this at most.
constexpr Nanos kReportPeriod = 1s;
// A job that comes back within this finds its files and sandbox policy ready.
constexpr Nanos kIdleLimit = 60s;

}  // namespace

GuestSupervisor::GuestSupervisor(Loop& loop, UniqueFd daemon)
    : loop_(loop),
      daemon_(
          loop, std::move(daemon),
          [this](std::span<const std::byte> data, std::vector<UniqueFd> fds) {
            OnMessage(data, std::move(fds));
          },
          [&loop] {
            spdlog::debug("its work is done, or the daemon is gone");
            loop.stop();
          }),
      report_timer_(loop),
      idle_timer_(loop) {}

GuestSupervisor::~GuestSupervisor() {
  sessions_.clear();
}

Status GuestSupervisor::Start() {
  SSI_ASSIGN(signals_,
             SignalSource::Make(loop_, {SIGCHLD},
                                [this](const auto&) { OnChildSignal(); }));
  // The daemon starts this process before there is a job for it.
  proto::PrepareTls();
  return supervisor::PrepareFilter();
}

void GuestSupervisor::OnMessage(std::span<const std::byte> data,
                                std::vector<UniqueFd> fds) {
  wire::GuestMessage message;
  if (!proto::DecodeMessage(data, message)) {
    return;
  }
  Status status;
  switch (message.what_case()) {
    case wire::GuestMessage::kSetup:
      status = OnSetup(message.setup());
      break;
    case wire::GuestMessage::kSession:
      status = OnSession(message.session());
      break;
    case wire::GuestMessage::kConnection:
      if (fds.size() == 1) {
        status = OnConnection(message.connection(), std::move(fds[0]));
      }
      break;
    case wire::GuestMessage::kLeave:
      for (auto& [id, session] : sessions_) {
        session.remote->AskToLeave(message.leave().reason());
      }
      break;
    default:
      break;
  }
  if (!status) {
    spdlog::error("{}", status.error().message);
  }
}

Status GuestSupervisor::OnSetup(const wire::GuestSetup& setup) {
  policy_.node = setup.node();
  policy_.memory_limit = setup.memory_limit();
  policy_.refuse = setup.refuse();
  policy_.cpus.assign(setup.cpus().begin(), setup.cpus().end());
  policy_.grace = std::chrono::duration_cast<Nanos>(
      std::chrono::duration<double>(setup.grace_seconds()));
  job_ = setup.job();
  if (!watchdog_) {
    SSI_ASSIGN(watchdog_,
               Watchdog::Start(migration::WatchdogFor(policy_.grace)));
    hashes_ = std::make_unique<HashCache>(RuntimeDir() + "/hashes");
    files_ = std::make_unique<LocalFiles>(*hashes_);
    EndIfIdle();
  }
  return {};
}

Status GuestSupervisor::OnSession(const wire::GuestSession& session) {
  if (session.key().size() != proto::kKeySize || !watchdog_) {
    return Fail(ErrorCode::kProtocol, "session without key or setup");
  }
  idle_timer_.Stop();
  // Home opens one only for a process that it has: what is left here of an
  // earlier session, whose end did not get through, is of no use to anybody.
  for (auto& [id, earlier] : sessions_) {
    if (earlier.pid == session.pid()) {
      earlier.remote->Supersede();
    }
  }
  auto bytes = std::as_bytes(std::span(session.key()));
  Session made(proto::Key::FromBytes(bytes.first<proto::kKeySize>()));
  made.pid = session.pid();
  std::string id = session.session();
  made.remote = std::make_unique<Remote>(
      Remote::Places{loop_, clock_, *files_, policy_, *watchdog_},
      fmt::format("job {} process {}", job_, session.pid()),
      [this, id] { OnSessionEnded(id); });
  sessions_.insert_or_assign(id, std::move(made));
  return {};
}

Status GuestSupervisor::OnConnection(const wire::GuestConnection& connection,
                                     UniqueFd socket) {
  auto found = sessions_.find(connection.session());
  if (found == sessions_.end() ||
      connection.session().size() != sizeof(proto::SessionId)) {
    return Fail(ErrorCode::kProtocol, "connection for no session");
  }
  proto::Preamble preamble;
  preamble.purpose =
      connection.bulk() ? proto::Purpose::kBulk : proto::Purpose::kCalls;
  std::copy_n(reinterpret_cast<const std::byte*>(connection.session().data()),
              preamble.session.size(), preamble.session.begin());
  SSI_ASSIGN(auto context,
             proto::TlsContext::Make(
                 found->second.key,
                 proto::TlsIdentity(preamble, static_cast<std::uint16_t>(
                                                  connection.version())),
                 "session key"));
  if (connection.bulk()) {
    found->second.remote->TakeBulk(std::move(socket), context);
  } else {
    found->second.remote->TakeCalls(std::move(socket), context);
  }
  return {};
}

void GuestSupervisor::OnSessionEnded(const std::string& id) {
  sessions_.erase(id);
  wire::GuestMessage message;
  message.mutable_ended()->set_session(id);
  Send(message);
  Report();
  EndIfIdle();
}

void GuestSupervisor::EndIfIdle() {
  if (sessions_.empty()) {
    idle_timer_.Start(kIdleLimit, [this] { loop_.stop(); });
  }
}

void GuestSupervisor::OnChildSignal() {
  for (auto& [id, session] : sessions_) {
    session.remote->PollStops();
  }
}

void GuestSupervisor::Send(const wire::GuestMessage& message) {
  if (auto bytes = proto::EncodeMessage(message)) {
    (void)daemon_.Send(*bytes);
  }
}

void GuestSupervisor::Report() {
  wire::GuestMessage message;
  auto* list = message.mutable_processes();
  for (const auto& [id, session] : sessions_) {
    const Remote& remote = *session.remote;
    if (!remote.HasGuest()) {
      continue;
    }
    auto usage = remote.Usage();
    auto& process = *list->add_processes();
    process.set_pid(session.pid);
    process.set_command(remote.command());
    process.set_job(job_);
    process.set_home(remote.home_node());
    process.set_where(policy_.node);
    process.set_state("away");
    process.set_guest(true);
    process.set_host_pid(static_cast<std::uint32_t>(usage.host_pid()));
    process.set_cpu_away(
        static_cast<double>(usage.cpu_user_ns() + usage.cpu_system_ns()) / 1e9);
  }
  Send(message);
  if (!sessions_.empty()) {
    report_timer_.Start(kReportPeriod, [this] { Report(); });
  }
}

int RunGuestSupervisor(int daemon) {
  // Dies with the daemon, and all guests with it: a node is its ssid.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::prctl(PR_SET_NAME, "ssi-guests");
  ::prctl(PR_SET_TIMERSLACK, 1);
  (void)BlockSignals({SIGCHLD, SIGPIPE, SIGINT, SIGTERM, SIGHUP});
  LogToStderr("ssid guests", LogLevel::kInfo);
  KeepReserve();
  Loop loop;
  GuestSupervisor supervisor(loop, UniqueFd(daemon));
  if (auto status = supervisor.Start(); !status) {
    spdlog::error("{}", status.error().message);
    return 1;
  }
  auto work = asio::make_work_guard(loop);
  loop.run();
  return 0;
}

}  // namespace ssi
