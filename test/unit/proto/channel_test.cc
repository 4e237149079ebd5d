#include "proto/channel.h"

#include <unistd.h>

#include <catch2/catch.hpp>

#include "support.h"

namespace ssi::proto {
namespace {

using namespace test;  // NOLINT: helpers of this folder's tests

constexpr FrameType kTest{100};

TEST_CASE("two channels open and say so once", "[proto]") {
  for (bool tcp : {false, true}) {
    Parties both;
    both.Open(tcp ? TcpPair() : UnixPair());
    CHECK(both.client.channel->is_open());
    CHECK(both.server.channel->is_open());
    CHECK(both.client.channel->queued_bytes() == 0);
    CHECK(both.client.closed.empty());
  }
}

TEST_CASE("frames of all sizes arrive as they were sent", "[proto]") {
  const std::vector<std::size_t> sizes = {
      0,     1,     64,         16351,         16352,     16353, 16383,
      16384, 16385, 32768 - 32, kMaxFrame - 1, kMaxFrame, 3};
  for (bool tcp : {false, true}) {
    Parties both;
    both.Open(tcp ? TcpPair() : UnixPair());
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      auto payload = Pattern(sizes[i], static_cast<unsigned>(i));
      both.client.channel->Send(kTest, 7, i, payload);
      bytes += sizes[i] + kFrameHeaderSize;
    }
    REQUIRE(RunUntil(
        both.loop, [&] { return both.server.frames.size() == sizes.size(); }));
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      const Frame& frame = both.server.frames[i];
      CHECK(frame.header.type == kTest);
      CHECK(frame.header.flags == 7);
      CHECK(frame.header.id == i);
      CHECK(frame.header.length == sizes[i]);
      CHECK(frame.payload == Pattern(sizes[i], static_cast<unsigned>(i)));
    }
    CHECK(both.client.channel->queued_bytes() == 0);
    CHECK(both.client.channel->counters().frames_out == sizes.size());
    CHECK(both.client.channel->counters().bytes_out == bytes);
    CHECK(both.server.channel->counters().frames_in == sizes.size());
    CHECK(both.server.channel->counters().bytes_in == bytes);
    CHECK(both.server.received > 0);
  }
}

TEST_CASE("a frame is put together from parts", "[proto]") {
  Parties both;
  both.Open(TcpPair());
  for (std::size_t middle : {std::size_t{0}, std::size_t{5}, std::size_t{16384},
                             std::size_t{100000}}) {
    auto a = Pattern(3, 1);
    auto b = Pattern(middle, 2);
    auto c = Pattern(16384, 3);
    both.client.channel->Send(kTest, 0, middle, {a, b, {}, c});
    REQUIRE(RunUntil(both.loop, [&] { return !both.server.frames.empty(); }));
    Bytes whole = a;
    whole.insert(whole.end(), b.begin(), b.end());
    whole.insert(whole.end(), c.begin(), c.end());
    CHECK(both.server.frames[0].payload == whole);
    both.server.frames.clear();
  }
}

TEST_CASE("10,000 small questions are answered in order", "[proto]") {
  Loop loop;
  auto fds = TcpPair();
  Party asker;
  Party answerer;
  std::uint64_t next = 0;
  auto question = Pattern(64);
  auto callbacks = answerer.Journal();
  callbacks.on_frame = [&](const FrameHeader& header,
                           std::span<const std::byte> payload) {
    answerer.channel->Send(header.type, 1, header.id, payload);
  };
  answerer.channel = Channel::Server(loop, std::move(fds.second), TestContext(),
                                     std::move(callbacks));
  callbacks = asker.Journal();
  callbacks.on_open = [&](Status status) {
    REQUIRE(status);
    asker.channel->Send(kTest, 0, 0, question);
  };
  callbacks.on_frame = [&](const FrameHeader& header,
                           std::span<const std::byte> payload) {
    REQUIRE(header.id == next);
    REQUIRE(std::ranges::equal(payload, question));
    ++next;
    asker.channel->Send(kTest, 0, next, question);
  };
  asker.channel = Channel::Client(loop, std::move(fds.first), TestContext(),
                                  std::move(callbacks));
  REQUIRE(RunUntil(loop, [&] { return next == 10000; }));
}

TEST_CASE("both directions at once with full sockets do not block", "[proto]") {
  for (bool tcp : {false, true}) {
    Parties both;
    both.Open(tcp ? TcpPair() : UnixPair());
    auto big = Pattern(1 << 20);
    // Far more than the sockets hold, before either side reads anything.
    for (std::uint64_t i = 0; i < 16; ++i) {
      both.client.channel->Send(kTest, 0, i, big);
      both.server.channel->Send(kTest, 0, i, big);
    }
    CHECK(both.client.channel->queued_bytes() > 0);
    CHECK(both.server.channel->queued_bytes() > 0);
    REQUIRE(RunUntil(both.loop, [&] {
      return both.client.frames.size() == 16 && both.server.frames.size() == 16;
    }));
    CHECK(both.client.channel->queued_bytes() == 0);
    CHECK(both.server.channel->queued_bytes() == 0);
    for (const Frame& frame : both.client.frames) {
      CHECK(frame.payload == big);
    }
    // And it goes on as before.
    both.client.channel->Send(kTest, 0, 99, {});
    REQUIRE(
        RunUntil(both.loop, [&] { return both.server.frames.size() == 17; }));
  }
}

