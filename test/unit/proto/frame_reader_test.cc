#include "proto/frame_reader.h"

#include <cstring>
#include <random>

#include <catch2/catch.hpp>

#include "support.h"

namespace ssi::proto {
namespace {

using test::Bytes;
using test::Pattern;

void Append(Bytes& stream, std::uint64_t id, const Bytes& payload,
            std::size_t length) {
  FrameHeader header{static_cast<std::uint32_t>(length), FrameType{9}, 3, id};
  auto bytes = std::as_bytes(std::span(&header, 1));
  stream.insert(stream.end(), bytes.begin(), bytes.end());
  stream.insert(stream.end(), payload.begin(), payload.end());
}

// Puts in as much as there is room for, at most `chunk`, and returns how much.
std::size_t Feed(FrameReader& reader, std::span<const std::byte> bytes,
                 std::size_t chunk) {
  auto space = reader.Space();
  std::size_t n = std::min({bytes.size(), chunk, space.size()});
  std::memcpy(space.data(), bytes.data(), n);
  reader.Filled(n);
  return n;
}

TEST_CASE("frames come out whole, however the bytes came in", "[proto]") {
  const std::vector<std::size_t> sizes = {
      0, 1, 2, 16351, 16352, 16353, 65536, 0, kMaxFrame, 5, 200000, 0};
  Bytes stream;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    Append(stream, i, Pattern(sizes[i], static_cast<unsigned>(i)), sizes[i]);
  }
  for (std::size_t chunk :
       {std::size_t{7919}, std::size_t{16384}, std::size_t{1} << 30}) {
    FrameReader reader;
    std::size_t frames = 0;
    std::span<const std::byte> left = stream;
    while (!left.empty()) {
      left = left.subspan(Feed(reader, left, chunk));
      FrameHeader header;
      std::span<const std::byte> payload;
      for (;;) {
        auto next = reader.Next(header, payload);
        REQUIRE(next);
        if (!*next) {
          break;
        }
        REQUIRE(header.id == frames);
        REQUIRE(header.flags == 3);
        REQUIRE(std::ranges::equal(
            payload, Pattern(sizes[frames], static_cast<unsigned>(frames))));
        ++frames;
      }
    }
    CHECK(frames == sizes.size());
    CHECK(reader.pending() == 0);
    // A little more than the largest frame, not a multiple of all of them.
    CHECK(reader.capacity() < 3 * kMaxFrame);
  }
}

TEST_CASE("a frame cut off at any byte is no frame", "[proto]") {
  Bytes stream;
  Append(stream, 1, Pattern(40), 40);
  for (std::size_t size = 0; size < stream.size(); ++size) {
    FrameReader reader;
    Feed(reader, std::span(stream).first(size), stream.size());
    FrameHeader header;
    std::span<const std::byte> payload;
    auto next = reader.Next(header, payload);
    REQUIRE(next);
    CHECK_FALSE(*next);
    CHECK(reader.pending() == size);
    // One byte at a time gets it done.
    for (std::size_t at = size; at < stream.size(); ++at) {
      REQUIRE_FALSE(*reader.Next(header, payload));
      Feed(reader, std::span(stream).subspan(at), 1);
    }
    REQUIRE(*reader.Next(header, payload));
    CHECK(payload.size() == 40);
  }
}

TEST_CASE("an oversize frame is refused before it is given memory", "[proto]") {
  for (std::size_t length :
       {kMaxFrame + 1, std::size_t{0x7fffffff}, std::size_t{0xffffffff}}) {
    Bytes stream;
    Append(stream, 1, {}, length);
    FrameReader reader;
    Feed(reader, stream, stream.size());
    std::size_t before = reader.capacity();
    FrameHeader header;
    std::span<const std::byte> payload;
    auto next = reader.Next(header, payload);
    REQUIRE_FALSE(next);
    CHECK(next.error().code == ErrorCode::kProtocol);
    CHECK(reader.capacity() == before);
  }
}

TEST_CASE("many small frames do not make the buffer grow", "[proto]") {
  Bytes stream;
  for (std::uint64_t i = 0; i < 5000; ++i) {
    Append(stream, i, Pattern(100), 100);
  }
  FrameReader reader;
  std::mt19937_64 random(2);  // NOLINT: the same each time
  std::span<const std::byte> left = stream;
  std::size_t frames = 0;
  while (!left.empty()) {
    left = left.subspan(Feed(reader, left, 1 + random() % 20000));
    FrameHeader header;
    std::span<const std::byte> payload;
    while (*reader.Next(header, payload)) {
      ++frames;
    }
  }
  CHECK(frames == 5000);
  CHECK(reader.capacity() == 65536);
}

}  // namespace
}  // namespace ssi::proto
