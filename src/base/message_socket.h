#ifndef SSI_BASE_MESSAGE_SOCKET_H_
#define SSI_BASE_MESSAGE_SOCKET_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/loop.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "base/unix_socket.h"

namespace ssi {

// Messages with descriptors between processes of one machine, on the loop,
// over a SOCK_SEQPACKET socket.
//
// Owner:   whoever talks to that peer; may be destroyed in its callbacks.
// Threads: the loop's.
// Errors:  on_closed comes once, from the loop, when the peer is gone or sends
//          more than kMaxMessage; never after destruction.
class MessageSocket {
 public:
  // Under the default send buffer (net.core.wmem_default, 208 KiB).
  static constexpr std::size_t kMaxMessage = std::size_t{192} << 10;

  using OnMessage =
      std::function<void(std::span<const std::byte>, std::vector<UniqueFd>)>;
  MessageSocket(Loop& loop, UniqueFd socket, OnMessage on_message,
                std::function<void()> on_closed);
  ~MessageSocket();
  MessageSocket(const MessageSocket&) = delete;
  MessageSocket& operator=(const MessageSocket&) = delete;
  MessageSocket(MessageSocket&&) = delete;
  MessageSocket& operator=(MessageSocket&&) = delete;

  // Sends or queues. The descriptors are taken. kInvalid over kMaxMessage.
  Status Send(std::span<const std::byte> data, std::vector<UniqueFd> fds = {});
  [[nodiscard]] int fd() const;

 private:
  struct State;
  static void OnReadable(const std::shared_ptr<State>& state);
  static void Flush(const std::shared_ptr<State>& state);

  std::shared_ptr<State> state_;
};

}  // namespace ssi

#endif  // SSI_BASE_MESSAGE_SOCKET_H_
