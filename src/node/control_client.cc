#include "node/control_client.h"

#include <poll.h>

#include "base/message_socket.h"
#include "base/unix_socket.h"
#include "proto/message.h"

namespace ssi {

Result<wire::Response> AskDaemon(const std::string& socket_path,
                                 const wire::Request& request,
                                 std::chrono::milliseconds limit) {
  auto socket = ConnectUnix(socket_path);
  if (!socket) {
    return Fail(ErrorCode::kGone,
                "no ssid runs on this node (no answer at {}); start one with "
                "`ssid` or `ssictl local up`",
                socket_path);
  }
  wire::JobMessage message;
  *message.mutable_request() = request;
  message.mutable_request()->set_id(1);
  SSI_ASSIGN(auto bytes, proto::EncodeMessage(message));
  SSI_TRY(SendWithFds(socket->get(), bytes, {}));
  pollfd ready{socket->get(), POLLIN, 0};
  int wait = limit.count() < 0 ? -1 : static_cast<int>(limit.count());
  if (::poll(&ready, 1, wait) != 1) {
    return Fail(ErrorCode::kGone, "ssid did not answer within {} s",
                limit.count() / 1000);
  }
  SSI_ASSIGN(auto received,
             ReceiveWithFds(socket->get(), MessageSocket::kMaxMessage));
  wire::JobMessage answer;
  if (received.data.empty() || !proto::DecodeMessage(received.data, answer) ||
      !answer.has_response()) {
    return Fail(ErrorCode::kGone, "ssid ended the connection");
  }
  if (!answer.response().error().empty()) {
    return Fail(ErrorCode::kDenied, "{}", answer.response().error());
  }
  return answer.response();
}

}  // namespace ssi
