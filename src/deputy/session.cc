#include "deputy/session.h"

#include <algorithm>
#include <cerrno>

#include <spdlog/spdlog.h>

#include "migration/limits.h"

namespace ssi {

namespace {

using namespace std::chrono_literals;

// Between attempts to make a lost connection again: the first comes at once.
constexpr Nanos kFirstPause = 50ms;
constexpr Nanos kLongestPause = 2s;
// The grace period is on BOOTTIME, which goes on while the machine sleeps, and
// timers are not.
constexpr Nanos kGraceLook = 500ms;
// Nobody has listened at the node's port for this long: its ssid is gone, and
// its guests with it (not at once: its port may be a forwarded one).
constexpr Nanos kRefusedLimit = 1s;

double Seconds(Nanos time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

Session::Session(Loop& loop, const Clock& clock, std::string node, Nanos grace,
                 const wire::SessionOpened& where, FirstImage first,
                 Hooks hooks)
    : loop_(loop),
      clock_(clock),
      node_(std::move(node)),
      grace_(migration::BoundedGrace(grace)),
      where_(where),
      first_(first),
      hooks_(std::move(hooks)),
      channel_(loop, ChannelCallbacks(), migration::SilenceFor(grace_)),
      bulk_(loop),
      again_timer_(loop),
      grace_timer_(loop),
      later_(loop) {
  Connect(proto::Purpose::kCalls);
  if (first_ == FirstImage::kOfHome) {
    Connect(proto::Purpose::kBulk);
  }
}

Session::~Session() {
  when_renewed_ = nullptr;
  StopBulk();
}

proto::SteadyChannel::Callbacks Session::ChannelCallbacks() {
  proto::SteadyChannel::Callbacks callbacks;
  callbacks.on_open = [this] {
    calls_open_ = true;
    CheckOpen();
  };
  callbacks.on_refused = [this](const Error& error) {
    // Whoever answered there without the key decides nothing.
    FailConnection(proto::Purpose::kCalls,
                   Error{ErrorCode::kGone, error.message, 0});
  };
  callbacks.on_frame = [this](const proto::FrameHeader& header,
                              std::span<const std::byte> payload) {
    hooks_.on_frame(header, payload);
  };
  callbacks.on_lost = [this](const Error& error) {
    OnLost(error);
  };
  callbacks.on_back = [this] {
    OnBack();
  };
  callbacks.on_ended = [this](const Error& error) {
    Fail(error);
  };
  return callbacks;
}

void Session::Connect(proto::Purpose purpose) {
  auto& dial = purpose == proto::Purpose::kCalls ? calls_dial_ : bulk_dial_;
  dial = std::make_unique<proto::Dial>(
      loop_, where_, purpose, [this, purpose](auto dialed) {
        if (!dialed) {
          FailConnection(purpose, dialed.error());
        } else if (purpose == proto::Purpose::kCalls) {
          channel_.Take(std::move(dialed->socket), dialed->context,
                        proto::TlsRole::kClient);
        } else {
          OpenBulk(*std::move(dialed));
        }
      });
}

void Session::OpenBulk(proto::Dial::Dialed dialed) {
  auto stream =
      proto::BulkStream::Client(std::move(dialed.socket), dialed.context);
  if (!stream) {
    FailConnection(proto::Purpose::kBulk, stream.error());
    return;
  }
  bulk_.Open(*std::move(stream), [this](const Status& status) {
    if (!status) {
      FailConnection(proto::Purpose::kBulk, status.error());
      return;
    }
    CheckOpen();
    EndRenewal();
  });
}

void Session::CheckOpen() {
  bool whole = bulk_.Good() || first_ == FirstImage::kOfOther;
  if (calls_open_ && whole && !open_) {
    open_ = true;
    hooks_.opened({});
  }
}

void Session::RenewBulk() {
  if (Connected() && !bulk_.Good() && !renewing_ && !bulk_.Busy()) {
    renewing_ = true;
    Connect(proto::Purpose::kBulk);
  }
}

void Session::WhenRenewed(std::function<void()> then) {
  if (renewing_) {
    when_renewed_ = std::move(then);
  } else {
    then();
  }
}

void Session::EndRenewal() {
  if (std::exchange(renewing_, false) && when_renewed_) {
    later_.Call(std::exchange(when_renewed_, nullptr));
  }
}

void Session::FailConnection(proto::Purpose purpose, const Error& error) {
  if (purpose == proto::Purpose::kBulk && renewing_) {
    EndRenewal();
    spdlog::warn("node {}: connection for memory: {}", node_, error.message);
  } else if (purpose == proto::Purpose::kCalls && lost_at_) {
    TryAgain(error);
  } else {
    Fail(error);
  }
}

// ---- a lost connection ------------------------------------------------------

void Session::OnLost(const Error& error) {
  if (!open_) {
    Fail(error);
    return;
  }
  // The next one can be lost before it was of use.
  const bool known = lost_at_.has_value();
  lost_at_ = clock_.Boot();
  lost_why_ = error.message;
  if (!known) {
    down_at_ = *lost_at_;
    pause_ = Nanos(0);
  }
  refused_at_.reset();
  // What broke the one has broken the other, or may have.
  bulk_.Spoil();
  TryAgain(Error{ErrorCode::kGone, error.message, 0});
  WatchGrace();
  if (!known) {
    auto lost = hooks_.lost;
    lost(error);
  }
}

void Session::TryAgain(const Error& error) {
  // The daemon there does not know the session, so the remote has ended; or it
  // is of another release, so it was started since.
  if (error.code == ErrorCode::kDenied ||
      error.code == ErrorCode::kUnsupported) {
    Fail(Error{ErrorCode::kGone,
               fmt::format("it has ended the process ({}; {})", lost_why_,
                           error.message),
               0});
    return;
  }
  if (error.sys_errno != ECONNREFUSED) {
    refused_at_.reset();
  } else if (!refused_at_) {
    refused_at_ = clock_.Boot();
  } else if (clock_.Boot() - *refused_at_ >= kRefusedLimit) {
    Fail(Error{ErrorCode::kGone,
               fmt::format("its ssid is gone ({})", error.message), 0});
    return;
  }
  again_timer_.Start(pause_, [this] { Connect(proto::Purpose::kCalls); });
  pause_ = std::clamp(2 * pause_, kFirstPause, kLongestPause);
}

void Session::WatchGrace() {
  if (channel_.connected()) {
    // The next connection is there, and has not said yet what it missed: what
    // was sent on it may have arrived.
    lost_at_ = clock_.Boot();
  }
  Nanos left = *lost_at_ + grace_ - clock_.Boot();
  if (left <= Nanos(0)) {
    Fail(Error{ErrorCode::kGone,
               fmt::format("out of reach for {:.0f} s ({})", Seconds(grace_),
                           lost_why_),
               0});
    return;
  }
  grace_timer_.Start(std::min(left, kGraceLook), [this] { WatchGrace(); });
}

void Session::OnBack() {
  Nanos after = clock_.Boot() - down_at_;
  lost_at_.reset();
  again_timer_.Stop();
  grace_timer_.Stop();
  RenewBulk();
  auto back = hooks_.back;
  back(after);
}

// ---- the end ----------------------------------------------------------------

void Session::Fail(Error error) {
  if (failed_) {
    return;
  }
  failed_ = true;
  lost_at_.reset();
  again_timer_.Stop();
  grace_timer_.Stop();
  channel_.Close();
  bool was_open = std::exchange(open_, false);
  // The callee may destroy this session: nothing after the call.
  if (was_open) {
    auto closed = hooks_.closed;
    closed(error);
  } else {
    auto opened = hooks_.opened;
    opened(std::unexpected(std::move(error).WithContext("node " + node_)));
  }
}

void Session::RunBulk(std::function<void(proto::BulkStream&)> work,
                      std::function<void()> done) {
  bulk_.Run(std::move(work), std::move(done));
}

void Session::StopBulk() {
  if (bulk_.Stop()) {
    EndRenewal();  // if it was that
  }
}

void Session::SpoilBulk() {
  StopBulk();
  bulk_.Spoil();
}

}  // namespace ssi
