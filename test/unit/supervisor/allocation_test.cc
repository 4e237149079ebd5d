// A forwarded call asks for no memory once its buffers have grown.
#include <sys/syscall.h>

#include <cstdlib>
#include <new>

#include <catch2/catch.hpp>

#include "supervisor/args.h"
#include "unit/supervisor/fake_memory.h"

namespace {
std::size_t allocations = 0;
}  // namespace

void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) {
    return memory;
  }
  throw std::bad_alloc();
}
void* operator new[](std::size_t size) {
  return operator new(size);
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(size);
}
void* operator new[](std::size_t size, const std::nothrow_t& tag) noexcept {
  return operator new(size, tag);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace ssi::supervisor {
namespace {

constexpr std::uint64_t kAt = 0x10000;

struct BothSides {
  BothSides() : window(kMaxWindow) {}

  bool Call(int nr, const CallArgs& args, std::int64_t result) {
    MarshalIn(*FindCall(nr), args, memory, request);
    wire.Clear();
    Encode(request, wire);
    auto view = DecodeRequest(wire.bytes());
    auto call = LayOut(view.value(), window, RemoteAddr{0x7000'0000'0000});
    Collect(call.value(), result, window, kRegularFile, reply);
    wire.Clear();
    Encode(reply, wire);
    auto back = DecodeReply(wire.bytes());
    return MarshalOut(request, back.value(), memory)->value == result;
  }

  FakeMemory memory;
  CallRequest request;
  CallReply reply;
  ByteBuffer wire;
  std::vector<std::byte> window;
};

TEST_CASE("calls in steady state ask for no memory", "[marshal]") {
  BothSides both;
  both.memory.Map(kAt, 65536);
  both.memory.Put(kAt, std::string_view("/a/path\0", 8));
  std::array<std::uint64_t, 4> iovecs{kAt + 4096, 100, kAt + 8192, 9000};
  both.memory.PutValue(kAt + 64, iovecs);
  bool right = true;
  auto one_of_each = [&] {
    right = right && both.Call(SYS_openat, {1, kAt, 0, 0}, 5);
    right = right && both.Call(SYS_write, {1, kAt, 30000}, 30000);
    right = right && both.Call(SYS_read, {1, kAt + 4096, 30000}, 20000);
    right = right && both.Call(SYS_readv, {1, kAt + 64, 2}, 9100);
    right = right && both.Call(SYS_writev, {1, kAt + 64, 2}, 9100);
    right = right && both.Call(SYS_newfstatat, {1, kAt, kAt + 4096, 0}, 0);
    right = right && both.Call(SYS_poll, {kAt + 4096, 3, 0}, 0);
  };
  one_of_each();
  one_of_each();
  std::size_t before = allocations;
  for (int i = 0; i < 20; ++i) {
    one_of_each();
  }
  std::size_t after = allocations;
  CHECK(after == before);
  CHECK(right);
}

}  // namespace
}  // namespace ssi::supervisor
