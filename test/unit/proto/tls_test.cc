// TLS against peers that are not ours, and the parts of it that a channel does
// not show.
#include <deque>

#include <catch2/catch.hpp>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "proto/tls_session.h"
#include "support.h"

namespace ssi::proto {
namespace {

using namespace test;  // NOLINT: helpers of this folder's tests

// A wire in memory.
struct FakeWire final : Wire {
  std::deque<std::byte> incoming;
  FakeWire* peer = nullptr;
  std::optional<Error> broken;
  int records = 0;

  std::size_t Receive(std::span<std::byte> into) override {
    std::size_t n = std::min(into.size(), incoming.size());
    for (std::size_t i = 0; i < n; ++i) {
      into[i] = incoming.front();
      incoming.pop_front();
    }
    return n;
  }
  bool Transmit(std::span<const std::byte> bytes) override {
    ++records;
    peer->incoming.insert(peer->incoming.end(), bytes.begin(), bytes.end());
    return true;
  }
  void MoreFollows(bool /*on*/) override {}
  [[nodiscard]] const std::optional<Error>& failure() const override {
    return broken;
  }
};

struct Sessions {
  FakeWire client_wire;
  FakeWire server_wire;
  std::unique_ptr<TlsSession> client;
  std::unique_ptr<TlsSession> server;

  explicit Sessions(const TlsTuning& tuning = {}) {
    client_wire.peer = &server_wire;
    server_wire.peer = &client_wire;
    auto made =
        TlsSession::Make(TestContext(), TlsRole::kClient, client_wire, tuning);
    REQUIRE(made);
    client = std::move(*made);
    made =
        TlsSession::Make(TestContext(), TlsRole::kServer, server_wire, tuning);
    REQUIRE(made);
    server = std::move(*made);
    CHECK(client->Handshake() == false);
    CHECK(server->Handshake() == false);
    CHECK(client->Handshake() == true);
    CHECK(server->Handshake() == true);
  }
};

TEST_CASE("a frame of one record is one write", "[proto]") {
  Sessions both;
  both.client_wire.records = 0;
  auto head = Pattern(16);
  auto body = Pattern(kMaxRecord - 16);
  REQUIRE(both.client->Write(head, {body}));
  CHECK(both.client_wire.records == 1);
  REQUIRE(both.client->Write(head, {body, body}));
  CHECK(both.client_wire.records == 3);
  REQUIRE(both.client->Write(head, {}));
  CHECK(both.client_wire.records == 4);
}

TEST_CASE("keys change on the way and nobody notices", "[proto]") {
  TlsTuning tuning;
  tuning.records_per_key = 3;
  Sessions both(tuning);
  std::array<std::byte, 64> got{};
  for (unsigned i = 0; i < 50; ++i) {
    auto message = Pattern(20, i);
    REQUIRE(both.client->Write(message, {}));
    auto n = both.server->Read(got);
    REQUIRE(n);
    CHECK(std::ranges::equal(std::span(got).first(*n), message));
    REQUIRE(both.server->Write(message, {}));
    n = both.client->Read(got);
    REQUIRE(n);
    CHECK(std::ranges::equal(std::span(got).first(*n), message));
  }
  // A key update is a record of its own.
  CHECK(both.client_wire.records >= 50 + 16);
}

TEST_CASE("a goodbye is told apart from a broken connection", "[proto]") {
  Sessions both;
  std::array<std::byte, 64> got{};
  both.client->SayGoodbye();
  auto n = both.server->Read(got);
  REQUIRE_FALSE(n);
  CHECK(n.error().message == "the peer closed the connection");
  both.client_wire.broken = Error{ErrorCode::kGone, "cut", 0};
  n = both.client->Read(got);
  REQUIRE_FALSE(n);
  CHECK(n.error().message == "cut");
  CHECK(ERR_peek_error() == 0);
}

// A server that has no key but a certificate, as any server on the net.
struct CertificateServer {
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context{
      SSL_CTX_new(TLS_server_method()), &SSL_CTX_free};
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl{nullptr, &SSL_free};

  explicit CertificateServer(FakeWire& wire) {
    std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"),
                                                            &EVP_PKEY_free);
    std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(),
                                                            &X509_free);
    X509_set_pubkey(certificate.get(), key.get());
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
    REQUIRE(X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0);
    REQUIRE(SSL_CTX_use_certificate(context.get(), certificate.get()) == 1);
    REQUIRE(SSL_CTX_use_PrivateKey(context.get(), key.get()) == 1);
    ssl.reset(SSL_new(context.get()));
    BIO* bio = MakeWireBio(wire);
    SSL_set_bio(ssl.get(), bio, bio);
    SSL_set_accept_state(ssl.get());
  }
};

TEST_CASE("a server with a certificate and without the key is refused",
          "[proto]") {
  FakeWire client_wire;
  FakeWire server_wire;
  client_wire.peer = &server_wire;
  server_wire.peer = &client_wire;
  auto client = TlsSession::Make(TestContext(), TlsRole::kClient, client_wire,
                                 TlsTuning{});
  REQUIRE(client);
  CHECK((*client)->Handshake() == false);
  CertificateServer server(server_wire);
  CHECK(SSL_do_handshake(server.ssl.get()) == -1);  // waits for our Finished
  ERR_clear_error();
  auto done = (*client)->Handshake();
  REQUIRE_FALSE(done);
  CHECK(done.error().code == ErrorCode::kDenied);
  CHECK(done.error().message == "the peer has another cluster key");
}

TEST_CASE("an older TLS is refused", "[proto]") {
  FakeWire client_wire;
  FakeWire server_wire;
  client_wire.peer = &server_wire;
  server_wire.peer = &client_wire;
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(
      SSL_CTX_new(TLS_client_method()), &SSL_CTX_free);
  SSL_CTX_set_max_proto_version(context.get(), TLS1_2_VERSION);
  std::unique_ptr<SSL, decltype(&SSL_free)> old(SSL_new(context.get()),
                                                &SSL_free);
  BIO* bio = MakeWireBio(client_wire);
  SSL_set_bio(old.get(), bio, bio);
  SSL_set_connect_state(old.get());
  CHECK(SSL_do_handshake(old.get()) == -1);
  ERR_clear_error();
  auto server = TlsSession::Make(TestContext(), TlsRole::kServer, server_wire,
                                 TlsTuning{});
  REQUIRE(server);
  auto done = (*server)->Handshake();
  REQUIRE_FALSE(done);
  CHECK(done.error().code == ErrorCode::kProtocol);
  CHECK(ERR_peek_error() == 0);
}

TEST_CASE("the name of the key is in the message", "[proto]") {
  auto context = TlsContext::Make(TestKey(1), "x", "session key");
  REQUIRE(context);
  Parties both;
  both.Start(UnixPair(), *context, TestContext(2, "x"));
  REQUIRE(RunUntil(both.loop,
                   [&] { return both.client.opened && both.server.opened; }));
  CHECK(both.client.opened->error().message ==
        "the peer has another session key");
}

}  // namespace
}  // namespace ssi::proto
