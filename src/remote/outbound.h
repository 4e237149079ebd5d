#ifndef SSI_REMOTE_OUTBOUND_H_
#define SSI_REMOTE_OUTBOUND_H_

#include <functional>
#include <memory>

#include "base/loop.h"
#include "base/result.h"
#include "migration/bulk_link.h"
#include "proto/control.pb.h"
#include "proto/dial.h"

namespace ssi {

// The connection for memory from the node that a process leaves to the one that
// it goes on to: to the session that home has opened there.
//
// Owner:   the remote. Destroying it breaks off what is under way.
// Threads: the loop's.
class Outbound {
 public:
  // `ready` comes once: it can be used, or not, and why.
  Outbound(Loop& loop, const wire::SessionOpened& where,
           std::function<void(Status)> ready);
  ~Outbound() = default;
  Outbound(const Outbound&) = delete;
  Outbound& operator=(const Outbound&) = delete;
  Outbound(Outbound&&) = delete;
  Outbound& operator=(Outbound&&) = delete;

  [[nodiscard]] migration::BulkLink& link() { return link_; }

 private:
  void Open(proto::Dial::Dialed dialed);
  void Report(Status status);

  migration::BulkLink link_;
  std::function<void(Status)> report_;
  std::unique_ptr<proto::Dial> dial_;
};

}  // namespace ssi

#endif  // SSI_REMOTE_OUTBOUND_H_
