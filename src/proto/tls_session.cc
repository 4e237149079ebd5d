#include "proto/tls_session.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <openssl/err.h>
#include <openssl/ssl.h>

namespace ssi::proto {

namespace {

// TLS_AES_128_GCM_SHA256 (RFC 8446 appendix B.4).
constexpr std::array<unsigned char, 2> kCipher = {0x13, 0x01};

// Whether an error of the handshake means that the two keys differ. The one
// who checks the binder of the other's PSK sees the first; the other side gets
// an alert, whose number depends on how far the acceptor came.
bool MeansOtherKey(unsigned long code) {
  if (ERR_GET_LIB(code) != ERR_LIB_SSL) {
    return false;
  }
  switch (ERR_GET_REASON(code)) {
    case SSL_R_BINDER_DOES_NOT_VERIFY:
    case SSL_R_CERTIFICATE_VERIFY_FAILED:  // the peer did not take our PSK
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
    case SSL_R_SSLV3_ALERT_ILLEGAL_PARAMETER:
    case SSL_R_TLSV1_ALERT_DECRYPT_ERROR:
    case SSL_R_TLSV1_ALERT_UNKNOWN_PSK_IDENTITY:
      return true;
    default:
      return false;
  }
}

}  // namespace

Result<std::unique_ptr<TlsSession>> TlsSession::Make(const TlsContext& context,
                                                     TlsRole role, Wire& wire,
                                                     const TlsTuning& tuning) {
  std::unique_ptr<TlsSession> session(new TlsSession(context, wire, tuning));
  SSI_TRY(session->Attach(role));
  return session;
}

TlsSession::TlsSession(const TlsContext& context, Wire& wire,
                       const TlsTuning& tuning)
    : context_(context),
      wire_(wire),
      tuning_(tuning),
      scratch_(std::make_unique_for_overwrite<std::byte[]>(kMaxRecord)) {}

Status TlsSession::Attach(TlsRole role) {
  ERR_clear_error();
  ssl_.reset(SSL_new(context_.shared_->ssl_context.get()));
  BIO* bio = ssl_ ? MakeWireBio(wire_) : nullptr;
  if (bio == nullptr || SSL_set_app_data(ssl_.get(), this) != 1) {
    BIO_free(bio);
    return Fail(ErrorCode::kSystem, "OpenSSL: {}", TakeOpenSslErrors());
  }
  SSL_set_bio(ssl_.get(), bio, bio);  // takes the one reference for both
  SSL_set_default_read_buffer_len(ssl_.get(), tuning_.read_ahead);
  if (role == TlsRole::kClient) {
    SSL_set_connect_state(ssl_.get());
    // A server that does not take the PSK goes on with a certificate. There is
    // none that we trust, so that handshake fails. (An accepting side of ours
    // without PSK fails by itself: it has no certificate to go on with.)
    SSL_set_verify(ssl_.get(), SSL_VERIFY_PEER, nullptr);
  } else {
    SSL_set_accept_state(ssl_.get());
  }
  return {};
}

Result<bool> TlsSession::Handshake() {
  ERR_clear_error();
  int returned = SSL_do_handshake(ssl_.get());
  if (returned == 1) {
    SSI_TRY(CheckPeer());
    open_ = true;
    return true;
  }
  if (SSL_get_error(ssl_.get(), returned) == SSL_ERROR_WANT_READ) {
    return false;
  }
  return std::unexpected(Failure(returned));
}

// The PSK is the only proof of who the peer is, so make sure it was used.
Status TlsSession::CheckPeer() const {
  if (SSL_session_reused(ssl_.get()) != 1 ||
      SSL_version(ssl_.get()) != TLS1_3_VERSION) {
    return Fail(ErrorCode::kDenied, "the peer did not prove that it has the {}",
                context_.shared_->key_name);
  }
  return {};
}

Result<std::size_t> TlsSession::Read(std::span<std::byte> into) {
  ERR_clear_error();
  std::size_t n = 0;
  int returned = SSL_read_ex(ssl_.get(), into.data(), into.size(), &n);
  if (returned == 1) [[likely]] {
    return n;
  }
  if (SSL_get_error(ssl_.get(), returned) == SSL_ERROR_WANT_READ) {
    return 0;
  }
  return std::unexpected(Failure(returned));
}

Status TlsSession::Write(
    std::span<const std::byte> head,
    std::initializer_list<std::span<const std::byte>> parts) {
  std::size_t left = head.size();
  for (auto part : parts) {
    left += part.size();
  }
  if (left > kMaxRecord) {
    wire_.MoreFollows(true);  // until Put() comes to the last record
  }
  SSI_TRY(Put(head, left));
  for (auto part : parts) {
    SSI_TRY(Put(part, left));
  }
  return {};
}

// `left` counts down what is still to be put, this part included.
Status TlsSession::Put(std::span<const std::byte> part, std::size_t& left) {
  while (!part.empty()) {
    std::size_t n = std::min(part.size(), kMaxRecord - scratch_size_);
    left -= n;
    if (left == 0) {
      wire_.MoreFollows(false);
    }
    SSI_TRY(PutSome(part.first(n), left == 0));
    part = part.subspan(n);
  }
  return {};
}

Status TlsSession::PutSome(std::span<const std::byte> bytes, bool last) {
  // What is a record by itself leaves from where it lies.
  if (bytes.size() == kMaxRecord || (last && scratch_size_ == 0)) {
    return WriteRecord(bytes);
  }
  std::memcpy(scratch_.get() + scratch_size_, bytes.data(), bytes.size());
  scratch_size_ += bytes.size();
  if (scratch_size_ < kMaxRecord && !last) {
    return {};
  }
  return WriteRecord({scratch_.get(), std::exchange(scratch_size_, 0)});
}

Status TlsSession::WriteRecord(std::span<const std::byte> bytes) {
  if (++records_ > tuning_.records_per_key) [[unlikely]] {
    SSI_TRY(ChangeKey());
  }
  // SSL_get_error looks into the queue, which must hold nothing older.
  ERR_clear_error();
  int returned =
      SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
  if (returned <= 0) [[unlikely]] {
    return std::unexpected(Failure(returned));
  }
  return {};  // the wire takes all of it, so a success is a whole one
}

// The peer follows by itself, and changes its own sending key when it is time.
Status TlsSession::ChangeKey() {
  ERR_clear_error();
  records_ = 1;
  int returned = SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_NOT_REQUESTED);
  if (returned == 1) {
    returned = SSL_do_handshake(ssl_.get());
  }
  if (returned != 1) {
    return std::unexpected(Failure(returned));
  }
  return {};
}

