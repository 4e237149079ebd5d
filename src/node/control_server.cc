#include "node/control_server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include <spdlog/spdlog.h>

#include "base/unix_socket.h"
#include "process/stat_fields.h"
#include "proto/message.h"

namespace ssi {

Result<std::unique_ptr<ControlServer>> ControlServer::Listen(
    Loop& loop, const std::string& path, Hooks hooks) {
  SSI_ASSIGN(UniqueFd listener, ListenUnix(path));
  return std::unique_ptr<ControlServer>(
      new ControlServer(loop, path, std::move(listener), std::move(hooks)));
}

ControlServer::ControlServer(Loop& loop, std::string path, UniqueFd listener,
                             Hooks hooks)
    : loop_(loop),
      path_(std::move(path)),
      hooks_(std::move(hooks)),
      listener_(proto::Listener::Of(
          loop, std::move(listener),
          [this](UniqueFd socket) { OnConnection(std::move(socket)); })) {}

ControlServer::~ControlServer() {
  ::unlink(path_.c_str());
}

void ControlServer::OnConnection(UniqueFd socket) {
  auto peer = CredentialsOf(socket.get());
  if (!peer || peer->uid != ::getuid()) {
    spdlog::warn("a process of another user was turned away");
    return;
  }
  auto client = std::make_shared<Client>();
  std::weak_ptr<Client> weak = client;
  client->socket = std::make_unique<MessageSocket>(
      loop_, std::move(socket),
      [this, weak](std::span<const std::byte> data, std::vector<UniqueFd>) {
        if (auto strong = weak.lock()) {
          OnMessage(strong, data);
        }
      },
      [this, weak] {
        if (auto strong = weak.lock()) {
          OnClosed(strong);
        }
      });
  clients_.push_back(std::move(client));
}

void ControlServer::Send(Client& client, const wire::JobMessage& message) {
  if (auto bytes = proto::EncodeMessage(message)) {
    (void)client.socket->Send(*bytes);
  }
}

void ControlServer::OnMessage(const std::shared_ptr<Client>& client,
                              std::span<const std::byte> data) {
  wire::JobMessage message;
  if (!proto::DecodeMessage(data, message)) {
    OnClosed(client);
    return;
  }
  if (message.has_register_job()) {
    wire::JobMessage answer;
    *answer.mutable_registered() = hooks_.on_register(message.register_job());
    if (answer.registered().error().empty()) {
      client->job = message.register_job().job();
      client->supervisor = message.register_job().supervisor();
    }
    Send(*client, answer);
  } else if (message.has_request()) {
    hooks_.on_request(message.request(),
                      [weak = std::weak_ptr(client),
                       id = message.request().id()](wire::Response response) {
                        if (auto strong = weak.lock()) {
                          response.set_id(id);
                          wire::JobMessage answer;
                          *answer.mutable_response() = std::move(response);
                          Send(*strong, answer);
                        }
                      });
  } else if (message.has_response()) {
    auto waiting = waiting_.find(message.response().id());
    if (waiting != waiting_.end()) {
      auto on_response = std::move(waiting->second.on_response);
      waiting_.erase(waiting);
      on_response(message.response());
    }
  }
}

void ControlServer::OnClosed(const std::shared_ptr<Client>& client) {
  std::erase(clients_, client);
  auto waiting = std::exchange(waiting_, {});
  for (auto& [id, entry] : waiting) {
    if (!client->job.empty() && entry.job == client->job) {
      entry.on_response(Fail(ErrorCode::kGone, "the job has ended"));
    } else {
      waiting_.emplace(id, std::move(entry));
    }
  }
  if (!client->job.empty()) {
    hooks_.on_job_ended(client->job);
  }
  // Not from inside its own callback.
  asio::post(loop_, [client] {});
}

std::string ControlServer::JobOf(pid_t pid) const {
  constexpr int kDeepest = 1000;
  for (int i = 0; i < kDeepest && pid > 1; ++i) {
    for (const auto& client : clients_) {
      if (client->supervisor == pid) {
        return client->job;
      }
    }
    auto stat = StatFields::Read(HostPid{pid});
    constexpr std::size_t kParent = 4;
    pid = stat ? static_cast<pid_t>(stat->Number(kParent).value_or(0)) : 0;
  }
  return "";
}

std::vector<std::string> ControlServer::jobs() const {
  std::vector<std::string> jobs;
  for (const auto& client : clients_) {
    if (!client->job.empty()) {
      jobs.push_back(client->job);
    }
  }
  return jobs;
}

void ControlServer::AskJob(const std::string& job, wire::Request request,
                           OnResponse on_response) {
  for (const auto& client : clients_) {
    if (client->job == job) {
      request.set_id(next_id_++);
      waiting_[request.id()] = {job, std::move(on_response)};
      wire::JobMessage message;
      *message.mutable_request() = request;
      Send(*client, message);
      return;
    }
  }
  on_response(Fail(ErrorCode::kGone, "the job has ended"));
}

}  // namespace ssi
