#include "node/guest_hosts.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include <spdlog/spdlog.h>

#include "proto/key.h"
#include "proto/message.h"

namespace ssi {

namespace {
using namespace std::chrono_literals;
// How long a node that goes down waits for its guests to leave.
constexpr Nanos kLeaveLimit = 10s;
// When the next reserve is started after one was taken: not at once, while the
// job that took it is on its way here and needs the CPU.
constexpr Nanos kReserveDelay = 20ms;

std::string TextOf(const proto::SessionId& session) {
  return {reinterpret_cast<const char*>(session.data()), session.size()};
}
}  // namespace

GuestHosts::GuestHosts(Loop& loop, const DaemonOptions& options, IsUp is_up)
    : loop_(loop),
      options_(options),
      is_up_(std::move(is_up)),
      reserve_timer_(loop),
      leave_timer_(loop) {}

GuestHosts::~GuestHosts() {
  if (reserve_) {
    hosts_.push_back(std::move(reserve_));
  }
  for (auto& host : hosts_) {
    host->socket.reset();
    ::kill(host->pid, SIGKILL);
    while (::waitpid(host->pid, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
}

void GuestHosts::Prepare() {
  if (!reserve_) {
    auto host = Start();
    if (!host) {
      spdlog::error("no guest supervisor: {}", host.error().message);
      return;
    }
    reserve_ = *std::move(host);
  }
}

Result<std::shared_ptr<GuestHosts::Host>> GuestHosts::Start() {
  SSI_ASSIGN(auto sockets, MakeSocketPair(SOCK_SEQPACKET));
  std::string number = std::to_string(sockets.second.get());
  pid_t pid = ::fork();
  if (pid < 0) {
    return FailErrno(errno, "fork");
  }
  if (pid == 0) {
    // Everything else closes itself.
    ::fcntl(sockets.second.get(), F_SETFD, 0);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::execl("/proc/self/exe", "ssid", "guest-supervisor", number.c_str(),
            nullptr);
    ::_exit(127);
  }
  auto host = std::make_shared<Host>();
  host->pid = pid;
  host->socket = std::make_unique<MessageSocket>(
      loop_, std::move(sockets.first),
      [this, weak = std::weak_ptr(host)](std::span<const std::byte> data,
                                         std::vector<UniqueFd>) {
        if (auto found = weak.lock()) {
          OnMessage(found, data);
        }
      },
      [] {});  // its end is seen when it is reaped
  return host;
}

void GuestHosts::Send(const Host& host, const wire::GuestMessage& message,
                      std::vector<UniqueFd> fds) {
  if (auto bytes = proto::EncodeMessage(message)) {
    (void)host.socket->Send(*bytes, std::move(fds));
  }
}

Result<std::shared_ptr<GuestHosts::Host>> GuestHosts::HostOf(
    const wire::OpenSession& request) {
  for (const auto& host : hosts_) {
    if (host->job == request.job()) {
      return host;
    }
  }
  Prepare();
  if (!reserve_) {
    return Fail(ErrorCode::kSystem, "no guest supervisor can be started");
  }
  auto host = std::move(reserve_);
  hosts_.push_back(host);
  host->job = request.job();
  host->home = request.home();
  wire::GuestMessage message;
  auto& setup = *message.mutable_setup();
  setup.set_node(options_.name);
  setup.set_job(request.job());
  setup.set_home(request.home());
  setup.set_memory_limit(options_.memory);
  auto grace = static_cast<double>(options_.grace.count());
  // Home must find it ended.
  setup.set_grace_seconds(
      request.grace_seconds() == 0
          ? grace
          : std::min(grace, static_cast<double>(request.grace_seconds())));
  for (unsigned cpu : options_.cpus) {
    setup.add_cpus(cpu);
  }
  Send(*host, message);
  reserve_timer_.Start(kReserveDelay, [this] { Prepare(); });
  return host;
}

Result<wire::SessionOpened> GuestHosts::Open(const wire::OpenSession& request) {
  if (!options_.accept_guests) {
    return Fail(ErrorCode::kDenied, "{} takes no guests", options_.name);
  }
  if (options_.max_guests != 0 && guests() >= options_.max_guests) {
    return Fail(ErrorCode::kDenied, "{} has {} guests and takes no more",
                options_.name, guests());
  }
  if (left_) {
    return Fail(ErrorCode::kDenied, "{} is leaving the cluster", options_.name);
  }
  SSI_ASSIGN(auto host, HostOf(request));
  SSI_ASSIGN(auto key, proto::Key::Random());
  proto::SessionId id;
  SSI_TRY(RandomBytes(id));
  std::string id_text = TextOf(id);
  wire::SessionOpened opened;
  opened.set_session(id_text);
  opened.set_key(key.bytes().data(), key.bytes().size());
  wire::GuestMessage message;
  auto& session = *message.mutable_session();
  session.set_session(opened.session());
  session.set_key(opened.key());
  session.set_pid(request.pid());
  Send(*host, message);
  ++host->sessions;
  sessions_[id_text] = host;
  return opened;
}

void GuestHosts::Connect(proto::Greeted greeted) {
  std::string id = TextOf(greeted.preamble.session);
  auto found = sessions_.find(id);
  auto host = found == sessions_.end() ? nullptr : found->second.lock();
  // What comes after the answer waits in the socket for whom it goes to.
  auto answered = proto::SendAnswer(
      greeted.socket.get(),
      host ? proto::Verdict::kOk : proto::Verdict::kUnknownSession);
  if (!host || !answered) {
    return;
  }
  wire::GuestMessage message;
  auto& connection = *message.mutable_connection();
  connection.set_session(id);
  connection.set_bulk(greeted.preamble.purpose == proto::Purpose::kBulk);
  connection.set_version(greeted.version);
  std::vector<UniqueFd> fds;
  fds.push_back(std::move(greeted.socket));
  Send(*host, message, std::move(fds));
}

void GuestHosts::OnMessage(const std::shared_ptr<Host>& host,
                           std::span<const std::byte> data) {
  wire::GuestMessage message;
  if (!proto::DecodeMessage(data, message)) {
    return;
  }
  if (message.has_processes()) {
    host->processes = message.processes();
    CheckLeft();
  } else if (message.has_ended()) {
    sessions_.erase(message.ended().session());
    // It stays for a while, with the files that it has, if its job comes back.
    if (--host->sessions == 0 && !is_up_(host->home)) {
      Retire(host);
    }
  }
}

// Nothing of its job is here any more. It ends when its socket is closed, which
// is after this callback of that socket; a session that is asked for meanwhile
// gets another one.
void GuestHosts::Retire(std::shared_ptr<Host> host) {
  std::erase(hosts_, host);
  asio::post(loop_, [host] { host->socket.reset(); });
}

void GuestHosts::OnNodeDown(const std::string& node) {
  for (const auto& host : std::vector(hosts_)) {
    if (host->home == node && host->sessions == 0) {
      Retire(host);
    }
  }
}

void GuestHosts::EndJob(const std::string& job) {
  for (const auto& host : hosts_) {
    if (host->job == job) {
      Retire(host);
      return;
    }
  }
}

void GuestHosts::Reap() {
  for (;;) {
    int status = 0;
    pid_t pid = ::waitpid(-1, &status, WNOHANG);
    if (pid <= 0) {
      return;
    }
    if (reserve_ && reserve_->pid == pid) {
      reserve_.reset();
    }
    for (auto host = hosts_.begin(); host != hosts_.end(); ++host) {
      if ((*host)->pid == pid) {
        if (!WIFEXITED(status)) {
          spdlog::error("the guest supervisor of job {} was killed (signal {})",
                        (*host)->job, WTERMSIG(status));
        }
        hosts_.erase(host);
        break;
      }
    }
    std::erase_if(sessions_,
                  [](const auto& entry) { return entry.second.expired(); });
    CheckLeft();
  }
}

unsigned GuestHosts::guests() const {
  unsigned count = 0;
  for (const auto& host : hosts_) {
    count += static_cast<unsigned>(host->processes.processes_size());
  }
  return count;
}

void GuestHosts::List(wire::ProcessesResponse& list) const {
  for (const auto& host : hosts_) {
    for (const auto& process : host->processes.processes()) {
      *list.add_processes() = process;
    }
  }
}

void GuestHosts::SendAllHome(const std::string& reason,
                             std::function<void()> left) {
  left_ = std::move(left);
  for (const auto& host : hosts_) {
    wire::GuestMessage message;
    message.mutable_leave()->set_reason(reason);
    Send(*host, message);
  }
  leave_timer_.Start(kLeaveLimit, [this] {
    if (left_) {
      left_();
    }
  });
  asio::post(loop_, [this] { CheckLeft(); });
}

void GuestHosts::CheckLeft() {
  if (left_ && guests() == 0) {
    auto left = std::exchange(left_, [] {});
    left();
  }
}

}  // namespace ssi
