// TLS 1.3 between two sides that share a key, and nothing else of TLS.
#ifndef SSI_PROTO_TLS_H_
#define SSI_PROTO_TLS_H_

#include <memory>
#include <string>

#include <openssl/types.h>

#include "base/result.h"
#include "proto/key.h"

namespace ssi::proto {

// What both sides of a connection must agree on: an external PSK (RFC 8446
// section 4.2.11) and the name it goes by. psk_dhe_ke with
// TLS_AES_128_GCM_SHA256 only: no certificates, tickets, early data,
// resumption, renegotiation or compression.
//
// A value: copies are cheap and share one SSL_CTX. One context serves any
// number of connections, as client and as server. Immutable, so any thread
// may use it.
class TlsContext {
 public:
  // The PSK is derived from `key` for this `identity`, which an observer can
  // read (TlsIdentity in preamble.h makes one). `key_name` is for messages:
  // "the peer has another cluster key".
  static Result<TlsContext> Make(const Key& key, std::string identity,
                                 std::string key_name = "cluster key");

 private:
  friend class TlsSession;
  struct Shared;

  explicit TlsContext(std::shared_ptr<const Shared> shared)
      : shared_(std::move(shared)) {}

  std::shared_ptr<const Shared> shared_;
};

// Takes everything out of OpenSSL's error queue of this thread, as words.
std::string TakeOpenSslErrors();

// OpenSSL builds its tables at first use, for 1 to 2 ms: now instead.
void PrepareTls();

}  // namespace ssi::proto

#endif  // SSI_PROTO_TLS_H_