void TlsSession::SayGoodbye() {
  // SSL_shutdown(3): not in the middle of a handshake, not after an error.
  if (open_ && !failure_) {
    (void)SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }
}

Error TlsSession::Failure(int returned) {
  if (!failure_) {
    failure_ = Explain(returned);
  }
  ERR_clear_error();
  return *failure_;
}

Error TlsSession::Explain(int returned) {
  int kind = SSL_get_error(ssl_.get(), returned);
  unsigned long first = ERR_peek_error();
  std::string text = TakeOpenSslErrors();
  const std::string& key_name = context_.shared_->key_name;
  if (!open_ && (unknown_identity_ || MeansOtherKey(first))) {
    return Error{ErrorCode::kDenied, "the peer has another " + key_name, 0};
  }
  if (kind == SSL_ERROR_ZERO_RETURN) {
    goodbye_ = true;
    return Error{ErrorCode::kGone, "the peer closed the connection", 0};
  }
  // The wire's failure comes second: an alert that arrived just before the
  // connection ended says more than its end.
  if (kind == SSL_ERROR_SYSCALL || first == 0) {
    return wire_.failure().value_or(
        Error{ErrorCode::kProtocol, "TLS: " + text, 0});
  }
  return Error{ErrorCode::kProtocol,
               open_ ? "TLS: " + text : "TLS handshake: " + text, 0};
}

// SSL_CTX_set_psk_use_session_callback(3): the session stands for the PSK; its
// cipher's hash is the PSK's. OpenSSL takes it over.
SSL_SESSION* TlsSession::MakePskSession() {
  const SSL_CIPHER* cipher = SSL_CIPHER_find(ssl_.get(), kCipher.data());
  std::unique_ptr<SSL_SESSION, decltype(&SSL_SESSION_free)> session(
      SSL_SESSION_new(), &SSL_SESSION_free);
  auto psk = context_.shared_->psk.bytes();
  if (cipher == nullptr || session == nullptr ||
      SSL_SESSION_set1_master_key(
          session.get(), reinterpret_cast<const unsigned char*>(psk.data()),
          psk.size()) != 1 ||
      SSL_SESSION_set_cipher(session.get(), cipher) != 1 ||
      SSL_SESSION_set_protocol_version(session.get(), TLS1_3_VERSION) != 1) {
    return nullptr;
  }
  return session.release();
}

int TlsSession::UsePsk(SSL* ssl, const EVP_MD* /*digest*/,
                       const unsigned char** id, std::size_t* id_size,
                       SSL_SESSION** session) {
  auto* self = static_cast<TlsSession*>(SSL_get_app_data(ssl));
  const std::string& identity = self->context_.shared_->identity;
  *id = reinterpret_cast<const unsigned char*>(identity.data());
  *id_size = identity.size();
  *session = self->MakePskSession();
  return *session != nullptr ? 1 : 0;
}

int TlsSession::FindPsk(SSL* ssl, const unsigned char* id, std::size_t id_size,
                        SSL_SESSION** session) {
  auto* self = static_cast<TlsSession*>(SSL_get_app_data(ssl));
  auto wanted = std::as_bytes(std::span(self->context_.shared_->identity));
  auto offered = std::as_bytes(std::span(id, id_size));
  *session = nullptr;
  if (!std::ranges::equal(wanted, offered)) {
    // "No such PSK": the handshake goes on without one and fails for want of
    // a certificate.
    self->unknown_identity_ = true;
    return 1;
  }
  self->unknown_identity_ = false;
  *session = self->MakePskSession();
  return *session != nullptr ? 1 : 0;
}

}  // namespace ssi::proto
