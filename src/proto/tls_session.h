// One TLS connection over a Wire: the part that Channel and BulkStream share.
#ifndef SSI_PROTO_TLS_SESSION_H_
#define SSI_PROTO_TLS_SESSION_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>

#include <openssl/ssl.h>

#include "base/result.h"
#include "proto/tls.h"
#include "proto/wire_bio.h"

namespace ssi::proto {

enum class TlsRole { kClient, kServer };

// The plain bytes of one TLS record (RFC 8446 section 5.1).
inline constexpr std::size_t kMaxRecord = 16384;

struct TlsContext::Shared {
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> ssl_context;
  Key psk;
  std::string identity;
  std::string key_name;
};

struct TlsTuning {
  // OpenSSL asks the wire for this many bytes at a time. More is slower: the
  // records fall out of the cache before they are decrypted.
  std::size_t read_ahead = std::size_t{64} << 10;
  // RFC 8446 section 5.5 allows 2^24.5 full records under one AES-GCM key: a
  // busy channel of small frames gets there within the hour.
  std::uint64_t records_per_key = std::uint64_t{1} << 24;
};

// Owner:   a Channel or a BulkStream, which also owns the wire.
// Threads: one at a time.
// Errors:  the wire's own; kDenied when the peer has another key; kProtocol
//          when it breaks TLS; kGone when it said goodbye. After an error
//          every call fails with that error.
class TlsSession {
 public:
  // `wire` must outlive the session.
  static Result<std::unique_ptr<TlsSession>> Make(const TlsContext& context,
                                                  TlsRole role, Wire& wire,
                                                  const TlsTuning& tuning);
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;
  TlsSession(TlsSession&&) = delete;
  TlsSession& operator=(TlsSession&&) = delete;
  ~TlsSession() = default;

  // True when it is done; false when it needs more bytes from the wire.
  Result<bool> Handshake();
  // What one record held, at most as much as fits; 0 when the wire has no
  // whole record now.
  Result<std::size_t> Read(std::span<std::byte> into);
  // `head` and all parts as one piece, in as few records as can hold them.
  Status Write(std::span<const std::byte> head,
               std::initializer_list<std::span<const std::byte>> parts);
  // Tells the peer that nothing more will come (close_notify).
  void SayGoodbye();
  // It has said so. A connection that only ends has not.
  [[nodiscard]] bool peer_said_goodbye() const { return goodbye_; }

 private:
  TlsSession(const TlsContext& context, Wire& wire, const TlsTuning& tuning);
  Status Attach(TlsRole role);
  Status CheckPeer() const;
  Status Put(std::span<const std::byte> part, std::size_t& left);
  Status PutSome(std::span<const std::byte> bytes, bool last);
  Status WriteRecord(std::span<const std::byte> bytes);
  Status ChangeKey();
  Error Failure(int returned);
  Error Explain(int returned);
  SSL_SESSION* MakePskSession();
  static int UsePsk(SSL* ssl, const EVP_MD* digest, const unsigned char** id,
                    std::size_t* id_size, SSL_SESSION** session);
  static int FindPsk(SSL* ssl, const unsigned char* id, std::size_t id_size,
                     SSL_SESSION** session);
  friend class TlsContext;  // installs UsePsk and FindPsk

  TlsContext context_;
  Wire& wire_;
  TlsTuning tuning_;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_{nullptr, &SSL_free};
  // Where parts that share a record are put together.
  std::unique_ptr<std::byte[]> scratch_;
  std::size_t scratch_size_ = 0;
  std::uint64_t records_ = 0;     // written under the present key
  bool open_ = false;             // the handshake is done
  std::optional<Error> failure_;  // the first; it does not get better
  bool unknown_identity_ = false;
  bool goodbye_ = false;
};

}  // namespace ssi::proto

#endif  // SSI_PROTO_TLS_SESSION_H_
