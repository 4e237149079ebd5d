// Reads, writes and their vectors against the kernel.
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "base/unique_fd.h"
#include "unit/supervisor/round_trip.h"

namespace ssi::supervisor {
namespace {

std::vector<unsigned char> Pattern(std::size_t size, unsigned seed = 1) {
  std::vector<unsigned char> bytes(size);
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<unsigned char>((i * 2654435761U + seed) >> 7);
  }
  return bytes;
}

UniqueFd FileWith(const std::vector<unsigned char>& bytes) {
  UniqueFd fd = MakeMemFd("data").value();
  REQUIRE(WriteAll(fd.get(), bytes.data(), bytes.size()));
  REQUIRE(::lseek(fd.get(), 0, SEEK_SET) == 0);
  return fd;
}

TEST_CASE("read and write small and large", "[round]") {
  RoundTrip call;
  for (std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{4096}, kMaxCallData - 1,
        kMaxCallData, kMaxCallData + 1, 3 * kMaxCallData + 777}) {
    std::vector<unsigned char> out = Pattern(size);
    UniqueFd fd = MakeMemFd("data").value();
    CHECK(call(SYS_write, fd.get(), out.data(), size) ==
          static_cast<std::int64_t>(size));
    CHECK(call.pieces == static_cast<int>(std::max<std::size_t>(
                             1, (size + kMaxCallData - 1) / kMaxCallData)));
    CHECK(call(SYS_lseek, fd.get(), 0, SEEK_SET) == 0);
    std::vector<unsigned char> in(size + 5000);
    CHECK(call(SYS_read, fd.get(), in.data(), in.size()) ==
          static_cast<std::int64_t>(size));
    in.resize(size);
    CHECK(in == out);
    CHECK(call(SYS_read, fd.get(), in.data(), std::size_t{10}) == 0);
  }
}

TEST_CASE("pread and pwrite keep their positions over pieces", "[round]") {
  RoundTrip call;
  std::vector<unsigned char> bytes = Pattern(2 * kMaxCallData + 99);
  UniqueFd fd = MakeMemFd("data").value();
  auto size = static_cast<std::int64_t>(bytes.size());
  CHECK(call(SYS_pwrite64, fd.get(), bytes.data(), bytes.size(), 1000) == size);
  CHECK(::lseek(fd.get(), 0, SEEK_CUR) == 0);
  std::vector<unsigned char> in(bytes.size());
  CHECK(call(SYS_pread64, fd.get(), in.data(), in.size(), 1000) == size);
  CHECK(call.pieces == 3);
  CHECK(in == bytes);
}

TEST_CASE("vectors are one read or write", "[round]") {
  RoundTrip call;
  std::vector<unsigned char> bytes = Pattern(kMaxCallData + 5000);
  std::array<iovec, 4> parts{
      {{bytes.data(), 3},
       {nullptr, 0},
       {bytes.data() + 3, kMaxCallData - 50},
       {bytes.data() + 3 + kMaxCallData - 50, 5000 - 3 + 50}}};
  UniqueFd fd = MakeMemFd("data").value();
  auto size = static_cast<std::int64_t>(bytes.size());
  CHECK(call(SYS_writev, fd.get(), parts.data(), 4) == size);
  CHECK(call.pieces == 2);
  for (int nr : {SYS_readv, SYS_preadv, SYS_preadv2}) {
    std::vector<unsigned char> in(bytes.size());
    std::array<iovec, 3> into{{{in.data(), 100},
                               {in.data() + 100, kMaxCallData},
                               {in.data() + 100 + kMaxCallData, 4900}}};
    REQUIRE(::lseek(fd.get(), 0, SEEK_SET) == 0);
    CHECK(call(nr, fd.get(), into.data(), 3, 0, 0, 0) == size);
    CHECK(in == bytes);
  }
}

TEST_CASE("preadv2 with position -1 uses and moves the offset", "[round]") {
  RoundTrip call;
  UniqueFd fd = FileWith(Pattern(100));
  std::array<unsigned char, 30> in{};
  iovec part{in.data(), in.size()};
  CHECK(call(SYS_preadv2, fd.get(), &part, 1, -1, -1, 0) == 30);
  CHECK(::lseek(fd.get(), 0, SEEK_CUR) == 30);
  CHECK(call(SYS_pwritev2, fd.get(), &part, 1, -1, -1, 0) == 30);
  CHECK(::lseek(fd.get(), 0, SEEK_CUR) == 60);
}

TEST_CASE("a pipe gives what it has", "[round]") {
  RoundTrip call;
  int fds[2] = {-1, -1};
  CHECK(call(SYS_pipe2, fds, O_NONBLOCK) == 0);
  UniqueFd reader(fds[0]);
  UniqueFd writer(fds[1]);
  REQUIRE(::fcntl(writer.get(), F_SETPIPE_SZ, 1 << 20) == 1 << 20);
  std::vector<unsigned char> bytes = Pattern(3 << 20);
  CHECK(call(SYS_write, writer.get(), bytes.data(), bytes.size()) == 1 << 20);
  std::vector<unsigned char> in(3 << 20);
  // A full first piece, and no second one: it could wait.
  CHECK(call(SYS_read, reader.get(), in.data(), in.size()) ==
        static_cast<std::int64_t>(kMaxCallData));
  CHECK(call.pieces == 1);
  CHECK(call(SYS_read, reader.get(), in.data(), in.size()) == 4096);
  CHECK(call(SYS_read, reader.get(), in.data(), in.size()) == -EAGAIN);
}

// The same call natively and forwarded: same result, and errors in the same
// order.
void SameAsNative(int nr, const CallArgs& args) {
  RoundTrip call;
  std::int64_t native = RawCall(nr, args);
  std::int64_t forwarded = call.Call(nr, args);
  INFO("call " << nr << " fd " << static_cast<int>(args[0]));
  CHECK(forwarded == native);
}

