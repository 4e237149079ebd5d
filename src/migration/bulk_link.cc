#include "migration/bulk_link.h"

#include <utility>

#include "base/check.h"

namespace ssi::migration {

void BulkLink::Open(std::unique_ptr<proto::BulkStream> stream,
                    std::function<void(Status)> opened) {
  Stop();
  good_ = false;
  stream_ = std::move(stream);
  auto status = std::make_shared<Status>();
  Run([status](proto::BulkStream& bulk) { *status = bulk.Handshake(); },
      [this, status, opened = std::move(opened)] {
        good_ = status->has_value();
        opened(*status);
      });
}

void BulkLink::Run(std::function<void(proto::BulkStream&)> work,
                   std::function<void()> done) {
  SSI_CHECK(!busy_, "one piece of bulk work at a time");
  busy_ = true;
  task_ = std::make_unique<BulkTask>(
      loop_, [this, work = std::move(work)] { work(*stream_); },
      [this, done = std::move(done)] {
        busy_ = false;
        good_ = good_ && stream_->Good();
        done();
      });
}

bool BulkLink::Stop() {
  if (!busy_) {
    return false;
  }
  stream_->Interrupt();
  task_.reset();
  busy_ = false;
  good_ = false;
  return true;
}

}  // namespace ssi::migration
