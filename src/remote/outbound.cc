#include "remote/outbound.h"

#include <utility>

namespace ssi {

Outbound::Outbound(Loop& loop, const wire::SessionOpened& where,
                   std::function<void(Status)> ready)
    : loop_(loop), report_(std::move(ready)) {
  dial_ = std::make_unique<proto::Dial>(
      loop, where, proto::Purpose::kBulk, [this](auto dialed) {
        if (dialed) {
          Open(*std::move(dialed));
        } else {
          Report(std::unexpected(dialed.error()));
        }
      });
}

Outbound::~Outbound() {
  if (busy_) {
    stream_->Interrupt();
  }
  task_.reset();
}

void Outbound::Open(proto::Dial::Dialed dialed) {
  auto stream =
      proto::BulkStream::Client(std::move(dialed.socket), dialed.context);
  if (!stream) {
    Report(std::unexpected(stream.error()));
    return;
  }
  stream_ = *std::move(stream);
  auto status = std::make_shared<Status>();
  Run([status](proto::BulkStream& bulk) { *status = bulk.Handshake(); },
      [this, status] {
        ready_ = status->has_value();
        Report(*status);
      });
}

void Outbound::Report(Status status) {
  // It may destroy this.
  auto report = std::move(report_);
  report(std::move(status));
}

void Outbound::Run(std::function<void(proto::BulkStream&)> work,
                   std::function<void()> done) {
  busy_ = true;
  task_ = std::make_unique<migration::BulkTask>(
      loop_, [this, work = std::move(work)] { work(*stream_); },
      [this, done = std::move(done)] {
        busy_ = false;
        done();
      });
}

}  // namespace ssi
