#include <cstring>
#include <random>
#include <vector>

#include <catch2/catch.hpp>

#include "supervisor/args.h"
#include "supervisor/call_payload.h"

namespace ssi::supervisor {
namespace {

std::vector<std::byte> Sample() {
  CallRequest request;
  request.head.nr = 1;
  request.head.args = {5, kInBuffer, 3, 0, 0, 0};
  request.head.buffer_count = 1;
  request.head.buffers[0] = {1, 0, Direction::kIn, 0, 3};
  request.data.Append(std::as_bytes(std::span("abc", 3)));
  ByteBuffer wire;
  Encode(request, wire);
  return {wire.bytes().begin(), wire.bytes().end()};
}

// The bytes that version 2 is: a change of this test is a change of
// kPayloadVersion.
TEST_CASE("the request format", "[payload]") {
  CHECK(kPayloadVersion == 2);
  std::vector<std::byte> bytes = Sample();
  const unsigned char expected[] = {
      1,   0,   0,  0, 1, 0, 0, 0,                          // nr, count
      5,   0,   0,  0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,  // arguments
      3,   0,   0,  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
      0,   0,   0,  0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 3, 0, 0, 0,  // buffer
      'a', 'b', 'c'};
  REQUIRE(bytes.size() == sizeof(expected));
  CHECK(std::memcmp(bytes.data(), expected, sizeof(expected)) == 0);
}

TEST_CASE("the reply format", "[payload]") {
  CallReply reply;
  reply.head.result = -2;
  reply.head.flags = kRegularFile;
  reply.head.buffer_count = 1;
  reply.head.buffers[0] = {1, 0, Direction::kOut, 0, 2};
  reply.parts[0] = std::as_bytes(std::span("xy", 2));
  ByteBuffer wire;
  Encode(reply, wire);
  const unsigned char expected[] = {
      0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1, 0, 0,   0,
      0,    0,    0,    1,    0,    2,    0,    2,    0, 0, 0, 'x', 'y'};
  REQUIRE(wire.size() == sizeof(expected));
  CHECK(std::memcmp(wire.bytes().data(), expected, sizeof(expected)) == 0);
  auto back = DecodeReply(wire.bytes());
  REQUIRE(back);
  CHECK(back->head.result == -2);
  CHECK(back->data.size() == 2);
}

TEST_CASE("a request comes back as it was", "[payload]") {
  std::vector<std::byte> bytes = Sample();
  auto view = DecodeRequest(bytes);
  REQUIRE(view);
  CHECK(view->head.nr == 1);
  CHECK(view->head.args[1] == kInBuffer);
  CHECK(view->head.buffers[0].length == 3);
  CHECK(std::memcmp(view->data.data(), "abc", 3) == 0);
}

TEST_CASE("every cut and every extra byte is refused", "[payload]") {
  std::vector<std::byte> bytes = Sample();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CHECK_FALSE(DecodeRequest(std::span(bytes).first(size)));
  }
  bytes.push_back(std::byte{0});
  CHECK_FALSE(DecodeRequest(bytes));
}

TEST_CASE("impossible heads are refused", "[payload]") {
  auto with = [](std::size_t at, int value) {
    std::vector<std::byte> bytes = Sample();
    bytes[at] = static_cast<std::byte>(value);
    return DecodeRequest(bytes).has_value();
  };
  CHECK(with(0, 2));
  CHECK_FALSE(with(4, 9));   // too many buffers
  CHECK_FALSE(with(4, 0));   // bytes that belong to none
  CHECK_FALSE(with(5, 1));   // reserved
  CHECK_FALSE(with(56, 6));  // argument 6
  CHECK_FALSE(with(57, 2));  // part 2
  CHECK_FALSE(with(58, 0));  // no direction
  CHECK_FALSE(with(58, 4));
  CHECK_FALSE(with(59, 1));    // reserved
  CHECK_FALSE(with(60, 4));    // longer than the data
  CHECK_FALSE(with(63, 255));  // 4 GiB
}

TEST_CASE("decoding survives anything", "[payload]") {
  std::mt19937_64 random(5);
  std::vector<std::byte> sample = Sample();
  int accepted = 0;
  for (int i = 0; i < 200000; ++i) {
    std::vector<std::byte> bytes = sample;
    bytes.resize(random() % 120);
    for (int flips = static_cast<int>(random() % 6); flips > 0; --flips) {
      if (!bytes.empty()) {
        bytes[random() % bytes.size()] = static_cast<std::byte>(random());
      }
    }
    accepted += DecodeRequest(bytes).has_value() ? 1 : 0;
    (void)DecodeReply(bytes);
  }
  CHECK(accepted < 200000);
}

TEST_CASE("a buffer keeps its memory", "[payload]") {
  ByteBuffer buffer;
  buffer.Append(100000);
  const std::byte* at = buffer.bytes().data();
  buffer.Clear();
  buffer.Append(std::as_bytes(std::span("abc", 3)));
  CHECK(buffer.bytes().data() == at);
  CHECK(buffer.size() == 3);
  buffer.Append(200000);
  CHECK(std::memcmp(buffer.bytes().data(), "abc", 3) == 0);
}

}  // namespace
}  // namespace ssi::supervisor
