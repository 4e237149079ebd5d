#include "base/message_socket.h"

#include <cerrno>

namespace ssi {

struct MessageSocket::State {
  State(UniqueFd its_socket, OnMessage message, std::function<void()> closed)
      : socket(std::move(its_socket)),
        on_message(std::move(message)),
        on_closed(std::move(closed)) {}

  struct Queued {
    std::vector<std::byte> data;
    std::vector<UniqueFd> fds;
  };

  UniqueFd socket;
  OnMessage on_message;
  std::function<void()> on_closed;
  std::unique_ptr<ReadWatch> watch;
  std::deque<Queued> queue;
  bool waiting_to_write = false;
  bool dead = false;
};

namespace {

Status SendNow(int socket, std::span<const std::byte> data,
               const std::vector<UniqueFd>& fds) {
  std::vector<int> numbers;
  numbers.reserve(fds.size());
  for (const auto& fd : fds) {
    numbers.push_back(fd.get());
  }
  return SendWithFds(socket, data, numbers);
}

}  // namespace

MessageSocket::MessageSocket(Loop& loop, UniqueFd socket, OnMessage on_message,
                             std::function<void()> on_closed)
    : state_(std::make_shared<State>(std::move(socket), std::move(on_message),
                                     std::move(on_closed))) {
  (void)SetNonBlocking(state_->socket.get(), true);
  state_->watch = std::make_unique<ReadWatch>(loop, state_->socket.get(),
                                              [weak = std::weak_ptr(state_)] {
                                                if (auto state = weak.lock()) {
                                                  OnReadable(state);
                                                }
                                              });
}

MessageSocket::~MessageSocket() {
  state_->dead = true;
  state_->watch.reset();
}

int MessageSocket::fd() const {
  return state_->socket.get();
}

void MessageSocket::OnReadable(const std::shared_ptr<State>& state) {
  while (!state->dead) {
    auto message = ReceiveWithFds(state->socket.get(), kMaxMessage);
    if (!message && message.error().code == ErrorCode::kRetry) {
      return;
    }
    if (!message || message->data.empty()) {
      state->dead = true;
      state->watch->Stop();
      state->on_closed();
      return;
    }
    state->on_message(message->data, std::move(message->fds));
  }
}

Status MessageSocket::Send(std::span<const std::byte> data,
                           std::vector<UniqueFd> fds) {
  if (data.size() > kMaxMessage || data.empty()) {
    return Fail(ErrorCode::kInvalid, "message of {} bytes", data.size());
  }
  if (state_->dead) {
    return Fail(ErrorCode::kGone, "the peer is gone");
  }
  if (state_->queue.empty()) {
    auto status = SendNow(state_->socket.get(), data, fds);
    if (status || status.error().code != ErrorCode::kRetry) {
      return status;
    }
  }
  state_->queue.push_back({{data.begin(), data.end()}, std::move(fds)});
  Flush(state_);
  return {};
}

void MessageSocket::Flush(const std::shared_ptr<State>& state) {
  while (!state->dead && !state->queue.empty()) {
    auto& next = state->queue.front();
    auto status = SendNow(state->socket.get(), next.data, next.fds);
    if (!status && status.error().code == ErrorCode::kRetry) {
      if (!state->waiting_to_write) {
        state->waiting_to_write = true;
        state->watch->OnceWritable([state] {
          state->waiting_to_write = false;
          Flush(state);
        });
      }
      return;
    }
    state->queue.pop_front();  // sent; or the peer is gone, which is read next
  }
}

}  // namespace ssi
