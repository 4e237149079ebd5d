// The seam between OpenSSL and a socket.
#ifndef SSI_PROTO_WIRE_BIO_H_
#define SSI_PROTO_WIRE_BIO_H_

#include <cstddef>
#include <optional>
#include <span>

#include <openssl/types.h>

#include "base/result.h"

namespace ssi::proto {

// Where a TlsSession gets and puts its records. OpenSSL's own socket BIO is
// not used: it writes with write(2), which raises SIGPIPE on a closed
// connection, cannot say that more is coming (MSG_MORE), and makes the caller
// repeat a half-sent write with the same arguments. It costs nothing extra:
// OpenSSL still reads straight into its record buffer and writes from it.
class Wire {
 public:
  Wire() = default;
  virtual ~Wire() = default;
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;
  Wire(Wire&&) = delete;
  Wire& operator=(Wire&&) = delete;

  // Bytes that arrived, at most as many as fit; 0 when there are none now, or
  // when there will be none any more: then failure() is set.
  virtual std::size_t Receive(std::span<std::byte> into) = 0;
  // Takes all of `bytes`, for sending now or later. False: failure() is set.
  virtual bool Transmit(std::span<const std::byte> bytes) = 0;
  // While on, another record follows at once.
  virtual void MoreFollows(bool on) = 0;
  // Why nothing more can be received or sent; kGone at the end of the stream.
  [[nodiscard]] virtual const std::optional<Error>& failure() const = 0;
};

// A BIO over `wire`, which must outlive it; null when out of memory. Goes to
// SSL_set_bio or BIO_free.
BIO* MakeWireBio(Wire& wire);

}  // namespace ssi::proto

#endif  // SSI_PROTO_WIRE_BIO_H_
