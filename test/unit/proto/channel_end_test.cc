// How channels end: wrong keys, strangers, broken connections, and owners who
// lose interest in the middle of a callback.
#include <sys/socket.h>
#include <unistd.h>

#include <random>

#include <catch2/catch.hpp>

#include "proto/channel.h"
#include "support.h"

namespace ssi::proto {
namespace {

using namespace test;  // NOLINT: helpers of this folder's tests

constexpr FrameType kTest{100};

TEST_CASE("another key is told to both sides", "[proto]") {
  Parties both;
  both.Start(TcpPair(), TestContext(1), TestContext(2));
  REQUIRE(RunUntil(both.loop,
                   [&] { return both.client.opened && both.server.opened; }));
  for (const Party* party : {&both.client, &both.server}) {
    REQUIRE_FALSE(*party->opened);
    CHECK(party->opened->error().code == ErrorCode::kDenied);
    CHECK(party->opened->error().message == "the peer has another cluster key");
    CHECK(party->closed.empty());
    CHECK(party->frames.empty());
  }
  // Nothing follows, and a late owner may still call.
  both.client.channel->Send(kTest, 0, 0, {});
  CHECK_FALSE(both.client.channel->PollFor(1ms));
  both.loop.restart();
  both.loop.poll();
  CHECK(both.client.closed.empty());
}

TEST_CASE("another identity is refused as another key is", "[proto]") {
  Parties both;
  both.Start(TcpPair(), TestContext(1, "a"), TestContext(1, "b"));
  REQUIRE(RunUntil(both.loop,
                   [&] { return both.client.opened && both.server.opened; }));
  CHECK(both.client.opened->error().code == ErrorCode::kDenied);
  CHECK(both.server.opened->error().code == ErrorCode::kDenied);
}

// What a channel says to a peer that sends `bytes` and then does nothing.
Error Meet(const Bytes& bytes, bool as_server, bool hang_up,
           Nanos limit = 10s) {
  Loop loop;
  auto fds = TcpPair();
  Party party;
  ChannelLimits limits;
  limits.handshake = limit;
  party.channel = as_server
                      ? Channel::Server(loop, std::move(fds.second),
                                        TestContext(), party.Journal(), limits)
                      : Channel::Client(loop, std::move(fds.second),
                                        TestContext(), party.Journal(), limits);
  if (!bytes.empty()) {
    REQUIRE(WriteAll(fds.first.get(), bytes.data(), bytes.size()));
  }
  if (hang_up) {
    ::shutdown(fds.first.get(), SHUT_WR);
  }
  REQUIRE(RunUntil(loop, [&] { return party.opened.has_value(); }));
  REQUIRE_FALSE(*party.opened);
  CHECK(party.closed.empty());
  return party.opened->error();
}

TEST_CASE("a peer that says nothing or hangs up does not open", "[proto]") {
  for (bool as_server : {true, false}) {
    Error silent = Meet({}, as_server, false, 50ms);
    CHECK(silent.code == ErrorCode::kGone);
    CHECK_THAT(silent.message, Catch::Contains("in 0.05 s"));
    Error gone = Meet({}, as_server, true);
    CHECK(gone.code == ErrorCode::kGone);
    CHECK_THAT(gone.message, Catch::Contains("end of file"));
  }
}

TEST_CASE("strangers are turned away", "[proto]") {
  std::string http = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  auto text = AsBytes(http);
  for (bool as_server : {true, false}) {
    Error error = Meet(Bytes(text.begin(), text.end()), as_server, false);
    CHECK(error.code == ErrorCode::kProtocol);
  }
  std::mt19937_64 random(3);  // NOLINT: the same garbage each time
  for (int round = 0; round < 60; ++round) {
    Bytes garbage(1 + random() % 3000);
    for (auto& byte : garbage) {
      byte = static_cast<std::byte>(random());
    }
    if (round % 3 == 0 && garbage.size() > 5) {
      // Begins as a TLS handshake record does.
      garbage[0] = std::byte{0x16};
      garbage[1] = garbage[2] = std::byte{3};
      garbage[3] = std::byte{0};
    }
    Error error = Meet(garbage, round % 2 == 0, true);
    CHECK(
        (error.code == ErrorCode::kProtocol || error.code == ErrorCode::kGone));
    CHECK_FALSE(error.message.empty());
  }
}

TEST_CASE("a peer that closes ends the channel once, after its last words",
          "[proto]") {
  Parties both;
  both.Open(TcpPair());
  both.client.channel->Send(kTest, 0, 1, Pattern(100));
  both.client.channel->Close();
  CHECK_FALSE(both.client.channel->is_open());
  REQUIRE(RunUntil(both.loop, [&] { return !both.server.closed.empty(); }));
  CHECK(both.server.frames.size() == 1);
  CHECK(both.server.closed[0].code == ErrorCode::kGone);
  CHECK(both.server.closed[0].message == "the peer closed the connection");
  both.server.channel->Send(kTest, 0, 1, Pattern(100));
  both.loop.restart();
  both.loop.poll();
  CHECK(both.server.closed.size() == 1);
  CHECK(both.client.closed.empty());
}

// A relay between two channels that the test can cut.
struct Cut {
  explicit Cut(Parties& both) {
    auto left = UnixPair();
    auto right = UnixPair();
    both.Start({std::move(left.first), std::move(right.first)}, TestContext(),
               TestContext());
    client_side = std::move(left.second);
    server_side = std::move(right.second);
    REQUIRE(SetNonBlocking(client_side.get(), true));
    REQUIRE(SetNonBlocking(server_side.get(), true));
  }