TEST_CASE("bad pointers and lengths fail as natively", "[round]") {
  EdgePage edge;
  UniqueFd file = FileWith(Pattern(10000));
  UniqueFd read_only = Open("/dev/zero", O_RDONLY).value();
  auto huge = std::uint64_t{1} << 62;
  auto max_count = std::uint64_t{0x7ffff000};
  for (int fd : {file.get(), read_only.get(), 999, -1}) {
    for (std::uint64_t pointer :
         {std::uint64_t{0}, Word(edge.Bad()), std::uint64_t{1},
          std::uint64_t{0x7fff'ffff'f000}, std::uint64_t{1} << 63,
          ~std::uint64_t{0}, std::uint64_t{0xffff'8000'0000'0000}}) {
      for (std::uint64_t length :
           {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{5000}, huge,
            max_count + 1, ~std::uint64_t{0}, std::uint64_t{1} << 63}) {
        SameAsNative(SYS_write, {Word(fd), pointer, length});
        SameAsNative(SYS_pwrite64, {Word(fd), pointer, length, 0});
      }
      for (std::uint64_t count :
           {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1024},
            std::uint64_t{1025}, std::uint64_t{0xffffffff},
            ~std::uint64_t{0}}) {
        SameAsNative(SYS_writev, {Word(fd), pointer, count});
        SameAsNative(SYS_readv, {Word(fd), pointer, count});
      }
    }
  }
}

TEST_CASE("reads into nowhere fail as natively and are taken back", "[round]") {
  EdgePage edge;
  RoundTrip call;
  UniqueFd file = FileWith(Pattern(10000));
  CHECK(call(SYS_read, file.get(), edge.Bad(), 100) == -EFAULT);
  CHECK(call.undo == UndoHint{UndoHint::Kind::kSeekBack, file.get(), -1, 100});
  // What home does with the hint.
  REQUIRE(::lseek(file.get(), -call.undo.bytes, SEEK_CUR) == 0);
  CHECK(call(SYS_read, file.get(), edge.Last(40), 100) == 40);
  CHECK(call.undo.bytes == 60);
  CHECK(call(SYS_pread64, file.get(), edge.Bad(), 100, 0) == -EFAULT);
  CHECK(call.undo.kind == UndoHint::Kind::kNone);
  CHECK(call(SYS_read, 999, edge.Bad(), 100) == -EBADF);
  for (std::uint64_t length : {~std::uint64_t{0}, std::uint64_t{1} << 63}) {
    SameAsNative(SYS_read, {Word(file.get()), Word(edge.Last(8)), length});
    SameAsNative(SYS_read, {Word(999), Word(edge.Last(8)), length});
  }
}

TEST_CASE("a write from memory that ends is short", "[round]") {
  EdgePage edge;
  RoundTrip call;
  UniqueFd file = MakeMemFd("data").value();
  CHECK(call(SYS_write, file.get(), edge.Last(40), 100) == 40);
  std::array<iovec, 2> parts{
      {{edge.Last(10), 10}, {edge.Last(5), std::size_t{50}}}};
  CHECK(call(SYS_writev, file.get(), parts.data(), 2) == 15);
  std::array<iovec, 2> bad{{{edge.Bad(), 10}, {edge.Last(5), 5}}};
  CHECK(call(SYS_writev, file.get(), bad.data(), 2) == -EFAULT);
  CHECK(::lseek(file.get(), 0, SEEK_CUR) == 55);
}

TEST_CASE("iovec arrays are judged as the kernel judges them", "[round]") {
  EdgePage edge;
  std::array<char, 16> bytes{};
  UniqueFd file = MakeMemFd("data").value();
  std::array<iovec, 2> negative{
      {{bytes.data(), 4}, {bytes.data(), ~std::size_t{0}}}};
  std::array<iovec, 2> outside{
      {{bytes.data(), 4}, {reinterpret_cast<void*>(~std::uintptr_t{0}), 4}}};
  std::array<iovec, 2> both{{{reinterpret_cast<void*>(~std::uintptr_t{0}), 4},
                             {bytes.data(), ~std::size_t{0}}}};
  for (const auto& vectors : {negative, outside, both}) {
    for (int fd : {file.get(), 999}) {
      SameAsNative(SYS_writev, {Word(fd), Word(vectors.data()), 2});
      SameAsNative(SYS_readv, {Word(fd), Word(vectors.data()), 2});
    }
  }
  // The array itself is cut off.
  auto* cut = reinterpret_cast<iovec*>(edge.Last(sizeof(iovec)));
  *cut = {bytes.data(), 4};
  SameAsNative(SYS_writev, {Word(file.get()), Word(cut), 2});
  SameAsNative(SYS_writev, {Word(file.get()), Word(cut), 1});
}

TEST_CASE("O_DIRECT works from a window", "[round]") {
  TempDir dir("/var/tmp");  // /tmp may be a tmpfs
  std::string path = dir / "direct";
  int raw = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_DIRECT, 0600);
  if (raw < 0) {
    WARN("no O_DIRECT here");
    return;
  }
  UniqueFd fd(raw);
  RoundTrip call;
  auto* page = static_cast<unsigned char*>(std::aligned_alloc(4096, 8192));
  std::memset(page, 7, 8192);
  CHECK(call(SYS_write, fd.get(), page, 8192) == 8192);
  CHECK(call(SYS_pread64, fd.get(), page, 8192, 0) == 8192);
  iovec part{page, 8192};
  CHECK(call(SYS_preadv, fd.get(), &part, 1, 0) == 8192);
  std::free(page);
}

}  // namespace
}  // namespace ssi::supervisor
