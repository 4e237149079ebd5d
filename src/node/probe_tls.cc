// The probe of the channel: TLS 1.3 with an external key, as src/proto does it.
#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <vector>

#include <openssl/crypto.h>

#include "node/check_probes.h"
#include "proto/key.h"
#include "proto/tls.h"
#include "proto/tls_session.h"

namespace ssi::probes {

namespace {

using Bytes = std::vector<std::byte>;

// One end of a connection that is two buffers.
class MemoryWire final : public proto::Wire {
 public:
  MemoryWire(Bytes& in, Bytes& out) : in_(in), out_(out) {}

  std::size_t Receive(std::span<std::byte> into) override {
    std::size_t size = std::min(into.size(), in_.size());
    auto end = in_.begin() + static_cast<std::ptrdiff_t>(size);
    std::copy(in_.begin(), end, into.begin());
    in_.erase(in_.begin(), end);
    return size;
  }
  bool Transmit(std::span<const std::byte> bytes) override {
    out_.insert(out_.end(), bytes.begin(), bytes.end());
    return true;
  }
  void MoreFollows(bool) override {}
  [[nodiscard]] const std::optional<Error>& failure() const override {
    return failure_;
  }

 private:
  Bytes& in_;
  Bytes& out_;
  std::optional<Error> failure_;
};

Status Handshake(proto::TlsSession& client, proto::TlsSession& server) {
  // Each turn lets both go as far as they can: two would do.
  constexpr int kTurns = 8;
  for (int turn = 0; turn < kTurns; ++turn) {
    SSI_ASSIGN(bool client_done, client.Handshake());
    SSI_ASSIGN(bool server_done, server.Handshake());
    if (client_done && server_done) {
      return {};
    }
  }
  return Fail(ErrorCode::kUnsupported, "the handshake does not end");
}

}  // namespace

Result<Found> SharedKeyTls() {
  SSI_ASSIGN(auto key, proto::Key::Random());
  SSI_ASSIGN(auto context, proto::TlsContext::Make(key, "ssi-check"));
  Bytes up;
  Bytes down;
  MemoryWire client_wire(down, up);
  MemoryWire server_wire(up, down);
  SSI_ASSIGN(auto client,
             proto::TlsSession::Make(context, proto::TlsRole::kClient,
                                     client_wire, {}));
  SSI_ASSIGN(auto server,
             proto::TlsSession::Make(context, proto::TlsRole::kServer,
                                     server_wire, {}));
  SSI_TRY(Handshake(*client, *server));
  constexpr std::array kSent = {std::byte{4}, std::byte{7}, std::byte{11}};
  SSI_TRY(client->Write(kSent, {}));
  std::array<std::byte, 16> got{};
  SSI_ASSIGN(std::size_t size, server->Read(got));
  if (size != kSent.size() ||
      !std::equal(kSent.begin(), kSent.end(), got.begin())) {
    return Fail(ErrorCode::kUnsupported, "other bytes arrived");
  }
  return Found{OpenSSL_version(OPENSSL_VERSION_STRING)};
}

}  // namespace ssi::probes
