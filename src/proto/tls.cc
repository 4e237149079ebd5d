#include "proto/tls.h"

#include <array>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "proto/tls_session.h"

namespace ssi::proto {

namespace {

// All that both sides allow. Set here and not left to defaults, because
// openssl.cnf of the machine can change those.
bool Restrict(SSL_CTX* context) {
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_NO_RENEGOTIATION);
  // Without SSL_OP_ALLOW_NO_DHE_KEX a PSK is only used with psk_dhe_ke.
  SSL_CTX_clear_options(context, SSL_OP_ALLOW_NO_DHE_KEX);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_read_ahead(context, 1);
  return SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
         SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1 &&
         SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") == 1 &&
         SSL_CTX_set1_groups_list(context, "X25519:P-256") == 1 &&
         SSL_CTX_set_num_tickets(context, 0) == 1 &&
         SSL_CTX_set_max_early_data(context, 0) == 1 &&
         SSL_CTX_set_recv_max_early_data(context, 0) == 1;
}

}  // namespace

Result<TlsContext> TlsContext::Make(const Key& key, std::string identity,
                                    std::string key_name) {
  ERR_clear_error();
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(
      SSL_CTX_new(TLS_method()), &SSL_CTX_free);
  if (!context || !Restrict(context.get())) {
    return Fail(ErrorCode::kUnsupported, "OpenSSL cannot do TLS 1.3: {}",
                TakeOpenSslErrors());
  }
  SSL_CTX_set_psk_use_session_callback(context.get(), &TlsSession::UsePsk);
  SSL_CTX_set_psk_find_session_callback(context.get(), &TlsSession::FindPsk);
  // A derived key: the raw one is never used in two ways (RFC 9257 sections
  // 4.2 and 5).
  Key psk = key.Derive("tls psk " + identity);
  return TlsContext(std::make_shared<const Shared>(
      Shared{std::move(context), std::move(psk), std::move(identity),
             std::move(key_name)}));
}

void PrepareTls() {
  (void)TlsContext::Make(Key::FromBytes(std::array<std::byte, kKeySize>{}),
                         "to prepare");
}

std::string TakeOpenSslErrors() {
  std::string text;
  while (unsigned long code = ERR_get_error()) {
    const char* reason = ERR_reason_error_string(code);
    text += text.empty() ? "" : ", ";
    text += reason != nullptr ? std::string(reason)
                              : fmt::format("OpenSSL error {:#x}", code);
  }
  return text.empty() ? "no reason given" : text;
}

}  // namespace ssi::proto
