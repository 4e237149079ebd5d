#include "proto/connect.h"

#include <sys/socket.h>

#include <cerrno>
#include <optional>
#include <vector>

#include "proto/address.h"
#include "proto/socket.h"

namespace ssi::proto {

// Shared with the handlers that wait in the loop, which hold it weakly.
class Connector::State : public std::enable_shared_from_this<State> {
 public:
  State(Loop& loop, std::string name, Callback done)
      : loop_(loop),
        name_(std::move(name)),
        done_(std::move(done)),
        timer_(loop) {}

  void Start(Nanos limit) {
    timer_.Start(limit, [weak = weak_from_this(), limit] {
      if (auto state = weak.lock()) {
        state->Finish(Fail(ErrorCode::kGone,
                           "connect to {}: no answer in {:.3g} s", state->name_,
                           std::chrono::duration<double>(limit).count()));
      }
    });
    asio::post(loop_, [weak = weak_from_this()] {
      if (auto state = weak.lock()) {
        state->Begin();
      }
    });
  }

  void Drop() {
    done_ = nullptr;
    Stop();
  }

 private:
  void Begin() {
    auto resolved = ResolveAddress(name_, AddressUse::kConnect);
    if (!resolved) {
      Finish(std::unexpected(resolved.error()));
      return;
    }
    addresses_ = std::move(*resolved);
    TryNext();
  }

  void TryNext() {
    while (next_ < addresses_.size()) {
      Status started = Try(addresses_[next_++]);
      if (started) {
        return;
      }
      last_error_ = started.error();
    }
    Finish(std::unexpected(last_error_));
  }

  Status Try(const SocketAddress& address) {
    UniqueFd socket(::socket(address.storage.ss_family,
                             SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket.valid()) {
      return FailErrno(errno, "socket");
    }
    SSI_TRY(PrepareSocket(socket.get()));
    // connect(2): goes on by itself; the socket becomes writable at the end.
    if (::connect(socket.get(), address.get(), address.size) != 0 &&
        errno != EINPROGRESS) {
      return std::unexpected(
          ConnectionError(errno, "connect to " + FormatAddress(address)));
    }
    attempt_.emplace(loop_);
    boost::system::error_code error;
    attempt_->assign(socket.get(), error);
    if (error) {
      return FailErrno(error.value(), "watch a socket");
    }
    (void)socket.Release();
    attempt_->async_wait(
        asio::posix::descriptor_base::wait_write,
        [weak = weak_from_this()](const boost::system::error_code& failed) {
          auto state = weak.lock();
          if (state && !failed) {
            state->OnWritable();
          }
        });
    return {};
  }

  void OnWritable() {
    if (!attempt_) {
      return;
    }
    UniqueFd socket(attempt_->release());
    attempt_.reset();
    int error = 0;
    socklen_t size = sizeof error;
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
      error = errno;
    }
    if (error == 0) {
      Finish(std::move(socket));
      return;
    }
    last_error_ = ConnectionError(
        error, "connect to " + FormatAddress(addresses_[next_ - 1]));
    TryNext();
  }

  void Finish(Result<UniqueFd> result) {
    Stop();
    if (auto callback = std::exchange(done_, nullptr)) {
      callback(std::move(result));
    }
  }

  void Stop() {
    timer_.Stop();
    attempt_.reset();
  }

  Loop& loop_;
  std::string name_;
  Callback done_;  // empty once called
  Timer timer_;
  std::vector<SocketAddress> addresses_;
  std::size_t next_ = 0;  // the address to try
  // The attempt in progress; owns the socket.
  std::optional<asio::posix::stream_descriptor> attempt_;
  Error last_error_{ErrorCode::kGone, "no address", 0};
};

Connector::Connector(Loop& loop, const std::string& address, Callback done,
                     Nanos limit)
    : state_(std::make_shared<State>(loop, address, std::move(done))) {
  state_->Start(limit);
}

Connector::~Connector() {
  state_->Drop();
}

}  // namespace ssi::proto
