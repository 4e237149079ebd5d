#include "supervisor/pieces.h"

#include <cerrno>
#include <random>

#include <catch2/catch.hpp>

namespace ssi::supervisor {
namespace {

constexpr auto kIn = Direction::kIn;
constexpr auto kOut = Direction::kOut;
constexpr auto kMax = static_cast<std::int64_t>(kMaxCallData);

TEST_CASE("a small read is one piece", "[pieces]") {
  PieceCursor cursor(100, kOut);
  CHECK(cursor.Next() == 100);
  CHECK_FALSE(cursor.Advance(100, true));
  CHECK(cursor.Result() == 100);
}

TEST_CASE("a large read of a file goes on until it is short", "[pieces]") {
  PieceCursor cursor(3 * kMaxCallData, kOut);
  CHECK(cursor.Next() == kMaxCallData);
  CHECK(cursor.Advance(kMax, true));
  CHECK(cursor.done() == kMaxCallData);
  CHECK(cursor.Advance(kMax, true));
  CHECK_FALSE(cursor.Advance(10, true));
  CHECK(cursor.Result() == 2 * kMax + 10);
}

TEST_CASE("a large read of anything else ends with what came", "[pieces]") {
  PieceCursor cursor(3 * kMaxCallData, kOut);
  CHECK_FALSE(cursor.Advance(kMax, false));
  CHECK(cursor.Result() == kMax);
}

TEST_CASE("a write goes on while it is taken whole", "[pieces]") {
  PieceCursor cursor(2 * kMaxCallData + 1, kIn);
  CHECK(cursor.Advance(kMax, false));
  CHECK(cursor.Advance(kMax, false));
  CHECK(cursor.Next() == 1);
  CHECK_FALSE(cursor.Advance(1, false));
  CHECK(cursor.Result() == 2 * kMax + 1);

  PieceCursor cut(2 * kMaxCallData, kIn);
  CHECK_FALSE(cut.Advance(7, false));
  CHECK(cut.Result() == 7);
}

TEST_CASE("an error counts only in the first piece", "[pieces]") {
  PieceCursor first(2 * kMaxCallData, kIn);
  CHECK_FALSE(first.Advance(-ENOSPC, false));
  CHECK(first.Result() == -ENOSPC);

  PieceCursor later(2 * kMaxCallData, kIn);
  CHECK(later.Advance(kMax, false));
  CHECK_FALSE(later.Advance(-ENOSPC, false));
  CHECK(later.Result() == kMax);
}

TEST_CASE("nothing is a piece too", "[pieces]") {
  PieceCursor cursor(0, kIn);
  CHECK(cursor.Next() == 0);
  CHECK_FALSE(cursor.Advance(0, false));
  CHECK(cursor.Result() == 0);
}

TEST_CASE("lengths are cut as the kernel cuts them", "[pieces]") {
  PieceCursor cursor(~std::uint64_t{0}, kIn);
  CHECK(cursor.total() == 0x7ffff000);
  std::uint64_t pieces = 1;
  while (cursor.Advance(static_cast<std::int64_t>(cursor.Next()), false)) {
    ++pieces;
  }
  CHECK(cursor.Result() == 0x7ffff000);
  CHECK(pieces == (0x7ffff000 + kMaxCallData - 1) / kMaxCallData);
}

TEST_CASE("pieces add up whatever a descriptor does", "[pieces]") {
  std::mt19937_64 random(3);
  for (int run = 0; run < 2000; ++run) {
    std::uint64_t total = random() % (5 * kMaxCallData);
    PieceCursor cursor(total, run % 2 == 0 ? kIn : kOut);
    std::uint64_t moved = 0;
    bool more = true;
    for (int step = 0; more; ++step) {
      REQUIRE(step < 6);
      std::uint64_t asked = cursor.Next();
      REQUIRE(asked <= kMaxCallData);
      REQUIRE(moved + asked <= total);
      std::uint64_t done = random() % 4 == 0 ? random() % (asked + 1) : asked;
      moved += done;
      more = cursor.Advance(static_cast<std::int64_t>(done), true);
      CHECK((!more || done == asked));
    }
    CHECK(cursor.Result() == static_cast<std::int64_t>(moved));
  }
}

}  // namespace
}  // namespace ssi::supervisor
