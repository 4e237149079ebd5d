#include "deputy/session.h"

#include <algorithm>

#include <spdlog/spdlog.h>

#include "base/check.h"

namespace ssi {

Session::Session(Loop& loop, std::string node, const wire::SessionOpened& where,
                 Hooks hooks)
    : loop_(loop),
      node_(std::move(node)),
      where_(where),
      hooks_(std::move(hooks)) {
  Connect(proto::Purpose::kCalls, calls_);
  Connect(proto::Purpose::kBulk, bulk_connection_);
}

Session::~Session() {
  StopBulk();
}

void Session::Connect(proto::Purpose purpose, Connection& connection) {
  connection.connector = std::make_unique<proto::Connector>(
      loop_, where_.address(),
      [this, purpose, &connection](Result<UniqueFd> socket) {
        if (!socket) {
          FailConnection(purpose, socket.error());
          return;
        }
        proto::Preamble preamble;
        preamble.purpose = purpose;
        auto id = std::as_bytes(std::span(where_.session()));
        std::copy_n(id.begin(), std::min(id.size(), preamble.session.size()),
                    preamble.session.begin());
        connection.greeting = proto::Greeting::Connecting(
            loop_, *std::move(socket), preamble,
            [this, purpose](Result<proto::Greeted> greeted) {
              OnGreeted(purpose, std::move(greeted));
            });
      });
}

void Session::OnGreeted(proto::Purpose purpose,
                        Result<proto::Greeted> greeted) {
  if (!greeted) {
    FailConnection(purpose, greeted.error());
    return;
  }
  auto key = std::as_bytes(std::span(where_.key()));
  if (key.size() != proto::kKeySize) {
    Fail(Error{ErrorCode::kProtocol, "no session key", 0});
    return;
  }
  auto context = proto::TlsContext::Make(
      proto::Key::FromBytes(key.first<proto::kKeySize>()),
      proto::TlsIdentity(greeted->preamble, greeted->version), "session key");
  if (!context) {
    FailConnection(purpose, context.error());
  } else if (purpose == proto::Purpose::kCalls) {
    OpenCalls(*std::move(greeted), *context);
  } else {
    OpenBulk(*std::move(greeted), *context);
  }
}

void Session::OpenCalls(proto::Greeted greeted,
                        const proto::TlsContext& context) {
  proto::Channel::Callbacks callbacks;
  callbacks.on_open = [this](Status status) {
    if (!status) {
      Fail(status.error());
      return;
    }
    calls_open_ = true;
    CheckOpen();
  };
  callbacks.on_frame = [this](const proto::FrameHeader& header,
                              std::span<const std::byte> payload) {
    hooks_.on_frame(header, payload);
  };
  callbacks.on_closed = [this](const Error& error) {
    Fail(error);
  };
  channel_ = proto::Channel::Client(loop_, std::move(greeted.socket), context,
                                    std::move(callbacks));
}

void Session::OpenBulk(proto::Greeted greeted,
                       const proto::TlsContext& context) {
  auto stream = proto::BulkStream::Client(std::move(greeted.socket), context);
  if (!stream) {
    FailConnection(proto::Purpose::kBulk, stream.error());
    return;
  }
  bulk_ = *std::move(stream);
  auto status = std::make_shared<Status>();
  RunBulk([status](proto::BulkStream& bulk) { *status = bulk.Handshake(); },
          [this, status] {
            if (!*status) {
              FailConnection(proto::Purpose::kBulk, status->error());
              return;
            }
            renewing_ = false;
            bulk_good_ = true;
            CheckOpen();
          });
}

void Session::CheckOpen() {
  if (calls_open_ && bulk_good_ && !open_) {
    open_ = true;
    hooks_.opened({});
  }
}

void Session::RenewBulk() {
  if (open_ && !bulk_good_ && !renewing_) {
    renewing_ = true;
    Connect(proto::Purpose::kBulk, bulk_connection_);
  }
}

void Session::FailConnection(proto::Purpose purpose, const Error& error) {
  if (purpose == proto::Purpose::kBulk && renewing_) {
    renewing_ = false;
    spdlog::warn("node {}: connection for memory: {}", node_, error.message);
  } else {
    Fail(error);
  }
}

void Session::Fail(const Error& error) {
  if (failed_) {
    return;
  }
  failed_ = true;
  bool was_open = std::exchange(open_, false);
  // The callee may destroy this session: nothing after the call.
  Error copy = error;
  if (was_open) {
    auto closed = hooks_.closed;
    closed(copy);
  } else {
    auto opened = hooks_.opened;
    opened(std::unexpected(copy.WithContext("node " + node_)));
  }
}

void Session::RunBulk(std::function<void(proto::BulkStream&)> work,
                      std::function<void()> done) {
  SSI_CHECK(!bulk_busy_, "one piece of bulk work at a time");
  bulk_busy_ = true;
  task_ = std::make_unique<migration::BulkTask>(
      loop_, [this, work = std::move(work)] { work(*bulk_); },
      [this, done = std::move(done)] {
        bulk_busy_ = false;
        bulk_good_ = bulk_good_ && bulk_->Good();
        done();
      });
}

void Session::StopBulk() {
  if (bulk_busy_) {
    bulk_->Interrupt();
    task_.reset();
    bulk_busy_ = false;
    bulk_good_ = false;
  }
}

}  // namespace ssi
