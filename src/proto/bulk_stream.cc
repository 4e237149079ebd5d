#include "proto/bulk_stream.h"

#include "proto/blocking_wire.h"
#include "proto/socket.h"
#include "proto/tls_session.h"

namespace ssi::proto {

namespace {

struct Ends {
  std::unique_ptr<BlockingWire> wire;
  std::unique_ptr<TlsSession> tls;
};

Result<Ends> MakeEnds(UniqueFd socket, const TlsContext& context,
                      TlsRole role) {
  SSI_TRY(PrepareSocket(socket.get()));
  // Socket buffers are left to TCP's autotuning, which a fixed size turns off
  // (tcp(7)); 1 MiB gained 5 % over loopback and would lose on longer ways.
  Ends ends;
  ends.wire = std::make_unique<BlockingWire>(std::move(socket));
  SSI_ASSIGN(ends.tls,
             TlsSession::Make(context, role, *ends.wire, TlsTuning{}));
  return ends;
}

}  // namespace

Result<std::unique_ptr<BulkStream>> BulkStream::Client(
    UniqueFd socket, const TlsContext& context) {
  SSI_ASSIGN(Ends ends, MakeEnds(std::move(socket), context, TlsRole::kClient));
  return std::unique_ptr<BulkStream>(
      new BulkStream(std::move(ends.wire), std::move(ends.tls)));
}

Result<std::unique_ptr<BulkStream>> BulkStream::Server(
    UniqueFd socket, const TlsContext& context) {
  SSI_ASSIGN(Ends ends, MakeEnds(std::move(socket), context, TlsRole::kServer));
  return std::unique_ptr<BulkStream>(
      new BulkStream(std::move(ends.wire), std::move(ends.tls)));
}

BulkStream::BulkStream(std::unique_ptr<BlockingWire> wire,
                       std::unique_ptr<TlsSession> tls)
    : wire_(std::move(wire)), tls_(std::move(tls)) {}

BulkStream::~BulkStream() = default;

Status BulkStream::Handshake(std::chrono::nanoseconds limit) {
  wire_->SetDeadline(BlockingWire::Clock::now() + limit);
  // The wire waits, so this returns when it is done or failed.
  auto done = tls_->Handshake();
  Status flushed = Flush();  // our last words, also when they are an alert
  wire_->SetDeadline(std::nullopt);
  if (!done) {
    return std::unexpected(done.error());
  }
  return flushed;
}

Status BulkStream::Write(std::span<const std::byte> bytes) {
  return Write({bytes});
}

Status BulkStream::Write(
    std::initializer_list<std::span<const std::byte>> parts) {
  SSI_TRY(tls_->Write({}, parts));
  return Flush();
}

Status BulkStream::Read(std::span<std::byte> into) {
  while (!into.empty()) {
    SSI_ASSIGN(std::size_t n, tls_->Read(into));
    into = into.subspan(n);
  }
  return {};
}

void BulkStream::Interrupt() {
  wire_->Interrupt();
}

bool BulkStream::Good() const {
  return !wire_->failure();
}

Status BulkStream::Flush() {
  if (!wire_->Flush()) {
    return std::unexpected(wire_->failure().value());
  }
  return {};
}

}  // namespace ssi::proto
