#include "proto/preamble.h"

#include <array>
#include <random>

#include <catch2/catch.hpp>

namespace ssi::proto {
namespace {

Preamble Sample() {
  Preamble sample;
  sample.purpose = Purpose::kBulk;
  sample.session[0] = std::byte{1};
  sample.session[15] = std::byte{2};
  return sample;
}

TEST_CASE("a preamble is read as it was written", "[proto]") {
  auto bytes = EncodePreamble(Sample());
  auto decoded = DecodePreamble(bytes);
  REQUIRE(decoded);
  CHECK(*decoded == Sample());
  // The place of each field is part of the protocol, for all versions.
  CHECK(bytes[8] == std::byte{kVersion});
  CHECK(bytes[10] == std::byte{kMinVersion});
  CHECK(bytes[12] == std::byte{3});
  CHECK(bytes[16] == std::byte{1});
  CHECK(bytes[31] == std::byte{2});
}

TEST_CASE("an answer is read as it was written", "[proto]") {
  for (auto verdict : {Verdict::kOk, Verdict::kWrongVersion,
                       Verdict::kUnknownSession, Verdict::kBusy}) {
    Answer answer{verdict, 7, 5};
    auto decoded = DecodeAnswer(EncodeAnswer(answer));
    REQUIRE(decoded);
    CHECK(*decoded == answer);
  }
}

TEST_CASE("a preamble of another size or with odd contents is refused",
          "[proto]") {
  auto good = EncodePreamble(Sample());
  for (std::size_t size = 0; size < good.size(); ++size) {
    auto decoded = DecodePreamble(std::span(good).first(size));
    REQUIRE_FALSE(decoded);
    CHECK(decoded.error().code == ErrorCode::kProtocol);
  }
  // Every byte but those of the versions and the session is checked; one bit
  // of a version makes another version, or an empty range.
  for (std::size_t at : {0U, 7U, 12U, 13U, 14U, 15U, 32U, 47U}) {
    auto bad = good;
    bad[at] ^= std::byte{0x80};
    INFO("byte " << at);
    auto decoded = DecodePreamble(bad);
    REQUIRE_FALSE(decoded);
    CHECK(decoded.error().code == ErrorCode::kProtocol);
  }
  Preamble backwards = Sample();
  backwards.min_version = 9;
  CHECK_FALSE(DecodePreamble(EncodePreamble(backwards)));
}

TEST_CASE("a preamble of a later protocol is understood that far", "[proto]") {
  Preamble later = Sample();
  later.version = 9;
  later.min_version = 8;
  later.purpose = static_cast<Purpose>(77);
  auto bytes = EncodePreamble(later);
  bytes[40] = std::byte{1};
  auto decoded = DecodePreamble(bytes);
  REQUIRE(decoded);
  auto common =
      CommonVersion(Preamble{}, decoded->version, decoded->min_version);
  REQUIRE_FALSE(common);
  CHECK(common.error().code == ErrorCode::kUnsupported);
  CHECK_THAT(common.error().message,
             Catch::Contains("versions 8 to 9") &&
                 Catch::Contains("version " + std::to_string(kVersion) + ":"));
}

TEST_CASE("the newest common version is spoken", "[proto]") {
  Preamble mine;
  mine.version = 5;
  mine.min_version = 3;
  CHECK(CommonVersion(mine, 9, 4) == 5);
  CHECK(CommonVersion(mine, 4, 1) == 4);
  CHECK(CommonVersion(mine, 3, 3) == 3);
  CHECK_FALSE(CommonVersion(mine, 2, 1));
  CHECK_FALSE(CommonVersion(mine, 9, 6));
}

TEST_CASE("each answer has its words", "[proto]") {
  Preamble mine;
  mine.version = mine.min_version = 1;
  CHECK(CheckAnswer(mine, {Verdict::kOk, 3, 1}) == 1);
  CHECK(CheckAnswer(mine, {Verdict::kOk, 3, 2}).error().code ==
        ErrorCode::kUnsupported);
  CHECK(CheckAnswer(mine, {Verdict::kUnknownSession}).error().code ==
        ErrorCode::kDenied);
  CHECK(CheckAnswer(mine, {Verdict::kBusy}).error().code == ErrorCode::kRetry);
  auto wrong = CheckAnswer(mine, {Verdict::kWrongVersion, 3, 2});
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().code == ErrorCode::kUnsupported);
  CHECK_THAT(wrong.error().message, Catch::Contains("versions 2 to 3"));
  CHECK(CheckAnswer(mine, {Verdict::kWrongVersion, 3, 1}).error().code ==
        ErrorCode::kUnsupported);
}

TEST_CASE("garbage is never taken for a preamble or an answer", "[proto]") {
  std::mt19937_64 random(1);  // NOLINT: the same garbage each time
  for (int round = 0; round < 20000; ++round) {
    std::array<std::byte, 64> garbage;
    for (auto& byte : garbage) {
      byte = static_cast<std::byte>(random());
    }
    auto bytes = std::span(garbage).first(random() % (garbage.size() + 1));
    REQUIRE_FALSE(DecodePreamble(bytes));
    REQUIRE_FALSE(DecodeAnswer(bytes));
  }
  // Behind the right magic anything may be decoded, but nothing breaks.
  auto good = EncodePreamble(Sample());
  for (int round = 0; round < 20000; ++round) {
    auto bytes = good;
    for (std::size_t at = kMagicSize; at < bytes.size(); ++at) {
      bytes[at] = static_cast<std::byte>(random());
    }
    auto decoded = DecodePreamble(bytes);
    CHECK((!decoded || decoded->min_version > kVersion));
    (void)DecodeAnswer(std::span(bytes).first(kAnswerSize));
  }
}

TEST_CASE("a stranger is known by the first bytes", "[proto]") {
  auto good = EncodePreamble(Sample());
  for (std::size_t size = 0; size <= good.size(); ++size) {
    CHECK(CanBecomeOurs(std::span(good).first(size)));
  }
  for (std::string text : {"G", "GET / HTTP/1.1\r\n\r\n", "SSH-2.0-x\r\n"}) {
    CHECK_FALSE(CanBecomeOurs(std::as_bytes(std::span(text))));
  }
}

TEST_CASE("the TLS identity differs with everything that was agreed",
          "[proto]") {
  Preamble a = Sample();
  Preamble b = a;
  CHECK(TlsIdentity(a, 1) == TlsIdentity(b, 1));
  CHECK(TlsIdentity(a, 1) != TlsIdentity(b, 2));
  b.purpose = Purpose::kCalls;
  CHECK(TlsIdentity(a, 1) != TlsIdentity(b, 1));
  b = a;
  b.version = kVersion + 1;
  CHECK(TlsIdentity(a, 1) != TlsIdentity(b, 1));
}

}  // namespace
}  // namespace ssi::proto