  // What the client sent since the last call, not passed on.
  Bytes TakeFromClient() const { return Take(client_side); }
  void ToServer(std::span<const std::byte> bytes) const {
    REQUIRE(WriteAll(server_side.get(), bytes.data(), bytes.size()));
  }
  void Open(Parties& both) const {
    REQUIRE(RunUntil(both.loop, [&] {
      asio::post(both.loop, [] {});  // so that the loop comes back
      ToServer(TakeFromClient());
      Bytes answer = Take(server_side);
      REQUIRE(WriteAll(client_side.get(), answer.data(), answer.size()));
      return both.client.open() && both.server.open();
    }));
  }

  static Bytes Take(const UniqueFd& fd) {
    Bytes bytes(65536);
    ssize_t n = ::read(fd.get(), bytes.data(), bytes.size());
    bytes.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return bytes;
  }

  UniqueFd client_side;
  UniqueFd server_side;
};

TEST_CASE("a stream cut off at any byte delivers no half frame", "[proto]") {
  std::size_t total = 0;
  for (std::size_t at = 0; at == 0 || at < total; ++at) {
    Parties both;
    Cut cut(both);
    cut.Open(both);
    both.client.channel->Send(kTest, 0, 1, Pattern(10));
    Bytes sent = cut.TakeFromClient();
    total = sent.size();
    REQUIRE(at < total);
    cut.ToServer(std::span(sent).first(at));
    cut.server_side.Reset();
    REQUIRE(RunUntil(both.loop, [&] { return !both.server.closed.empty(); }));
    CHECK(both.server.frames.empty());
    CHECK(both.server.closed[0].code == ErrorCode::kGone);
  }
  CHECK(total > kFrameHeaderSize + 10);
}

TEST_CASE("a changed byte anywhere ends the channel", "[proto]") {
  std::size_t total = 0;
  for (std::size_t at = 0; at == 0 || at < total; ++at) {
    Parties both;
    Cut cut(both);
    cut.Open(both);
    both.client.channel->Send(kTest, 0, 1, Pattern(10));
    Bytes sent = cut.TakeFromClient();
    total = sent.size();
    sent[at] ^= std::byte{1};
    cut.ToServer(sent);
    cut.server_side.Reset();
    REQUIRE(RunUntil(both.loop, [&] { return !both.server.closed.empty(); }));
    CHECK(both.server.frames.empty());
    // A changed length makes a record that never ends, or another one.
    CHECK((both.server.closed[0].code == ErrorCode::kProtocol ||
           both.server.closed[0].code == ErrorCode::kGone));
  }
}

TEST_CASE("an owner may drop the channel in any callback", "[proto]") {
  enum class In {
    kOpen,
    kFailedOpen,
    kFrame,
    kFrameInPoll,
    kReceived,
    kClosed
  };
  for (In in : {In::kOpen, In::kFailedOpen, In::kFrame, In::kFrameInPoll,
                In::kReceived, In::kClosed}) {
    for (bool only_close : {false, true}) {
      if (only_close && (in == In::kClosed || in == In::kFailedOpen)) {
        continue;
      }
      INFO("callback " << static_cast<int>(in) << " close " << only_close);
      Loop loop;
      auto fds = TcpPair();
      Party client;
      Party server;
      int after = 0;  // callbacks after the end
      bool dropped = false;
      // Held by the callbacks alone: its end is the end of the closures.
      auto token = std::make_shared<std::string>("still here");
      auto drop = [&, token](In here) {
        after += dropped ? 1 : 0;
        if (here == in && !dropped) {
          dropped = true;
          if (only_close) {
            server.channel->Close();
          } else {
            server.channel.reset();
          }
          CHECK(*token == "still here");
        }
      };
      Channel::Callbacks callbacks;
      callbacks.on_open = [&, drop](Status status) {
        server.opened = std::move(status);
        drop(in == In::kFailedOpen ? In::kFailedOpen : In::kOpen);
      };
      callbacks.on_frame = [&, drop](const FrameHeader&,
                                     std::span<const std::byte> payload) {
        auto here = in == In::kFrameInPoll ? In::kFrameInPoll : In::kFrame;
        drop(here);
        CHECK(Bytes(payload.begin(), payload.end()) == Pattern(2000));
      };
      callbacks.on_closed = [drop](Error) {
        drop(In::kClosed);
      };
      callbacks.on_received = [drop] {
        drop(In::kReceived);
      };
      client.channel = Channel::Client(
          loop, std::move(fds.first),
          TestContext(in == In::kFailedOpen ? 2 : 1), client.Journal());
      server.channel = Channel::Server(loop, std::move(fds.second),
                                       TestContext(), std::move(callbacks));
      REQUIRE(RunUntil(loop, [&] { return client.opened && server.opened; }));
      if (client.open()) {
        for (std::uint64_t i = 0; i < 5; ++i) {
          client.channel->Send(kTest, 0, i, Pattern(2000));
        }
        if (in == In::kFrameInPoll) {
          CHECK(server.channel->PollFor(1s));
        }
        if (in == In::kClosed) {
          client.channel->Close();
        }
      }
      REQUIRE(RunUntil(loop, [&] { return dropped; }));
      if (client.open() && in != In::kClosed) {
        REQUIRE(RunUntil(loop, [&] { return !client.closed.empty(); }));
      }
      loop.restart();
      loop.poll();
      CHECK(after == 0);
    }
  }
}

TEST_CASE("a channel may go before it opened", "[proto]") {
  Loop loop;
  auto fds = TcpPair();
  Party client;
  client.channel = Channel::Client(loop, std::move(fds.first), TestContext(),
                                   client.Journal());
  client.channel.reset();
  loop.poll();
  CHECK_FALSE(client.opened.has_value());
}

TEST_CASE("a channel with a full queue lets the connection go at once",
          "[proto]") {
  Parties both;
  both.Open(TcpPair());
  for (int i = 0; i < 20; ++i) {
    both.client.channel->Send(kTest, 0, 1, Pattern(1 << 20));
  }
  REQUIRE(both.client.channel->queued_bytes() > 0);
  both.client.channel.reset();
  REQUIRE(RunUntil(both.loop, [&] { return !both.server.closed.empty(); }));
  CHECK(both.server.closed[0].code == ErrorCode::kGone);
}

TEST_CASE("writing to a broken connection is told by the loop, once",
          "[proto]") {
  Parties both;
  auto fds = UnixPair();
  auto spy = Duplicate(fds.first.get());
  REQUIRE(spy);
  both.Open(std::move(fds));
  // The server's end goes without a goodbye, and without SIGPIPE for us.
  both.server.channel->Send(kTest, 0, 5, Pattern(10));
  ::shutdown(spy->get(), SHUT_WR);
  both.client.channel->Send(kTest, 0, 1, Pattern(10));
  CHECK(both.client.closed.empty());
  REQUIRE(RunUntil(both.loop, [&] { return !both.client.closed.empty(); }));
  CHECK(both.client.closed[0].code == ErrorCode::kGone);
  // What the peer had said before was still delivered.
  CHECK(both.client.frames.at(0).header.id == 5);
  CHECK(both.client.frames.size() == 1);
}

TEST_CASE("what is not a socket does not open", "[proto]") {
  Loop loop;
  auto file = MakeMemFd("no socket");
  REQUIRE(file);
  Party party;
  party.channel =
      Channel::Client(loop, std::move(*file), TestContext(), party.Journal());
  CHECK_FALSE(party.opened.has_value());
  REQUIRE(RunUntil(loop, [&] { return party.opened.has_value(); }));
  CHECK_FALSE(*party.opened);
}

}  // namespace
}  // namespace ssi::proto
