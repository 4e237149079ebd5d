// The exchange of preamble and answer on a new connection, before TLS.
#ifndef SSI_PROTO_GREETING_H_
#define SSI_PROTO_GREETING_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "base/clock.h"
#include "base/loop.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "proto/preamble.h"

namespace ssi::proto {

// What a greeting leaves: a socket from which nothing beyond the greeting was
// read, so that it can go to a Channel, a BulkStream or another process, and
// what was agreed. TlsIdentity(preamble, version) is the identity for TLS.
struct Greeted {
  UniqueFd socket;
  Preamble preamble;
  std::uint16_t version = 0;
};

// One greeting in progress; ends without a word when destroyed.
//
// Threads: the loop's only.
// The callback comes once, from the loop, and may destroy the greeting.
// Errors:  kGone (closed, broken, time limit), kProtocol (a stranger, who gets
//          no answer), kUnsupported (versions), kDenied, kRetry (as the peer
//          answered).
class Greeting {
 public:
  using Callback = std::function<void(Result<Greeted>)>;

  // The connecting side: sends `preamble`, reads the answer.
  static std::unique_ptr<Greeting> Connecting(
      Loop& loop, UniqueFd socket, const Preamble& preamble, Callback done,
      Nanos limit = std::chrono::seconds(5));
  // The accepting side: reads the preamble. A peer of another version has its
  // answer already when the callback comes; one whom the owner accepts or
  // refuses gets it by SendAnswer.
  static std::unique_ptr<Greeting> Accepting(
      Loop& loop, UniqueFd socket, Callback done,
      Nanos limit = std::chrono::seconds(5));
  Greeting(const Greeting&) = delete;
  Greeting& operator=(const Greeting&) = delete;
  Greeting(Greeting&&) = delete;
  Greeting& operator=(Greeting&&) = delete;
  ~Greeting();

 private:
  class State;
  explicit Greeting(std::shared_ptr<State> state);

  std::shared_ptr<State> state_;
};

// The acceptor's word. Does not wait: an answer fits any socket's buffer.
Status SendAnswer(int socket, Verdict verdict);

}  // namespace ssi::proto

#endif  // SSI_PROTO_GREETING_H_
