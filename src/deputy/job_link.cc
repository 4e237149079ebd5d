#include "deputy/job_link.h"

#include <poll.h>

#include "base/paths.h"
#include "base/unix_socket.h"
#include "proto/message.h"

namespace ssi {

namespace {

// The first exchange, before the loop runs.
Result<wire::Registered> Register(int socket, const wire::RegisterJob& job) {
  wire::JobMessage message;
  *message.mutable_register_job() = job;
  SSI_ASSIGN(auto bytes, proto::EncodeMessage(message));
  SSI_TRY(SendWithFds(socket, bytes, {}));
  constexpr int kLimitMs = 5000;
  pollfd ready{socket, POLLIN, 0};
  if (::poll(&ready, 1, kLimitMs) != 1) {
    return Fail(ErrorCode::kGone, "ssid does not answer");
  }
  SSI_ASSIGN(auto received, ReceiveWithFds(socket, MessageSocket::kMaxMessage));
  if (received.data.empty()) {
    return Fail(ErrorCode::kGone, "ssid closed the connection");
  }
  wire::JobMessage answer;
  SSI_TRY(proto::DecodeMessage(received.data, answer));
  if (!answer.has_registered()) {
    return Fail(ErrorCode::kProtocol, "ssid answered something else");
  }
  if (!answer.registered().error().empty()) {
    return Fail(ErrorCode::kDenied, "{}", answer.registered().error());
  }
  return answer.registered();
}

}  // namespace

Result<std::unique_ptr<JobLink>> JobLink::Connect(Loop& loop,
                                                  const wire::RegisterJob& job,
                                                  wire::Registered& registered,
                                                  Hooks hooks) {
  auto socket = ConnectUnix(ControlSocketPath());
  if (!socket) {
    return Fail(ErrorCode::kGone,
                "no ssid runs on this node (no answer at {}); start one with "
                "`ssid` or `ssictl local up`",
                ControlSocketPath());
  }
  SSI_ASSIGN(registered, Register(socket->get(), job));
  return std::unique_ptr<JobLink>(
      new JobLink(loop, *std::move(socket), std::move(hooks)));
}

JobLink::JobLink(Loop& loop, UniqueFd socket, Hooks hooks)
    : hooks_(std::move(hooks)),
      socket_(
          loop, std::move(socket),
          [this](std::span<const std::byte> data, std::vector<UniqueFd>) {
            OnMessage(data);
          },
          [this] { OnClosed(); }) {}

Status JobLink::Send(const wire::JobMessage& message) {
  SSI_ASSIGN(auto bytes, proto::EncodeMessage(message));
  return socket_.Send(bytes);
}

void JobLink::Ask(wire::Request request, OnResponse on_response) {
  request.set_id(next_id_++);
  wire::JobMessage message;
  *message.mutable_request() = request;
  if (auto status = Send(message); !status) {
    on_response(std::unexpected(status.error()));
    return;
  }
  waiting_[request.id()] = std::move(on_response);
}

void JobLink::Respond(const wire::Response& response) {
  wire::JobMessage message;
  *message.mutable_response() = response;
  (void)Send(message);
}

void JobLink::OnMessage(std::span<const std::byte> data) {
  wire::JobMessage message;
  if (!proto::DecodeMessage(data, message)) {
    return;
  }
  if (message.has_request()) {
    hooks_.on_request(message.request());
  } else if (message.has_response()) {
    auto waiting = waiting_.find(message.response().id());
    if (waiting != waiting_.end()) {
      auto on_response = std::move(waiting->second);
      waiting_.erase(waiting);
      on_response(message.response());
    }
  }
}

void JobLink::OnClosed() {
  auto waiting = std::exchange(waiting_, {});
  for (auto& [id, on_response] : waiting) {
    on_response(Fail(ErrorCode::kGone, "this node's ssid is gone"));
  }
  hooks_.on_closed();
}

}  // namespace ssi
