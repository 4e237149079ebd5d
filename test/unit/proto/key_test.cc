#include "proto/key.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <string>

#include <catch2/catch.hpp>

#include "support.h"

namespace ssi::proto {
namespace {

// A folder of its own, gone at the end.
class TempDir {
 public:
  TempDir() : path_(ssi::test::TemporaryName("ssi-key")) {
    REQUIRE(::mkdtemp(path_.data()) != nullptr);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  TempDir(TempDir&&) = delete;
  TempDir& operator=(TempDir&&) = delete;
  ~TempDir() { std::filesystem::remove_all(path_); }
  [[nodiscard]] std::string File(const std::string& name) const {
    return path_ + "/" + name;
  }
  [[nodiscard]] std::string Write(const std::string& text,
                                  mode_t mode = 0600) const {
    std::string path = File("key");
    std::filesystem::remove(path);
    std::ofstream(path) << text;
    REQUIRE(::chmod(path.c_str(), mode) == 0);
    return path;
  }

 private:
  std::string path_;
};

bool Same(const Key& a, const Key& b) {
  return std::ranges::equal(a.bytes(), b.bytes());
}

template <std::size_t size>
std::array<std::byte, size> Filled(int first, int step) {
  std::array<std::byte, size> bytes{};
  for (auto& byte : bytes) {
    byte = static_cast<std::byte>(first);
    first += step;
  }
  return bytes;
}

TEST_CASE("a generated key is loaded again, and never overwritten", "[proto]") {
  TempDir dir;
  auto path = dir.File("key");
  auto made = Key::Generate(path);
  REQUIRE(made);
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 0600);
  CHECK(info.st_size == 65);
  auto loaded = Key::Load(path);
  REQUIRE(loaded);
  CHECK(Same(*made, *loaded));

  auto again = Key::Generate(path);
  REQUIRE_FALSE(again);
  CHECK(again.error().code == ErrorCode::kInvalid);
  CHECK(Same(*Key::Load(path), *made));
  CHECK_FALSE(Key::Generate(dir.File("no/such/folder")));
}

TEST_CASE("a key file is 64 digits or 32 bytes and nothing else", "[proto]") {
  TempDir dir;
  const std::string hex(64, 'a');
  const std::string raw(32, static_cast<char>(0xaa));
  for (const auto& good : {hex, hex + "\n", std::string(64, 'A'), raw}) {
    auto key = Key::Load(dir.Write(good));
    REQUIRE(key);
    CHECK(key->bytes()[0] == std::byte{0xaa});
    CHECK(key->bytes()[31] == std::byte{0xaa});
  }
  for (const auto& bad :
       {std::string(), hex + "\n\n", hex + "a", hex.substr(1), hex + "a\n",
        hex.substr(1) + "\n", std::string(64, 'g'), raw + raw + raw, raw + "x",
        raw.substr(1)}) {
    auto key = Key::Load(dir.Write(bad));
    REQUIRE_FALSE(key);
    CHECK(key.error().code == ErrorCode::kInvalid);
  }
}

TEST_CASE("a key file that others can reach is refused", "[proto]") {
  TempDir dir;
  const std::string hex(64, 'a');
  for (mode_t mode : {0600U, 0400U}) {
    CHECK(Key::Load(dir.Write(hex, mode)));
  }
  for (mode_t mode : {0640U, 0604U, 0620U, 0610U, 0601U, 0666U}) {
    auto path = dir.Write(hex, mode);
    auto key = Key::Load(path);
    REQUIRE_FALSE(key);
    CHECK(key.error().code == ErrorCode::kDenied);
    CHECK_THAT(key.error().message, Catch::Contains("chmod 600 " + path));
  }
}

TEST_CASE("what is not a file of ours is refused as a key", "[proto]") {
  TempDir dir;
  CHECK(Key::Load(dir.File("missing")).error().sys_errno == ENOENT);
  REQUIRE(::mkfifo(dir.File("fifo").c_str(), 0600) == 0);
  CHECK(Key::Load(dir.File("fifo")).error().code == ErrorCode::kInvalid);
  CHECK_FALSE(Key::Load("/"));
  if (::geteuid() == 0) {
    auto path = dir.Write(std::string(64, 'a'));
    REQUIRE(::chown(path.c_str(), 12345, 0) == 0);
    auto key = Key::Load(path);
    REQUIRE_FALSE(key);
    CHECK(key.error().code == ErrorCode::kDenied);
    CHECK_THAT(key.error().message, Catch::Contains("belongs to user 12345"));
  }
}

TEST_CASE("keys move, copy on demand and differ at random", "[proto]") {
  auto key = Key::Random();
  REQUIRE(key);
  CHECK_FALSE(Same(*key, *Key::Random()));
  Key copy = key->Copy();
  CHECK(Same(copy, *key));
  Key moved = std::move(*key);
  CHECK(Same(copy, moved));
  CHECK(std::ranges::all_of(key->bytes(),  // NOLINT: that it is wiped
                            [](std::byte b) { return b == std::byte{0}; }));
}

TEST_CASE("derived keys depend on the key and the label", "[proto]") {
  Key a = test::TestKey(1);
  CHECK(Same(a.Derive("x"), a.Derive("x")));
  CHECK_FALSE(Same(a.Derive("x"), a.Derive("y")));
  CHECK_FALSE(Same(a.Derive("x"), a.Derive("")));
  CHECK_FALSE(Same(a.Derive("x"), a));
  CHECK_FALSE(Same(a.Derive("x"), test::TestKey(2).Derive("x")));
}

TEST_CASE("HKDF is that of RFC 5869, test case 1", "[proto]") {
  auto secret = Filled<22>(0x0b, 0);
  auto salt = Filled<13>(0x00, 1);
  auto info = Filled<10>(0xf0, 1);
  std::array<std::byte, 42> out{};
  Hkdf(secret, salt, info, out);
  std::string hex;
  for (std::byte byte : out) {
    hex += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  }
  CHECK(hex ==
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
        "34007208d5b887185865");
}

}  // namespace
}  // namespace ssi::proto
