#include "proto/greeting.h"

#include <sys/socket.h>

#include <catch2/catch.hpp>

#include "support.h"

namespace ssi::proto {
namespace {

using namespace test;  // NOLINT: helpers of this folder's tests

// Both halves; `verdict` is what the acceptor says.
struct Meeting {
  Loop loop;
  std::optional<Result<Greeted>> client;
  std::optional<Result<Greeted>> server;
  std::unique_ptr<Greeting> connecting;
  std::unique_ptr<Greeting> accepting;

  void Run(const Preamble& preamble, Verdict verdict) {
    auto fds = TcpPair();
    accepting = Greeting::Accepting(
        loop, std::move(fds.second), [this, verdict](Result<Greeted> result) {
          if (result) {
            CHECK(SendAnswer(result->socket.get(), verdict));
          }
          server = std::move(result);
          accepting.reset();
        });
    connecting = Greeting::Connecting(loop, std::move(fds.first), preamble,
                                      [this](Result<Greeted> result) {
                                        client = std::move(result);
                                        connecting.reset();
                                      });
    REQUIRE(RunUntil(loop, [this] { return client && server; }));
  }
};

TEST_CASE("two sides greet, and TLS follows on the same sockets", "[proto]") {
  Preamble preamble;
  preamble.purpose = Purpose::kCalls;
  preamble.session[3] = std::byte{9};
  Meeting meeting;
  meeting.Run(preamble, Verdict::kOk);
  auto& client = *meeting.client;
  auto& server = *meeting.server;
  REQUIRE(client);
  REQUIRE(server);
  CHECK(server->preamble == preamble);
  CHECK(server->version == kVersion);
  CHECK(client->version == kVersion);

  Parties both;
  both.Start({std::move(client->socket), std::move(server->socket)},
             TestContext(1, TlsIdentity(client->preamble, client->version)),
             TestContext(1, TlsIdentity(server->preamble, server->version)));
  CHECK(RunUntil(both.loop,
                 [&] { return both.client.open() && both.server.open(); }));
}

TEST_CASE("a preamble changed on its way ends in TLS", "[proto]") {
  Preamble sent;
  sent.purpose = Purpose::kCalls;
  Preamble received = sent;
  received.purpose = Purpose::kBulk;
  Parties both;
  both.Start(TcpPair(), TestContext(1, TlsIdentity(sent, 1)),
             TestContext(1, TlsIdentity(received, 1)));
  REQUIRE(RunUntil(both.loop,
                   [&] { return both.client.opened && both.server.opened; }));
  CHECK_FALSE(both.client.open());
  CHECK_FALSE(both.server.open());
}

TEST_CASE("a refusal reaches the connecting side in words", "[proto]") {
  Meeting unknown;
  unknown.Run(Preamble{}, Verdict::kUnknownSession);
  REQUIRE_FALSE(*unknown.client);
  CHECK(unknown.client->error().code == ErrorCode::kDenied);
  Meeting busy;
  busy.Run(Preamble{}, Verdict::kBusy);
  REQUIRE_FALSE(*busy.client);
  CHECK(busy.client->error().code == ErrorCode::kRetry);
}

TEST_CASE("two versions tell each other what they speak", "[proto]") {
  Preamble later;
  later.version = 9;
  later.min_version = 8;
  Meeting meeting;
  meeting.Run(later, Verdict::kOk);
  for (const auto* side : {&*meeting.client, &*meeting.server}) {
    REQUIRE_FALSE(*side);
    CHECK(side->error().code == ErrorCode::kUnsupported);
    CHECK_THAT(side->error().message, Catch::Contains("versions 8 to 9"));
    CHECK_THAT(side->error().message,
               Catch::Contains("version " + std::to_string(kVersion)));
  }
}

// What a greeting says to a peer that sends `text` and then nothing.
Error Meet(const std::string& text, bool connecting, bool hang_up,
           Nanos limit = 10s) {
  Loop loop;
  auto fds = TcpPair();
  std::optional<Result<Greeted>> result;
  auto done = [&](Result<Greeted> got) {
    CHECK_FALSE(result.has_value());
    result = std::move(got);
  };
  auto greeting =
      connecting
          ? Greeting::Connecting(loop, std::move(fds.second), {}, done, limit)
          : Greeting::Accepting(loop, std::move(fds.second), done, limit);
  REQUIRE(WriteAll(fds.first.get(), text.data(), text.size()));
  if (hang_up) {
    ::shutdown(fds.first.get(), SHUT_WR);
  }
  REQUIRE(RunUntil(loop, [&] { return result.has_value(); }));
  REQUIRE_FALSE(*result);
  return result->error();
}

TEST_CASE("strangers, mutes and the impolite are turned away", "[proto]") {
  for (bool connecting : {false, true}) {
    CHECK(Meet("GET / HTTP/1.1\r\n\r\n", connecting, false).code ==
          ErrorCode::kProtocol);
    CHECK(Meet("x", connecting, false).code == ErrorCode::kProtocol);
    CHECK(Meet("", connecting, true).code == ErrorCode::kGone);
    Error mute = Meet("", connecting, false, 40ms);
    CHECK(mute.code == ErrorCode::kGone);
    CHECK_THAT(mute.message, Catch::Contains("0.04 s"));
  }
  auto good = EncodePreamble(Preamble{});
  for (std::size_t size = 0; size < good.size(); ++size) {
    std::string part = AsText(std::span(good).first(size));
    CHECK(Meet(part, false, true).code == ErrorCode::kGone);
  }
}

TEST_CASE("a greeting may be dropped before its end", "[proto]") {
  Loop loop;
  auto fds = TcpPair();
  auto greeting = Greeting::Accepting(loop, std::move(fds.second),
                                      [](Result<Greeted>) { FAIL("called"); });
  auto bytes = EncodePreamble(Preamble{});
  REQUIRE(WriteAll(fds.first.get(), bytes.data(), bytes.size()));
  greeting.reset();
  loop.poll();
}

}  // namespace
}  // namespace ssi::proto
