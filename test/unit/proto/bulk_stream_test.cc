#include "proto/bulk_stream.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <future>
#include <thread>

#include <catch2/catch.hpp>

#include "support.h"

namespace ssi::proto {
namespace {

using namespace test;  // NOLINT: helpers of this folder's tests

struct Streams {
  std::unique_ptr<BulkStream> client;
  std::unique_ptr<BulkStream> server;

  explicit Streams(FdPair fds, int server_key = 1) {
    auto made = BulkStream::Client(std::move(fds.first), TestContext());
    REQUIRE(made);
    client = std::move(*made);
    made = BulkStream::Server(std::move(fds.second), TestContext(server_key));
    REQUIRE(made);
    server = std::move(*made);
  }

  // Both handshakes, the server's in a thread of its own.
  std::pair<Status, Status> Handshake() {
    Status other;
    std::thread thread([this, &other] { other = server->Handshake(); });
    Status mine = client->Handshake();
    thread.join();
    return {std::move(mine), std::move(other)};
  }
};

TEST_CASE("64 MiB go there and back unchanged", "[proto]") {
  Streams streams(TcpPair());
  const auto data = Pattern(std::size_t{64} << 20);
  Status echoed;
  std::thread echo([&] {
    echoed = streams.server->Handshake();
    Bytes piece(1 << 20);
    for (std::size_t at = 0; at < data.size() && echoed; at += piece.size()) {
      echoed = streams.server->Read(piece);
      if (echoed) {
        echoed = streams.server->Write(piece);
      }
    }
  });
  Status moved = streams.client->Handshake();
  Bytes back(data.size());
  // Odd pieces, a few in flight: neither side fills the sockets.
  constexpr std::size_t kPiece = (1 << 20) + 4321;
  std::size_t sent = 0;
  std::size_t got = 0;
  while (moved && got < data.size()) {
    if (sent < data.size()) {
      std::size_t n = std::min(kPiece, data.size() - sent);
      moved = streams.client->Write(std::span(data).subspan(sent, n));
      sent += n;
    }
    // The echo answers in whole MiB.
    std::size_t whole = sent / (1 << 20) * (1 << 20);
    if (moved && whole > got) {
      moved = streams.client->Read(std::span(back).subspan(got, whole - got));
      got = whole;
    }
  }
  echo.join();
  INFO((moved ? "" : moved.error().message)
       << (echoed ? "" : echoed.error().message));
  REQUIRE(moved);
  REQUIRE(echoed);
  CHECK(back == data);
}

TEST_CASE("parts leave as one piece, in any sizes", "[proto]") {
  Streams streams(UnixPair());
  auto [mine, other] = streams.Handshake();
  REQUIRE(mine);
  REQUIRE(other);
  for (std::size_t size : {0U, 1U, 16383U, 16384U, 16385U, 50000U}) {
    auto head = Pattern(7, 1);
    auto body = Pattern(size, 2);
    REQUIRE(streams.client->Write({head, body, head}));
    Bytes got(14 + size);
    REQUIRE(streams.server->Read(got));
    Bytes whole = head;
    whole.insert(whole.end(), body.begin(), body.end());
    whole.insert(whole.end(), head.begin(), head.end());
    CHECK(got == whole);
  }
}

TEST_CASE("another key is told to both ends of a stream", "[proto]") {
  Streams streams(TcpPair(), 2);
  auto [mine, other] = streams.Handshake();
  for (const Status& status : {mine, other}) {
    REQUIRE_FALSE(status);
    CHECK(status.error().code == ErrorCode::kDenied);
    CHECK(status.error().message == "the peer has another cluster key");
  }
}

TEST_CASE("a stream's handshake has a time limit", "[proto]") {
  auto fds = TcpPair();
  auto stream = BulkStream::Server(std::move(fds.first), TestContext());
  REQUIRE(stream);
  Status status = (*stream)->Handshake(30ms);
  REQUIRE_FALSE(status);
  CHECK(status.error().code == ErrorCode::kGone);
  // Also against a peer that keeps it busy with single bytes of a record.
  fds = TcpPair();
  stream = BulkStream::Server(std::move(fds.first), TestContext());
  REQUIRE(stream);
  std::promise<void> over;
  std::thread drip([&fds, ended = over.get_future()] {
    const std::array<unsigned char, 6> record = {0x16, 3, 1, 0x3f, 0, 1};
    std::size_t at = 0;
    do {
      (void)WriteAll(fds.second.get(), &record.at(at), 1);
      at = std::min(at + 1, record.size() - 1);
    } while (ended.wait_for(1ms) == std::future_status::timeout);
  });
  status = (*stream)->Handshake(30ms);
  over.set_value();
  drip.join();
  REQUIRE_FALSE(status);
  CHECK(status.error().code == ErrorCode::kGone);
}

TEST_CASE("a blocked reader or writer can be interrupted", "[proto]") {
  for (bool writing : {false, true}) {
    Streams streams(TcpPair());
    auto [mine, other] = streams.Handshake();
    REQUIRE(mine);
    REQUIRE(other);
    std::atomic<std::size_t> done = 0;
    Status ended;
    std::thread blocked([&] {
      Bytes piece(1 << 20);
      while (ended) {
        ended = writing ? streams.client->Write(piece)
                        : streams.client->Read(piece);
        ++done;
      }
    });
    // A writer is blocked once its count stands still; a reader is at once.
    // Interrupting earlier is no error, so this needs no certainty.
    for (std::size_t seen = 1; writing && seen != done;) {
      seen = done;
      std::this_thread::yield();
    }
    streams.client->Interrupt();
    blocked.join();
    CHECK(ended.error().code == ErrorCode::kGone);
    CHECK(ended.error().message == "interrupted");
    std::array<std::byte, 1> more{};
    CHECK(streams.client->Read(more).error().code == ErrorCode::kGone);
    CHECK(streams.client->Write(more).error().code == ErrorCode::kGone);
  }
}

TEST_CASE("an interrupt before the handshake counts", "[proto]") {
  auto fds = TcpPair();
  auto stream = BulkStream::Client(std::move(fds.first), TestContext());
  REQUIRE(stream);
  (*stream)->Interrupt();
  Status status = (*stream)->Handshake();
  REQUIRE_FALSE(status);
  CHECK(status.error().code == ErrorCode::kGone);
}

TEST_CASE("a peer that went away ends a stream", "[proto]") {
  Streams streams(TcpPair());
  auto [mine, other] = streams.Handshake();
  REQUIRE(mine);
  REQUIRE(other);
  REQUIRE(streams.server->Write(Pattern(10)));
  streams.server.reset();
  Bytes got(10);
  REQUIRE(streams.client->Read(got));  // what was said before is still there
  CHECK(got == Pattern(10));
  Status status = streams.client->Read(got);
  REQUIRE_FALSE(status);
  CHECK(status.error().code == ErrorCode::kGone);
}

}  // namespace
}  // namespace ssi::proto
