// The connection for pages: a blocking byte stream for the bulk thread.
#ifndef SSI_PROTO_BULK_STREAM_H_
#define SSI_PROTO_BULK_STREAM_H_

#include <chrono>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <span>

#include "base/result.h"
#include "base/unique_fd.h"
#include "proto/tls.h"

namespace ssi::proto {

class BlockingWire;
class TlsSession;

// Authenticated and encrypted as a Channel is, without frames. What the bytes
// mean, and where they end, is the business of the two users.
//
// Owner:   outlives the bulk thread's use of it (join first).
// Threads: Handshake, Read and Write in one thread at a time; Interrupt() in
//          any.
// Errors:  kGone when the peer or the connection is gone, or after
//          Interrupt(); kDenied when the peer has another key; kProtocol. After
//          an error every call fails.
// Both sides must not Write more than the socket buffers hold while neither
// reads: nobody would ever go on. A stream that is destroyed while bytes from
// the peer are unread may take the peer's last bytes with it (TCP reset), so
// a transfer ends with a word from its receiver.
class BulkStream {
 public:
  // Takes a connected socket. Nothing is sent before Handshake().
  static Result<std::unique_ptr<BulkStream>> Client(UniqueFd socket,
                                                    const TlsContext& context);
  static Result<std::unique_ptr<BulkStream>> Server(UniqueFd socket,
                                                    const TlsContext& context);
  BulkStream(const BulkStream&) = delete;
  BulkStream& operator=(const BulkStream&) = delete;
  BulkStream(BulkStream&&) = delete;
  BulkStream& operator=(BulkStream&&) = delete;
  ~BulkStream();

  // Once, first. kGone when it takes longer than `limit`.
  Status Handshake(std::chrono::nanoseconds limit = std::chrono::seconds(5));
  // Returns when the kernel has all of it. The parts go out as one piece.
  Status Write(std::span<const std::byte> bytes);
  Status Write(std::initializer_list<std::span<const std::byte>> parts);
  // Returns when all of `into` is filled.
  Status Read(std::span<std::byte> into);
  void Interrupt();
  // Nothing has broken the connection. In no other thread's time.
  [[nodiscard]] bool Good() const;

 private:
  BulkStream(std::unique_ptr<BlockingWire> wire,
             std::unique_ptr<TlsSession> tls);
  Status Flush();

  std::unique_ptr<BlockingWire> wire_;
  std::unique_ptr<TlsSession> tls_;  // uses wire_
};

}  // namespace ssi::proto

#endif  // SSI_PROTO_BULK_STREAM_H_
