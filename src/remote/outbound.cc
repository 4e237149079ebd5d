#include "remote/outbound.h"

#include <utility>

namespace ssi {

Outbound::Outbound(Loop& loop, const wire::SessionOpened& where,
                   std::function<void(Status)> ready)
    : link_(loop), report_(std::move(ready)) {
  dial_ = std::make_unique<proto::Dial>(
      loop, where, proto::Purpose::kBulk, [this](auto dialed) {
        if (dialed) {
          Open(*std::move(dialed));
        } else {
          Report(std::unexpected(dialed.error()));
        }
      });
}

void Outbound::Open(proto::Dial::Dialed dialed) {
  auto stream =
      proto::BulkStream::Client(std::move(dialed.socket), dialed.context);
  if (!stream) {
    Report(std::unexpected(stream.error()));
    return;
  }
  link_.Open(*std::move(stream),
             [this](Status status) { Report(std::move(status)); });
}

void Outbound::Report(Status status) {
  // It may destroy this.
  auto report = std::move(report_);
  report(std::move(status));
}

}  // namespace ssi
