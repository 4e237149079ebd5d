#include "proto/message.h"

#include <catch2/catch.hpp>

#include "proto/version.h"
#include "proto/wire.pb.h"
#include "support.h"

namespace ssi::proto {
namespace {

TEST_CASE("a message is read as it was written", "[proto]") {
  wire::Hello hello;
  hello.set_node_name("a");
  hello.set_version("0.1.0");
  hello.set_protocol(kVersion);
  hello.set_kernel("6.7.0");
  auto bytes = EncodeMessage(hello);
  REQUIRE(bytes);
  wire::Hello read;
  REQUIRE(DecodeMessage(*bytes, read));
  CHECK(read.node_name() == "a");
  CHECK(read.protocol() == kVersion);
  CHECK(EncodeMessage(wire::Hello())->empty());
}

TEST_CASE("messages over the limit go nowhere", "[proto]") {
  wire::Hello hello;
  hello.set_node_name(std::string(100, 'x'));
  auto bytes = EncodeMessage(hello);
  REQUIRE(bytes);
  CHECK(EncodeMessage(hello, bytes->size()));
  CHECK(EncodeMessage(hello, bytes->size() - 1).error().code ==
        ErrorCode::kInvalid);
  wire::Hello read;
  CHECK(DecodeMessage(*bytes, read, bytes->size()));
  CHECK(DecodeMessage(*bytes, read, bytes->size() - 1).error().code ==
        ErrorCode::kProtocol);
  CHECK(read.node_name().empty());
}

TEST_CASE("a message cut off inside a field is refused", "[proto]") {
  wire::Hello hello;
  hello.set_node_name("abc");
  auto bytes = EncodeMessage(hello);
  REQUIRE(bytes);
  wire::Hello read;
  for (std::size_t size = 1; size < bytes->size(); ++size) {
    auto status = DecodeMessage(std::span(*bytes).first(size), read);
    REQUIRE_FALSE(status);
    CHECK(status.error().code == ErrorCode::kProtocol);
  }
  auto garbage = test::Pattern(200);
  CHECK_FALSE(DecodeMessage(garbage, read));
}

}  // namespace
}  // namespace ssi::proto
