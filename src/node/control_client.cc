#include "node/control_client.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>

#include "base/message_socket.h"
#include "base/unix_socket.h"
#include "proto/message.h"

namespace ssi {

namespace {

using namespace std::chrono_literals;

// What a daemon that runs has read of a request by then, on a busy machine too.
constexpr auto kReadLimit = 10s;

bool IsReady(int socket, std::chrono::milliseconds limit) {
  pollfd ready{socket, POLLIN, 0};
  int wait = limit.count() < 0 ? -1 : static_cast<int>(limit.count());
  return ::poll(&ready, 1, wait) == 1;
}

// The answer may take as long as `limit`, negative: for ever. But who does not
// even read the question will not answer it (SIOCOUTQ, unix(7)).
Status AwaitAnswer(int socket, std::chrono::milliseconds limit) {
  bool longer = limit < 0ms || limit > kReadLimit;
  if (longer) {
    if (IsReady(socket, kReadLimit)) {
      return {};
    }
    int unread = 0;
    if (::ioctl(socket, SIOCOUTQ, &unread) == 0 && unread > 0) {
      return Fail(ErrorCode::kGone,
                  "ssid has not read the request within {} s: it is stopped, "
                  "or has no descriptors left; its log says more",
                  kReadLimit.count());
    }
    limit = limit < 0ms ? limit : limit - kReadLimit;
  }
  if (!IsReady(socket, limit)) {
    return Fail(ErrorCode::kGone, "ssid did not answer within {} s",
                limit.count() / 1000);
  }
  return {};
}

}  // namespace

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
  SSI_TRY(AwaitAnswer(socket->get(), limit));
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
