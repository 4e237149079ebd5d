#include "proto/listen.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <optional>

#include <spdlog/spdlog.h>

#include "proto/address.h"
#include "proto/socket.h"

namespace ssi::proto {

namespace {

// Between two tries to accept when there are no descriptors or no memory: long
// enough not to burn the CPU, short enough not to look dead.
constexpr auto kRetryAccept = std::chrono::milliseconds(100);

Result<UniqueFd> ListenOn(const SocketAddress& address) {
  UniqueFd socket(::socket(address.storage.ss_family,
                           SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) {
    return FailErrno(errno, "socket");
  }
  // A daemon that starts again takes its port from connections in TIME_WAIT.
  int on = 1;
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) !=
      0) {
    return FailErrno(errno, "SO_REUSEADDR");
  }
  if (::bind(socket.get(), address.get(), address.size) != 0 ||
      ::listen(socket.get(), SOMAXCONN) != 0) {
    return FailErrno(errno, "listen on {}", FormatAddress(address));
  }
  return socket;
}

// accept(2): errors of the connection that was about to be accepted are
// reported there too, and concern nobody else.
bool ConcernsOneConnection(int err) {
  switch (err) {
    case EINTR:
    case ECONNABORTED:
    case EPERM:  // a firewall's word
    case ENETDOWN:
    case EPROTO:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH:
      return true;
    default:
      return false;
  }
}

}  // namespace

// Shared with the call in progress, so that a callback may destroy all.
class Listener::State : public std::enable_shared_from_this<State> {
 public:
  State(Loop& loop, UniqueFd socket, Callback on_connection)
      : loop_(loop),
        socket_(std::move(socket)),
        on_connection_(std::move(on_connection)),
        retry_(loop) {}

  void Watch() {
    KeepSpare();
    watch_.emplace(loop_, socket_.get(), [weak = weak_from_this()] {
      if (auto state = weak.lock()) {
        state->AcceptAll();
      }
    });
  }

  void Stop() {
    retry_.Stop();
    watch_.reset();
  }

 private:
  void AcceptAll() {
    while (watch_) {  // the callback may end it
      UniqueFd accepted = AcceptOne();
      if (accepted.valid()) {
        warned_ = false;
        if (PrepareSocket(accepted.get())) {
          on_connection_(std::move(accepted));
        }
      } else if (errno == EAGAIN) {
        return;
      } else if (!ConcernsOneConnection(errno)) {
        Pause(errno);
      }
    }
  }

  // Who has no other descriptor left has the spare one: what is accepted as a
  // rule goes to another process, and then it can be kept again.
  UniqueFd AcceptOne() {
    KeepSpare();
    UniqueFd accepted = Accept();
    if (!accepted.valid() && errno == EMFILE && spare_.valid()) {
      spare_.Reset();
      accepted = Accept();
    }
    return accepted;
  }

  UniqueFd Accept() {
    return UniqueFd(::accept4(socket_.get(), nullptr, nullptr,
                              SOCK_CLOEXEC | SOCK_NONBLOCK));
  }

  void KeepSpare() {
    if (!spare_.valid()) {
      spare_ = UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    }
  }

  void Pause(int err) {
    if (!std::exchange(warned_, true)) {
      spdlog::warn("cannot accept connections: {}", ErrnoName(err));
    }
    watch_.reset();
    retry_.Start(kRetryAccept, [this] { Watch(); });
  }

  Loop& loop_;
  UniqueFd socket_;
  UniqueFd spare_;
  Callback on_connection_;
  Timer retry_;
  bool warned_ = false;  // since the last that was accepted
  std::optional<ReadWatch> watch_;
};

Result<std::unique_ptr<Listener>> Listener::Make(Loop& loop,
                                                 const std::string& address,
                                                 Callback on_connection) {
  SSI_ASSIGN(auto addresses, ResolveAddress(address, AddressUse::kListen));
  // Of several (a name, all of IPv4 and IPv6) the first that can be had.
  Result<UniqueFd> socket = Fail(ErrorCode::kInvalid, "no address");
  for (const SocketAddress& candidate : addresses) {
    socket = ListenOn(candidate);
    if (socket) {
      break;
    }
  }
  if (!socket) {
    return std::unexpected(socket.error());
  }
  SSI_ASSIGN(std::string bound, LocalAddress(socket->get()));
  auto state = std::make_shared<State>(loop, std::move(*socket),
                                       std::move(on_connection));
  state->Watch();
  return std::unique_ptr<Listener>(
      new Listener(std::move(state), std::move(bound)));
}

std::unique_ptr<Listener> Listener::Of(Loop& loop, UniqueFd socket,
                                       Callback on_connection) {
  auto state = std::make_shared<State>(loop, std::move(socket),
                                       std::move(on_connection));
  state->Watch();
  return std::unique_ptr<Listener>(new Listener(std::move(state), ""));
}

Listener::Listener(std::shared_ptr<State> state, std::string address)
    : state_(std::move(state)), address_(std::move(address)) {}

Listener::~Listener() {
  state_->Stop();
}

}  // namespace ssi::proto
