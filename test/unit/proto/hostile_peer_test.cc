// A channel whose peer has the key and does not keep to the rules. A bulk
// stream plays it: the same TLS, and any bytes inside.
#include <algorithm>
#include <cstring>
#include <thread>

#include <catch2/catch.hpp>

#include "proto/bulk_stream.h"
#include "proto/channel.h"
#include "support.h"

namespace ssi::proto {
namespace {

using namespace test;  // NOLINT: helpers of this folder's tests

Bytes FrameBytes(std::uint32_t length, FrameType type, const Bytes& payload) {
  FrameHeader header{length, type, 0, 7};
  Bytes bytes(sizeof header + payload.size());
  std::memcpy(bytes.data(), &header, sizeof header);
  std::ranges::copy(payload, bytes.begin() + sizeof header);
  return bytes;
}

// A channel that is told all that `talk` writes (in a thread, so without
// Catch), until it has ended or `done`.
void Listen(Party& party, const std::function<void(BulkStream&)>& talk,
            const std::function<bool()>& done) {
  Loop loop;
  auto fds = TcpPair();
  party.channel = Channel::Server(loop, std::move(fds.first), TestContext(),
                                  party.Journal());
  auto stream = BulkStream::Client(std::move(fds.second), TestContext());
  REQUIRE(stream);
  Status opened;
  std::thread talker([&] {
    opened = (*stream)->Handshake();
    if (opened) {
      talk(**stream);
    }
  });
  bool ended = RunUntil(loop, [&] { return !party.closed.empty() || done(); });
  (*stream)->Interrupt();
  talker.join();
  CHECK(ended);
  CHECK(opened);
  party.channel.reset();
}

TEST_CASE("an oversize frame ends the channel at its header", "[proto]") {
  for (std::uint32_t length :
       {static_cast<std::uint32_t>(kMaxFrame + 1), 0xffffffffU}) {
    Party party;
    auto good = FrameBytes(3, FrameType{100}, Pattern(3));
    auto bad = FrameBytes(length, FrameType{100}, {});
    Listen(
        party,
        [&](BulkStream& peer) {
          (void)peer.Write({good, bad, good});
        },
        [] { return false; });
    REQUIRE(party.closed.size() == 1);
    CHECK(party.closed[0].code == ErrorCode::kProtocol);
    CHECK_THAT(party.closed[0].message, Catch::Contains("over the limit"));
    CHECK(party.frames.size() == 1);
  }
}

TEST_CASE("frames may come in pieces of any size", "[proto]") {
  Party party;
  Bytes stream;
  for (std::uint32_t size : {0U, 1U, 40U, 300U}) {
    auto frame = FrameBytes(size, FrameType{100}, Pattern(size));
    stream.insert(stream.end(), frame.begin(), frame.end());
  }
  Listen(
      party,
      [&](BulkStream& peer) {
        for (std::byte byte : stream) {  // a record for each byte
          (void)peer.Write(std::span(&byte, 1));
        }
      },
      [&] { return party.frames.size() == 4; });
  REQUIRE(party.frames.size() == 4);
  CHECK(party.frames[3].payload == Pattern(300));
  CHECK(party.closed.empty());
}

TEST_CASE("a heartbeat has no payload", "[proto]") {
  Party party;
  auto bad = FrameBytes(1, FrameType::kHeartbeat, Pattern(1));
  Listen(
      party, [&](BulkStream& peer) { (void)peer.Write(bad); },
      [] { return false; });
  REQUIRE(party.closed.size() == 1);
  CHECK(party.closed[0].code == ErrorCode::kProtocol);
}

}  // namespace
}  // namespace ssi::proto
