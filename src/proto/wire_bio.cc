#include "proto/wire_bio.h"

#include <algorithm>

#include <openssl/bio.h>

#include "base/check.h"

namespace ssi::proto {

namespace {

Wire& WireOf(BIO* bio) {
  return *static_cast<Wire*>(BIO_get_data(bio));
}

// BIO_meth_new(3): as read(2), but "try again" is a flag beside -1.
int ReadBio(BIO* bio, char* into, int size) {
  BIO_clear_retry_flags(bio);
  Wire& wire = WireOf(bio);
  std::size_t n = wire.Receive(std::as_writable_bytes(
      std::span(into, static_cast<std::size_t>(std::max(size, 0)))));
  if (n == 0 && !wire.failure()) {
    BIO_set_retry_read(bio);
  }
  return n == 0 ? -1 : static_cast<int>(n);
}

int WriteBio(BIO* bio, const char* from, int size) {
  BIO_clear_retry_flags(bio);
  auto bytes = std::as_bytes(
      std::span(from, static_cast<std::size_t>(std::max(size, 0))));
  return WireOf(bio).Transmit(bytes) ? size : -1;
}

long ControlBio(BIO* /*bio*/, int command, long /*number*/, void* /*data*/) {
  // libssl flushes after each handshake flight and takes 0 for a failure.
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD* MakeMethod() {
  BIO_METHOD* method =
      BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "ssi wire");
  SSI_CHECK(method != nullptr && BIO_meth_set_read(method, ReadBio) == 1 &&
                BIO_meth_set_write(method, WriteBio) == 1 &&
                BIO_meth_set_ctrl(method, ControlBio) == 1,
            "no BIO method");
  return method;
}

}  // namespace

BIO* MakeWireBio(Wire& wire) {
  // One for the process, as OpenSSL's own methods are; never freed.
  static BIO_METHOD* const method = MakeMethod();
  BIO* bio = BIO_new(method);
  if (bio != nullptr) {
    BIO_set_data(bio, &wire);
    BIO_set_init(bio, 1);
  }
  return bio;
}

}  // namespace ssi::proto
