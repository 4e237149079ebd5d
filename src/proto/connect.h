// Connecting to another node.
#ifndef SSI_PROTO_CONNECT_H_
#define SSI_PROTO_CONNECT_H_

#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/loop.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace ssi::proto {

// One connection attempt, to each address of "HOST:PORT" in turn, with one
// time limit for all. Given up when destroyed.
//
// Threads: the loop's only.
// The callback comes once, from the loop, and may destroy the connector. The
// socket is as PrepareSocket makes it.
// Errors:  kInvalid (not an address, unknown name), kGone (refused, no route,
//          time limit).
class Connector {
 public:
  using Callback = std::function<void(Result<UniqueFd>)>;

  Connector(Loop& loop, const std::string& address, Callback done,
            Nanos limit = std::chrono::seconds(5));
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;
  Connector(Connector&&) = delete;
  Connector& operator=(Connector&&) = delete;
  ~Connector();

 private:
  class State;
  std::shared_ptr<State> state_;
};

}  // namespace ssi::proto

#endif  // SSI_PROTO_CONNECT_H_