TEST_CASE("a poll delivers what arrives, without the loop", "[proto]") {
  Parties both;
  both.Open(TcpPair());
  CHECK_FALSE(both.server.channel->PollFor(0ns));
  CHECK_FALSE(both.server.channel->PollFor(100us));
  both.client.channel->Send(kTest, 0, 1, Pattern(64));
  both.client.channel->Send(kTest, 0, 2, Pattern(64));
  CHECK(both.server.channel->PollFor(1s));
  CHECK(both.server.frames.size() == 2);
  CHECK_FALSE(both.server.channel->PollFor(0ns));
}

TEST_CASE("a poll inside a callback does nothing", "[proto]") {
  Loop loop;
  auto fds = TcpPair();
  Party client;
  Party server;
  int polled = 0;
  auto callbacks = server.Journal();
  callbacks.on_open = [&](Status status) {
    server.opened = std::move(status);
    CHECK_FALSE(server.channel->PollFor(1s));
  };
  callbacks.on_frame = [&](const FrameHeader& header,
                           std::span<const std::byte> payload) {
    server.frames.push_back({header, Bytes(payload.begin(), payload.end())});
    CHECK_FALSE(server.channel->PollFor(1s));
    ++polled;
  };
  client.channel = Channel::Client(loop, std::move(fds.first), TestContext(),
                                   client.Journal());
  server.channel = Channel::Server(loop, std::move(fds.second), TestContext(),
                                   std::move(callbacks));
  REQUIRE(RunUntil(loop, [&] { return client.open() && server.open(); }));
  for (std::uint64_t i = 0; i < 3; ++i) {
    client.channel->Send(kTest, 0, i, Pattern(10));
  }
  CHECK(server.channel->PollFor(1s));
  REQUIRE(RunUntil(loop, [&] { return polled == 3; }));
  CHECK(server.frames[2].header.id == 2);
}

TEST_CASE("what is silent hears heartbeats, which nobody else sees",
          "[proto]") {
  Parties both;
  both.client_limits.heartbeat = both.server_limits.heartbeat = 5ms;
  both.Open(TcpPair());
  Nanos opened = both.client.channel->last_received();
  REQUIRE(RunUntil(both.loop, [&] {
    return both.client.channel->counters().frames_in >= 3 &&
           both.server.channel->counters().frames_in >= 3;
  }));
  CHECK(both.client.frames.empty());
  CHECK(both.client.received >= 3);
  CHECK(both.client.channel->last_received() > opened);
  CHECK_FALSE(both.client.channel->PollFor(20ms));
}

TEST_CASE("heartbeats wait while there is something else to hear", "[proto]") {
  Parties both;
  both.Open(TcpPair());
  for (std::uint64_t i = 0; i < 100; ++i) {
    both.client.channel->Send(kTest, 0, i, {});
  }
  REQUIRE(
      RunUntil(both.loop, [&] { return both.server.frames.size() == 100; }));
  CHECK(both.server.channel->counters().frames_in == 100);
}

TEST_CASE("a peer that says nothing is given up", "[proto]") {
  Parties both;
  both.client_limits.silence = 30ms;
  both.server_limits.heartbeat = 10s;
  both.Open(TcpPair());
  REQUIRE(RunUntil(both.loop, [&] {
    return !both.client.closed.empty() && !both.server.closed.empty();
  }));
  const Error& given_up = both.client.closed[0];
  CHECK(given_up.code == ErrorCode::kGone);
  CHECK_THAT(given_up.message, Catch::Contains("silent for 0.03 s"));
  CHECK_FALSE(both.client.channel->is_open());
  CHECK(both.client.channel->end() == Channel::End::kBroken);
  // That was no goodbye, and is not taken for one.
  CHECK(both.server.closed[0].code == ErrorCode::kGone);
  CHECK_THAT(both.server.closed[0].message, Catch::Contains("broke"));
  CHECK(both.server.channel->end() == Channel::End::kBroken);
}

TEST_CASE("silence is not what this process slept through", "[proto]") {
  // The server's bytes wait in the socket while the client's loop does not
  // run for longer than the limit: it must read before it judges.
  Parties both;
  both.client_limits.silence = 200ms;
  both.Open(TcpPair());
  Nanos opened = both.client.channel->last_received();
  both.server.channel->Send(kTest, 0, 1, {});
  while (SystemClock().Boot() - opened < 210ms) {
    (void)both.server.channel->PollFor(5ms);
  }
  both.loop.poll();
  CHECK(both.client.closed.empty());
  CHECK(both.client.frames.size() == 1);
}

}  // namespace
}  // namespace ssi::proto
