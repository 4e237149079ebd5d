// What goes into a request and what comes out of a reply, without a kernel.
#include <sys/syscall.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>
#include <random>
#include <string>

#include <catch2/catch.hpp>

#include "supervisor/args.h"
#include "unit/supervisor/fake_memory.h"

namespace ssi::supervisor {
namespace {

constexpr std::uint64_t kAt = 0x10000;

struct Fixture {
  void In(int nr, const CallArgs& args) {
    MarshalIn(*FindCall(nr), args, memory, request);
  }
  // A reply with one buffer for argument `arg`.
  Result<CallResult> Out(std::int64_t result, std::uint8_t arg,
                         std::span<const std::byte> bytes,
                         std::uint8_t flags = 0) {
    ReplyView reply;
    reply.head.result = result;
    reply.head.flags = flags;
    reply.head.buffer_count = 1;
    reply.head.buffers[0] = {arg, 0, Direction::kOut, 0,
                             static_cast<std::uint32_t>(bytes.size())};
    reply.data = bytes;
    return MarshalOut(request, reply, memory);
  }
  Result<CallResult> Out(std::int64_t result) {
    ReplyView reply;
    reply.head.result = result;
    return MarshalOut(request, reply, memory);
  }

  FakeMemory memory;
  CallRequest request;
};

std::vector<std::byte> Bytes(std::size_t size, int value = 7) {
  return std::vector<std::byte>(size, static_cast<std::byte>(value));
}

TEST_CASE("a path goes as text, whatever is behind it", "[marshal]") {
  Fixture f;
  f.memory.Map(kAt, 4096);
  f.memory.Put(kAt + 4090, std::string_view("a/b\0", 4));
  f.In(SYS_open, {kAt + 4090, 0x7, 0x1a4, 99, 98, 97});
  const RequestHead& head = f.request.head;
  CHECK(head.nr == SYS_open);
  CHECK(head.args == CallArgs{kInBuffer, 7, 0x1a4, 0, 0, 0});
  REQUIRE(head.buffer_count == 1);
  CHECK(head.buffers[0] == BufferEntry{0, 0, Direction::kIn, 0, 4});
  CHECK(std::memcmp(f.request.data.bytes().data(), "a/b", 4) == 0);
}

TEST_CASE("a path that cannot be read is poison, NULL is NULL", "[marshal]") {
  Fixture f;
  f.memory.Map(kAt, 4096);
  f.memory.Put(kAt + 4094, "ab");
  f.In(SYS_rename, {kAt + 4094, 0});
  CHECK(f.request.head.args[0] == kUnmapped);
  CHECK(f.request.head.args[1] == 0);
  CHECK(f.request.head.buffer_count == 0);
  CHECK(f.request.data.size() == 0);
}

TEST_CASE("a path without an end goes as PATH_MAX bytes", "[marshal]") {
  Fixture f;
  f.memory.Map(kAt, 8192);
  f.memory.Put(kAt, std::string(8192, 'x'));
  f.In(SYS_chdir, {kAt + 100});
  REQUIRE(f.request.head.buffer_count == 1);
  CHECK(f.request.head.buffers[0].length == kMaxPath);
}

TEST_CASE("a write sends the readable prefix", "[marshal]") {
  Fixture f;
  f.memory.Map(kAt, 1000);
  f.In(SYS_write, {1, kAt, 5000});
  CHECK(f.request.head.args[2] == 1000);
  CHECK(f.request.data.size() == 1000);
  CHECK(f.Out(1000)->value == 1000);
  f.In(SYS_write, {1, kAt + 1000, 5000});
  CHECK(f.request.head.args[1] == kUnmapped);
  CHECK(f.request.head.args[2] == 5000);
  f.In(SYS_write, {1, std::uint64_t{1} << 63, 5000});
  CHECK(f.request.head.args[1] == kPoison);
}

TEST_CASE("a large write goes on while it is full", "[marshal]") {
  Fixture f;
  f.memory.Map(kAt, 3 * kMaxCallData);
  f.In(SYS_pwrite64, {1, kAt, 2 * kMaxCallData + 5, 100});
  CHECK(f.request.data.size() == kMaxCallData);
  CHECK(f.Out(kMaxCallData)->more);
  REQUIRE(MarshalNext(f.request, f.memory));
  CHECK(f.request.head.args[3] == 100 + kMaxCallData);
  CHECK(f.Out(kMaxCallData)->more);
  REQUIRE(MarshalNext(f.request, f.memory));
  CHECK(f.request.data.size() == 5);
  auto last = f.Out(5);
  CHECK_FALSE(last->more);
  CHECK(last->value == 2 * kMaxCallData + 5);
}

TEST_CASE("a large write ends where its memory does", "[marshal]") {
  Fixture f;
  f.memory.Map(kAt, kMaxCallData);
  f.In(SYS_write, {1, kAt, 2 * kMaxCallData});
  auto first = f.Out(kMaxCallData);
  CHECK(first->more);
  CHECK_FALSE(MarshalNext(f.request, f.memory));
  CHECK(first->value == kMaxCallData);
}

TEST_CASE("a read that cannot be stored is taken back", "[marshal]") {
  Fixture f;
  f.memory.Map(kAt, 100, FakeMemory::Access::kReadOnly);
  f.memory.Map(kAt + 200, 30);
  f.In(SYS_read, {5, kAt, 50});
  auto lost = f.Out(50, 1, Bytes(50));
  REQUIRE(lost);
  CHECK(lost->value == -EFAULT);
  CHECK(lost->undo == UndoHint{UndoHint::Kind::kSeekBack, 5, -1, 50});
  f.In(SYS_read, {5, kAt + 200, 50});
  auto part = f.Out(50, 1, Bytes(50));
  CHECK(part->value == 30);
  CHECK(part->undo.bytes == 20);
  CHECK(f.memory.Get(kAt + 200, 30) == Bytes(30));
}

TEST_CASE("readv scatters, and reads its iovecs once", "[marshal]") {
  Fixture f;
  f.memory.Map(kAt, 4096);
  std::array<std::uint64_t, 6> iovecs{kAt + 1000, 3,          kAt + 2000,
                                      0,          kAt + 3000, 10};
  f.memory.PutValue(kAt, iovecs);
  f.In(SYS_readv, {5, kAt, 3});
  CHECK(f.memory.reads == 1);
  CHECK(f.request.head.buffers[0].length == 13);
  f.memory.PutValue(kAt, std::array<std::uint64_t, 6>{});  // too late
  CHECK(f.Out(8, 1, Bytes(8))->value == 8);
  CHECK(f.memory.Get(kAt + 1000, 3) == Bytes(3));
  CHECK(f.memory.Get(kAt + 3000, 6)[4] == std::byte{7});
  CHECK(f.memory.Get(kAt + 3000, 6)[5] == std::byte{0});
}

TEST_CASE("only what home changed is written back", "[marshal]") {
  Fixture f;
  f.memory.Map(kAt, 4096, FakeMemory::Access::kReadOnly);
  // waitid wrote nothing: read-only memory is no error.
  f.In(SYS_waitid, {0, 0, kAt, 0, 0});
  CHECK(f.Out(0, 2, Bytes(128, 0))->value == 0);
  CHECK(f.Out(0, 2, Bytes(128, 1))->value == -EFAULT);
  Fixture g;
  g.memory.Map(kAt, 4096);
  g.In(SYS_waitid, {0, 0, kAt, 0, 0});
  auto info = Bytes(128, 0);
  info[4] = info[9] = std::byte{1};
  CHECK(g.Out(0, 2, info)->value == 0);
  CHECK(g.memory.bytes_written == 6);
}

TEST_CASE("a struct that cannot be stored is EFAULT after the call",
          "[marshal]") {
  Fixture f;
  f.In(SYS_fstat, {5, kAt});
  CHECK(f.Out(0, 1, Bytes(144))->value == -EFAULT);
  CHECK(f.Out(-EBADF)->value == -EBADF);
  f.In(SYS_pipe, {kAt});
  std::array<int, 2> fds{8, 9};
  auto result = f.Out(0, 0, std::as_bytes(std::span(fds)));
  CHECK(result->value == -EFAULT);
  CHECK(result->undo == UndoHint{UndoHint::Kind::kClosePair, 8, 9, 0});
}

TEST_CASE("a reply that does not belong is refused unwritten", "[marshal]") {
  Fixture f;
  f.memory.Map(kAt, 4096);
  f.In(SYS_read, {5, kAt, 50});
  CHECK_FALSE(f.Out(50, 0, Bytes(50)));  // another argument
  CHECK_FALSE(f.Out(51, 1, Bytes(51)));  // more than there is room for
  CHECK_FALSE(f.Out(51, 1, Bytes(50)));
  CHECK_FALSE(f.Out(50, 1, Bytes(49)));  // fewer than it says
  CHECK_FALSE(f.Out(50));
  CHECK(f.memory.bytes_written == 0);
  f.In(SYS_write, {5, kAt, 50});
  CHECK_FALSE(f.Out(51));
  CHECK_FALSE(f.Out(10, 1, Bytes(10)));  // a write brings nothing
  f.In(SYS_uname, {kAt});
  ReplyView twice;
  twice.head.buffer_count = 2;
  twice.head.buffers[0] = twice.head.buffers[1] = {0, 0, Direction::kOut, 0, 4};
  auto bytes = Bytes(8);
  twice.data = bytes;
  CHECK_FALSE(MarshalOut(f.request, twice, f.memory));
  CHECK(f.memory.bytes_written == 0);
}

TEST_CASE("a request is reused without asking for memory", "[marshal]") {
  Fixture f;
  f.memory.Map(kAt, 100000);
  f.In(SYS_write, {1, kAt, 60000});
  const std::byte* data = f.request.data.bytes().data();
  for (int i = 0; i < 100; ++i) {
    f.In(SYS_write, {1, kAt, 60000});
    f.In(SYS_open, {kAt, 0, 0});
  }
  CHECK(f.request.data.bytes().data() == data);
}

// Any call with any arguments makes a request that home accepts.
TEST_CASE("whatever a guest passes, home can lay it out", "[marshal]") {
  std::mt19937_64 random(11);
  Fixture f;
  f.memory.Map(kAt, 6000);
  f.memory.Map(kAt + 8192, 4096, FakeMemory::Access::kReadOnly);
  for (std::uint64_t i = 0; i < 6000; ++i) {
    f.memory.PutValue(kAt + i, static_cast<std::uint8_t>(random() % 9));
  }
  std::vector<std::byte> window(kMaxWindow);
  int forwarded = 0;
  for (int i = 0; i < 60000; ++i) {
    auto nr = static_cast<int>(random() % 470);
    CallArgs args{};
    for (std::uint64_t& arg : args) {
      switch (random() % 4) {
        case 0:
          arg = kAt + random() % 13000;
          break;
        case 1:
          arg = random() % 300;
          break;
        case 2:
          arg = random() >> (random() % 64);
          break;
        default:
          arg = 0;
      }
    }
    const CallRow* row = FindCall(nr);
    if (row != nullptr && !row->rules.empty() && random() % 4 != 0) {
      const ArgRule& rule = row->rules[random() % row->rules.size()];
      args[rule.arg] = rule.value;
    }
    if (!IsForwarded(Decide(nr, args))) {
      continue;
    }
    ++forwarded;
    f.In(nr, args);
    ByteBuffer wire;
    Encode(f.request, wire);
    auto view = DecodeRequest(wire.bytes());
    REQUIRE(view);
    auto call = LayOut(*view, window, RemoteAddr{0x7000'0000'0000});
    INFO(row->name << ": " << (call ? "" : call.error().message));
    REQUIRE(call);
  }
  CHECK(forwarded > 10000);
}

}  // namespace
}  // namespace ssi::supervisor
