// One of the connections of a session, from the side that makes it.
#ifndef SSI_PROTO_DIAL_H_
#define SSI_PROTO_DIAL_H_

#include <functional>
#include <memory>

#include "base/loop.h"
#include "base/result.h"
#include "proto/connect.h"
#include "proto/control.pb.h"
#include "proto/greeting.h"
#include "proto/preamble.h"
#include "proto/tls.h"

namespace ssi::proto {

// Connects to where a session was opened and greets; TLS is the business of
// who gets the socket. Given up when destroyed.
//
// Threads: the loop's only.
// The callback comes once, from the loop, and may destroy this.
// Errors:  those of Connector and Greeting; kProtocol (no session key).
class Dial {
 public:
  struct Dialed {
    UniqueFd socket;
    TlsContext context;
  };
  using Callback = std::function<void(Result<Dialed>)>;

  Dial(Loop& loop, const wire::SessionOpened& where, Purpose purpose,
       Callback done);
  Dial(const Dial&) = delete;
  Dial& operator=(const Dial&) = delete;
  Dial(Dial&&) = delete;
  Dial& operator=(Dial&&) = delete;
  ~Dial() = default;

 private:
  [[nodiscard]] Preamble PreambleFor(Purpose purpose) const;
  [[nodiscard]] Result<Dialed> Finish(Result<Greeted> greeted) const;

  wire::SessionOpened where_;
  Callback done_;
  std::unique_ptr<Connector> connector_;
  std::unique_ptr<Greeting> greeting_;
};

}  // namespace ssi::proto

#endif  // SSI_PROTO_DIAL_H_
