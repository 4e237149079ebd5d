// Home against a peer that sends anything: no byte outside the window is
// touched, no pointer of its choice is passed, no call is made that the table
// does not forward.
#include <sys/syscall.h>

#include <cstring>
#include <random>
#include <vector>

#include <catch2/catch.hpp>

#include "supervisor/args.h"
#include "supervisor/option_args.h"

namespace ssi::supervisor {
namespace {

constexpr std::uint64_t kWindow = 0x7000'0000'0000;
constexpr std::size_t kWindowSize = 64 << 10;
constexpr std::size_t kGuard = 4096;

struct Home {
  Home() : memory(kWindowSize + 2 * kGuard, std::byte{0x5a}) {}

  Result<LaidOutCall> Lay(const RequestHead& head,
                          std::span<const std::byte> data) {
    RequestView view{head, data};
    return LayOut(view, Window(), RemoteAddr{kWindow});
  }
  std::span<std::byte> Window() {
    return std::span(memory).subspan(kGuard, kWindowSize);
  }
  bool GuardsAreWhole() const {
    for (std::size_t i = 0; i < kGuard; ++i) {
      if (memory[i] != std::byte{0x5a} ||
          memory[memory.size() - 1 - i] != std::byte{0x5a}) {
        return false;
      }
    }
    return true;
  }
  std::vector<std::byte> memory;
};

bool IsPointer(const Arg& arg) {
  switch (arg.kind) {
    case ArgKind::kNone:
    case ArgKind::kInt:
    case ArgKind::kInt32:
    case ArgKind::kFd:
    case ArgKind::kDirFd:
    case ArgKind::kFlags:
    case ArgKind::kLength:
      return false;
    default:
      return true;
  }
}

// Every pointer of an accepted call is NULL, poison or in the window, and what
// its length argument says fits behind it.
void CheckPointers(const LaidOutCall& call) {
  INFO(call.row->name);
  for (std::size_t i = 0; i < 6; ++i) {
    Arg arg = ResolveArg(*call.row, i, call.args);
    if (!IsPointer(arg)) {
      continue;
    }
    std::uint64_t value = call.args[i];
    if (value == 0 || IsBadPointer(value)) {
      continue;
    }
    REQUIRE(value >= kWindow);
    REQUIRE(value <= kWindow + kWindowSize);
    std::uint64_t room = kWindow + kWindowSize - value;
    switch (arg.kind) {
      case ArgKind::kData:
        REQUIRE(call.args[arg.ref] <= room);
        break;
      case ArgKind::kVector:
        REQUIRE(call.args[arg.ref] == 1);
        break;
      case ArgKind::kStruct:
        REQUIRE(arg.size <= room);
        break;
      case ArgKind::kArray:
      case ArgKind::kBits:
        REQUIRE(ExtentOf(arg, call.args).bytes <= room);
        break;
      case ArgKind::kSized:
        REQUIRE(kMaxSized <= room);
        break;
      case ArgKind::kHandle:
        REQUIRE(kMaxHandle <= room);
        break;
      default:
        break;
    }
  }
}

TEST_CASE("numbers that the table does not forward are refused", "[hostile]") {
  Home home;
  for (std::uint32_t nr = 0; nr < 600; ++nr) {
    const CallRow* row = FindCall(static_cast<int>(nr));
    bool forwarded = row != nullptr && row->rules.empty() &&
                     (row->call_class == CallClass::kHome ||
                      row->call_class == CallClass::kHomeKnown ||
                      row->call_class == CallClass::kBoth);
    if (row != nullptr && !row->rules.empty()) {
      continue;
    }
    RequestHead head;
    head.nr = nr;
    INFO(nr);
    CHECK(home.Lay(head, {}).has_value() == forwarded);
  }
  for (std::uint32_t nr : {0x40000000U, 0x80000000U, 0xffffffffU}) {
    RequestHead head;
    head.nr = nr;
    CHECK_FALSE(home.Lay(head, {}));
  }
  // by arguments: ptrace-like options of forwarded numbers
  RequestHead head;
  head.nr = SYS_prctl;
  head.args[0] = 22;  // PR_SET_SECCOMP
  CHECK_FALSE(home.Lay(head, {}));
  head.nr = SYS_mmap;
  head.args = {0, 4096, 1, 2, 3, 0};
  CHECK_FALSE(home.Lay(head, {}));
  head.nr = SYS_ioctl;
  head.args = {0, 0x1234, kWindow};
  CHECK_FALSE(home.Lay(head, {}));
}

TEST_CASE("pointers of the peer's choice are refused", "[hostile]") {
  Home home;
  for (std::uint64_t pointer : {kWindow, kWindow + 8, std::uint64_t{8192},
                                kInBuffer, ~std::uint64_t{0}, kPoison + 1}) {
    for (int nr : {SYS_open, SYS_read, SYS_write, SYS_readv, SYS_fstat,
                   SYS_poll, SYS_uname, SYS_getgroups, SYS_sched_setattr}) {
      RequestHead head;
      head.nr = static_cast<std::uint32_t>(nr);
      head.args = {pointer, pointer, 4, 4, 4, 4};
      INFO(nr);
      CHECK_FALSE(home.Lay(head, {}));
    }
  }
  RequestHead head;  // poison and NULL are fine
  head.nr = SYS_rename;
  head.args = {kPoison, kUnmapped};
  CHECK(home.Lay(head, {}));
}

TEST_CASE("a number never carries an unknown command's pointer", "[hostile]") {
  Home home;
  RequestHead head;
  head.nr = SYS_fcntl;
  head.args = {3, 4711, kWindow + 5};
  auto call = home.Lay(head, {});
  REQUIRE(call);
  CHECK(call->args[2] == ((kWindow + 5) & 0xffffffff));
  head.nr = SYS_getppid;
  head.args.fill(kWindow);
  call = home.Lay(head, {});
  REQUIRE(call);
  CHECK(call->args == CallArgs{});
}

TEST_CASE("lengths are the table's", "[hostile]") {
  Home home;
  std::vector<std::byte> data(5000, std::byte{'x'});
  auto lay = [&](int nr, const CallArgs& args, std::uint8_t arg,
                 Direction direction, std::uint32_t length) {
    RequestHead head;
    head.nr = static_cast<std::uint32_t>(nr);
    head.args = args;
    head.args.at(arg) = kInBuffer;
    head.buffer_count = 1;
    head.buffers[0] = {arg, 0, direction, 0, length};
    std::size_t sent = GoesIn(direction) ? length : 0;
    return home.Lay(head, std::span(data).first(sent)).has_value();
  };
  constexpr auto kIn = Direction::kIn;
  constexpr auto kOut = Direction::kOut;
  CHECK(lay(SYS_fstat, {3}, 1, kOut, 144));
  CHECK_FALSE(lay(SYS_fstat, {3}, 1, kOut, 143));
  CHECK_FALSE(lay(SYS_fstat, {3}, 1, kOut, 0));
  CHECK_FALSE(lay(SYS_fstat, {3}, 1, kIn, 144));
  CHECK_FALSE(lay(SYS_fstat, {3}, 0, kOut, 144));
  CHECK(lay(SYS_read, {3, 0, 100}, 1, kOut, 100));
  CHECK_FALSE(lay(SYS_read, {3, 0, 101}, 1, kOut, 100));
  CHECK_FALSE(lay(SYS_read, {3, 0, ~0ULL}, 1, kOut, 100));
  CHECK_FALSE(lay(SYS_getgroups, {(1U << 30) + 1}, 1, kOut, 4));
  CHECK_FALSE(lay(SYS_getgroups, {~0ULL}, 1, kOut, 4));
  CHECK_FALSE(lay(SYS_poll, {0, 2, 0}, 0, Direction::kInOut, 8));
  CHECK_FALSE(lay(SYS_chdir, {}, 0, kIn, 20));  // no NUL
  CHECK(lay(SYS_chdir, {}, 0, kIn, 4096));      // too long for one
  CHECK_FALSE(lay(SYS_chdir, {}, 0, kIn, 4097));
  CHECK_FALSE(lay(SYS_chdir, {}, 0, kIn, 0));
  data[3] = std::byte{0};
  CHECK(lay(SYS_chdir, {}, 0, kIn, 4));
  CHECK_FALSE(lay(SYS_chdir, {}, 0, kIn, 8));  // text after the NUL
}

TEST_CASE("counters behind pointers are checked", "[hostile]") {
  Home home;
  RequestHead head;
  head.nr = 461;  // lsm_list_modules(ids, size, flags)
  head.args = {kInBuffer, kInBuffer, 0};
  head.buffer_count = 2;
  head.buffers[0] = {0, 0, Direction::kInOut, 0, 16};
  head.buffers[1] = {1, 0, Direction::kInOut, 0, 4};
  std::array<std::byte, 20> data{};
  std::uint32_t size = 16;
  std::memcpy(data.data() + 16, &size, 4);
  CHECK(home.Lay(head, data));
  size = 17;
  std::memcpy(data.data() + 16, &size, 4);
  CHECK_FALSE(home.Lay(head, data));
}

TEST_CASE("pselect6's inner pointer is checked", "[hostile]") {
  Home home;
  RequestHead head;
  head.nr = SYS_pselect6;
  head.args[5] = kInBuffer;
  head.buffer_count = 1;
  head.buffers[0] = {5, 0, Direction::kIn, 0, 16};
  std::array<std::uint64_t, 2> pair{kWindow, 8};
  auto lay = [&] {
    return home.Lay(head, std::as_bytes(std::span(pair)));
  };
  CHECK_FALSE(lay());
  pair[0] = kInBuffer;
  CHECK_FALSE(lay());
  pair[0] = kPoison;
  CHECK(lay());
  pair[0] = 0;
  CHECK(lay());
}

TEST_CASE("a window that is too small is said so", "[hostile]") {
  std::vector<std::byte> small(1000);
  RequestHead head;
  head.nr = SYS_read;
  head.args = {3, kInBuffer, 2000};
  head.buffer_count = 1;
  head.buffers[0] = {1, 0, Direction::kOut, 0, 2000};
  RequestView view{head, {}};
  auto call = LayOut(view, small, RemoteAddr{kWindow});
  REQUIRE_FALSE(call);
  CHECK(call.error().code == ErrorCode::kInvalid);
}

TEST_CASE("kMaxWindow bytes are enough anywhere", "[hostile]") {
  std::vector<std::byte> window(kMaxWindow);
  RequestHead head;
  head.nr = SYS_preadv2;
  head.args = {3, kInBuffer, 1};
  head.buffer_count = 1;
  head.buffers[0] = {1, 0, Direction::kOut, 0, kMaxCallData};
  RequestView view{head, {}};
  for (std::uint64_t offset = 0; offset < 4096; offset += 7) {
    auto call = LayOut(view, window, RemoteAddr{kWindow + offset});
    REQUIRE(call);
    CHECK((offset != 0 || (kWindow + call->offsets[0]) % 4096 == 0));
  }
}

// Requests that are nearly right, from a row of the table.
RequestHead Nearly(std::mt19937_64& random, const CallRow& row) {
  RequestHead head;
  head.nr = static_cast<std::uint32_t>(row.nr);
  for (std::uint64_t& arg : head.args) {
    const std::uint64_t values[] = {
        0, kUnmapped, kBadVector, kInBuffer, kPoison,
        8, 100,       kWindow,    random(),  random() % 5000};
    arg = values[random() % std::size(values)];
  }
  if (!row.rules.empty()) {
    const ArgRule& rule = row.rules[random() % row.rules.size()];
    head.args[rule.arg] = rule.value;
  }
  for (std::uint8_t i = 0; i < 6; ++i) {
    Arg arg = ResolveArg(row, i, head.args);
    if (!IsPointer(arg) || random() % 3 == 0 || head.buffer_count >= 7) {
      continue;
    }
    head.args[i] = kInBuffer;
    Extent extent =
        arg.size > 0 && arg.limit > 0 ? ExtentOf(arg, head.args) : Extent{};
    const std::uint64_t lengths[] = {arg.size,      extent.bytes,
                                     arg.limit,     8,
                                     random() % 64, head.args[arg.ref]};
    auto length =
        static_cast<std::uint32_t>(lengths[random() % std::size(lengths)]);
    head.buffers[head.buffer_count++] = {
        i, static_cast<std::uint8_t>(random() % 16 == 0 ? 1 : 0),
        random() % 8 == 0 ? Direction::kOut : arg.direction, 0, length};
  }
  return head;
}

TEST_CASE("nearly right requests never leave the window", "[hostile]") {
  std::mt19937_64 random(23);
  Home home;
  std::vector<std::byte> data(1 << 20);
  int accepted = 0;
  for (int i = 0; i < 300000; ++i) {
    const CallRow& row = AllCalls()[random() % AllCalls().size()];
    RequestHead head = Nearly(random, row);
    std::size_t needed = 0;
    bool too_long = false;
    for (const BufferEntry& entry : head.Buffers()) {
      needed += GoesIn(entry.direction) ? entry.length : 0;
      too_long = too_long || entry.length > kMaxWindow;
    }
    if (too_long || needed > data.size()) {
      continue;
    }
    for (std::size_t at = 0; at < std::min<std::size_t>(needed, 64); ++at) {
      data[at] = static_cast<std::byte>(random() % 3);
    }
    auto call = home.Lay(head, std::span(data).first(needed));
    if (!call) {
      continue;
    }
    ++accepted;
    CheckPointers(*call);
    REQUIRE(IsForwarded(Decide(call->nr, head.args)));
    CallReply reply;
    const std::int64_t results[] = {
        0, 1, -14, 1 << 20, INT64_MAX, static_cast<std::int64_t>(random())};
    Collect(*call, results[random() % std::size(results)], home.Window(), 0,
            reply);
    ByteBuffer wire;
    Encode(reply, wire);
    REQUIRE(DecodeReply(wire.bytes()));
  }
  CHECK(home.GuardsAreWhole());
  CHECK(accepted > 10000);
}

}  // namespace
}  // namespace ssi::supervisor
