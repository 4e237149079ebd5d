#include "proto/greeting.h"

#include <array>
#include <cerrno>
#include <optional>

#include "proto/socket.h"

namespace ssi::proto {

namespace {

Status SendGreeting(int socket, std::span<const std::byte> bytes) {
  ssize_t n = SendNow(socket, bytes.data(), bytes.size());
  if (n < 0) {
    return std::unexpected(ConnectionError(errno, "the connection broke"));
  }
  if (static_cast<std::size_t>(n) != bytes.size()) {
    return Fail(ErrorCode::kGone, "the connection takes no greeting");
  }
  return {};
}

}  // namespace

// Shared with the handlers that wait in the loop, which hold it weakly.
class Greeting::State : public std::enable_shared_from_this<State> {
 public:
  // `mine` on the connecting side only.
  State(Loop& loop, UniqueFd socket, std::optional<Preamble> mine,
        Callback done)
      : loop_(loop),
        socket_(std::move(socket)),
        mine_(mine),
        done_(std::move(done)),
        timer_(loop) {}

  void Start(Nanos limit) {
    Status begun = Begin();
    if (!begun) {
      asio::post(loop_, [weak = weak_from_this(), error = begun.error()] {
        if (auto state = weak.lock()) {
          state->Finish(std::unexpected(error));
        }
      });
      return;
    }
    timer_.Start(limit, [weak = weak_from_this(), limit] {
      if (auto state = weak.lock()) {
        state->Finish(Fail(ErrorCode::kGone,
                           "the peer did not introduce itself in {:.3g} s",
                           std::chrono::duration<double>(limit).count()));
      }
    });
  }

  void Drop() {
    done_ = nullptr;
    Stop();
  }

 private:
  [[nodiscard]] std::size_t Wanted() const {
    return mine_ ? kAnswerSize : kPreambleSize;
  }

  Status Begin() {
    SSI_TRY(PrepareSocket(socket_.get()));
    watch_.emplace(loop_, socket_.get(), [weak = weak_from_this()] {
      if (auto state = weak.lock()) {
        state->OnReadable();
      }
    });
    return mine_ ? SendGreeting(socket_.get(), EncodePreamble(*mine_))
                 : Status();
  }

  void OnReadable() {
    // Never more than the greeting: the rest is for TLS.
    ssize_t n =
        ReceiveNow(socket_.get(), buffer_.data() + filled_, Wanted() - filled_);
    if (n < 0 && errno == EAGAIN) {
      return;
    }
    if (n <= 0) {
      Finish(std::unexpected(
          n == 0 ? Error{ErrorCode::kGone,
                         "the peer closed the connection at once", 0}
                 : ConnectionError(errno, "the connection broke")));
      return;
    }
    filled_ += static_cast<std::size_t>(n);
    std::span<const std::byte> got(buffer_.data(), filled_);
    if (!CanBecomeOurs(got)) {
      Finish(Fail(ErrorCode::kProtocol, "the peer does not speak ssi"));
    } else if (filled_ == Wanted()) {
      Finish(mine_ ? FinishConnecting(got) : FinishAccepting(got));
    }
  }

  Result<Greeted> FinishConnecting(std::span<const std::byte> bytes) {
    SSI_ASSIGN(Answer answer, DecodeAnswer(bytes));
    SSI_ASSIGN(std::uint16_t version, CheckAnswer(*mine_, answer));
    return Greeted{std::move(socket_), *mine_, version};
  }

  Result<Greeted> FinishAccepting(std::span<const std::byte> bytes) {
    SSI_ASSIGN(Preamble theirs, DecodePreamble(bytes));
    auto version =
        CommonVersion(Preamble{}, theirs.version, theirs.min_version);
    if (!version) {
      // Whether it still hears this does not matter to us.
      (void)SendAnswer(socket_.get(), Verdict::kWrongVersion);
      return std::unexpected(version.error());
    }
    return Greeted{std::move(socket_), theirs, *version};
  }

  void Finish(Result<Greeted> result) {
    Stop();
    if (auto callback = std::exchange(done_, nullptr)) {
      callback(std::move(result));
    }
  }

  void Stop() {
    timer_.Stop();
    watch_.reset();
    socket_.Reset();
  }

  Loop& loop_;
  UniqueFd socket_;
  std::optional<Preamble> mine_;  // of the connecting side
  Callback done_;                 // empty once called
  Timer timer_;
  std::optional<ReadWatch> watch_;
  std::array<std::byte, kPreambleSize> buffer_{};
  std::size_t filled_ = 0;
};

std::unique_ptr<Greeting> Greeting::Connecting(Loop& loop, UniqueFd socket,
                                               const Preamble& preamble,
                                               Callback done, Nanos limit) {
  auto state = std::make_shared<State>(loop, std::move(socket), preamble,
                                       std::move(done));
  state->Start(limit);
  return std::unique_ptr<Greeting>(new Greeting(std::move(state)));
}

std::unique_ptr<Greeting> Greeting::Accepting(Loop& loop, UniqueFd socket,
                                              Callback done, Nanos limit) {
  auto state = std::make_shared<State>(loop, std::move(socket), std::nullopt,
                                       std::move(done));
  state->Start(limit);
  return std::unique_ptr<Greeting>(new Greeting(std::move(state)));
}

Greeting::Greeting(std::shared_ptr<State> state) : state_(std::move(state)) {}

Greeting::~Greeting() {
  state_->Drop();
}

Status SendAnswer(int socket, Verdict verdict) {
  return SendGreeting(socket, EncodeAnswer(Answer{verdict}));
}

}  // namespace ssi::proto
