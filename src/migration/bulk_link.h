#ifndef SSI_MIGRATION_BULK_LINK_H_
#define SSI_MIGRATION_BULK_LINK_H_

#include <functional>
#include <memory>

#include "base/loop.h"
#include "base/result.h"
#include "migration/bulk_task.h"
#include "proto/bulk_stream.h"

namespace ssi::migration {

// A connection for memory and the blocking work on it, of which there is one
// piece at a time, in a thread of its own.
//
// Owner:   one end of a session. Destroying it breaks off what is under way.
// Threads: the loop's; `work` runs in the bulk thread.
// Callbacks come once, from the loop, and may destroy this; not at all where
// the work was broken off.
class BulkLink {
 public:
  explicit BulkLink(Loop& loop) : loop_(loop) {}
  ~BulkLink() { Stop(); }
  BulkLink(const BulkLink&) = delete;
  BulkLink& operator=(const BulkLink&) = delete;
  BulkLink(BulkLink&&) = delete;
  BulkLink& operator=(BulkLink&&) = delete;

  // Takes a stream, in place of any before, and makes its handshake.
  void Open(std::unique_ptr<proto::BulkStream> stream,
            std::function<void(Status)> opened);
  void Run(std::function<void(proto::BulkStream&)> work,
           std::function<void()> done);
  // Breaks off what is under way, if anything is; the stream is of no use then.
  // False where there was nothing.
  bool Stop();
  // It is of no use from now on; what is under way goes on to its end.
  void Spoil() { good_ = false; }

  // Its handshake is done, and nothing has broken it.
  [[nodiscard]] bool Good() const { return good_; }
  [[nodiscard]] bool Busy() const { return busy_; }

 private:
  Loop& loop_;
  std::unique_ptr<proto::BulkStream> stream_;
  std::unique_ptr<BulkTask> task_;
  bool good_ = false;
  bool busy_ = false;
};

}  // namespace ssi::migration

#endif  // SSI_MIGRATION_BULK_LINK_H_
