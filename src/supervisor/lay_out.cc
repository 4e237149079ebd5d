// The home side: a request into the window, and the reply out of it.
#include <algorithm>
#include <cstring>
#include <optional>

#include "base/check.h"
#include "supervisor/args.h"
#include "supervisor/iovec.h"
#include "supervisor/option_args.h"

namespace ssi::supervisor {

namespace {

constexpr std::size_t kAlign = 16;
constexpr std::size_t kDataAlign = 4096;  // for O_DIRECT
constexpr std::size_t kDirectLeast = 512;
// A driver may take a request number for another one with a larger struct.
constexpr std::size_t kStructRoom = 256;

class Layout {
 public:
  Layout(const RequestView& request, std::span<std::byte> window,
         RemoteAddr address)
      : request_(request), window_(window), address_(Raw(address)) {}

  Result<LaidOutCall> Run();

 private:
  Status Place(std::size_t index, const Arg& arg);
  Status PlaceVector(std::size_t index, const Arg& arg, std::size_t entry);
  Status PlaceBadVector(std::size_t index, const Arg& arg);
  Status PlaceSigsetPair(std::size_t index, std::size_t entry);
  Status CheckLength(const Arg& arg, const BufferEntry& entry,
                     std::span<const std::byte> bytes) const;
  Status CheckText(const Arg& arg, std::span<const std::byte> bytes) const;
  Status CheckCounted(const Arg& arg, const BufferEntry& entry) const;
  static std::size_t RoomFor(const Arg& arg, std::size_t length);

  // Takes `room` bytes of the window, cleared, at the next multiple of
  // `align` of the address.
  Result<std::uint32_t> Reserve(std::size_t room, std::size_t align,
                                bool clear);
  // Records the buffer and copies in what goes in.
  Result<std::uint64_t> Fill(std::size_t entry, std::size_t room,
                             std::size_t align, const Arg& arg);
  std::optional<std::size_t> Find(std::size_t index, std::uint8_t part) const;
  std::span<const std::byte> BytesOf(std::size_t entry) const;
  [[nodiscard]] std::unexpected<Error> Refuse(std::size_t index) const {
    return Fail(ErrorCode::kProtocol, "argument {} of {} is not allowed", index,
                call_.row->name);
  }

  const RequestView& request_;
  std::span<std::byte> window_;
  std::uint64_t address_;
  std::size_t used_ = 0;
  std::size_t consumed_ = 0;  // entries that belong to an argument
  LaidOutCall call_;
};

std::optional<std::size_t> Layout::Find(std::size_t index,
                                        std::uint8_t part) const {
  auto entries = request_.head.Buffers();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].arg == index && entries[i].part == part) {
      return i;
    }
  }
  return std::nullopt;
}

std::span<const std::byte> Layout::BytesOf(std::size_t entry) const {
  auto entries = request_.head.Buffers();
  std::size_t offset = 0;
  for (const BufferEntry& before : entries.first(entry)) {
    offset += GoesIn(before.direction) ? before.length : 0;
  }
  bool in = GoesIn(entries[entry].direction);
  return request_.data.subspan(offset, in ? entries[entry].length : 0);
}

Result<std::uint32_t> Layout::Reserve(std::size_t room, std::size_t align,
                                      bool clear) {
  std::size_t pad = (align - (address_ + used_) % align) % align;
  if (pad > window_.size() - used_ || room > window_.size() - used_ - pad) {
    return Fail(ErrorCode::kInvalid, "{} needs a larger window than {} bytes",
                call_.row->name, window_.size());
  }
  std::size_t at = used_ + pad;
  used_ = at + room;
  if (clear) {
    std::ranges::fill(window_.subspan(at, room), std::byte{0});
  }
  return static_cast<std::uint32_t>(at);
}

Result<std::uint64_t> Layout::Fill(std::size_t entry, std::size_t room,
                                   std::size_t align, const Arg& arg) {
  bool bulk = arg.overlong == Overlong::kPieces;
  auto placed = Reserve(room, align, !bulk);
  if (!placed && align > kAlign) {
    placed = Reserve(room, kAlign, !bulk);  // rather than not at all
  }
  SSI_ASSIGN(std::uint32_t at, std::move(placed));
  std::ranges::copy(BytesOf(entry), window_.subspan(at).begin());
  std::size_t i = call_.buffer_count++;
  call_.buffers[i] = request_.head.buffers[entry];
  call_.offsets[i] = at;
  call_.rules[i] = arg.rule;
  call_.units[i] = arg.size;
  ++consumed_;
  return address_ + at;
}

Status Layout::CheckText(const Arg& arg,
                         std::span<const std::byte> bytes) const {
  // Ends in its only NUL, or is too long for the kernel to look for one.
  auto nul = std::ranges::find(bytes, std::byte{0});
  bool terminated = nul != bytes.end() && nul + 1 == bytes.end();
  if (bytes.size() > arg.limit ||
      (!terminated && (nul != bytes.end() || bytes.size() != arg.limit))) {
    return Fail(ErrorCode::kProtocol, "a text of {} bytes", bytes.size());
  }
  return {};
}

// The kernel believes the count in the other argument's bytes.
Status Layout::CheckCounted(const Arg& arg, const BufferEntry& entry) const {
  if (entry.length > arg.limit) {
    return Fail(ErrorCode::kProtocol, "a buffer of {} bytes", entry.length);
  }
  auto counter = Find(arg.ref, 0);
  if (!counter) {
    return {};  // NULL or bad: the kernel stops there
  }
  std::uint32_t count = 0;
  auto bytes = BytesOf(*counter);
  if (bytes.size() < sizeof(count)) {
    return Fail(ErrorCode::kProtocol, "a counter of {} bytes", bytes.size());
  }
  std::memcpy(&count, bytes.data(), sizeof(count));
  if (count > entry.length) {
    return Fail(ErrorCode::kProtocol, "{} bytes in a buffer of {}", count,
                entry.length);
  }
  return {};
}

Status Layout::CheckLength(const Arg& arg, const BufferEntry& entry,
                           std::span<const std::byte> bytes) const {
  const CallArgs& args = request_.head.args;
  bool right = false;
  switch (arg.kind) {
    case ArgKind::kPath:
    case ArgKind::kString:
      return CheckText(arg, bytes);
    case ArgKind::kStruct:
      right = entry.length == arg.size;
      break;
    case ArgKind::kArray:
    case ArgKind::kBits: {
      Extent extent = ExtentOf(arg, args);
      right = !extent.refused && entry.length == extent.bytes &&
              extent.length == args[arg.ref];
      break;
    }
    case ArgKind::kData:
      right = entry.length == args[arg.ref] && entry.length <= kMaxCallData;
      break;
    case ArgKind::kVector:
      right = entry.length <= kMaxCallData;
      break;
    case ArgKind::kSized:
      right = entry.length >= 4 && entry.length <= kMaxSized;
      break;
    case ArgKind::kHandle:
      right = entry.length >= 8 && entry.length <= kMaxHandle;
      break;
    case ArgKind::kCapData:
      right = entry.length == 12 || entry.length == 24;
      break;
    case ArgKind::kSigsetPair:
      right = entry.length == 16;
      break;
    case ArgKind::kCounted:
      return CheckCounted(arg, entry);
    default:
      break;
  }
  return right ? Status{} : Refuse(entry.arg);
}

// The most that the kernel reads or writes behind such a pointer.
std::size_t Layout::RoomFor(const Arg& arg, std::size_t length) {
  switch (arg.kind) {
    case ArgKind::kSized:
      return kMaxSized;
    case ArgKind::kHandle:
      return kMaxHandle;
    case ArgKind::kCapData:
      return 24;
    case ArgKind::kStruct:
    case ArgKind::kCounted:  // lsm_get_self_attr may look at a whole lsm_ctx
      return std::max(length, kStructRoom);
    default:
      return length;
  }
}

Status Layout::PlaceVector(std::size_t index, const Arg& arg,
                           std::size_t entry) {
  SSI_ASSIGN(std::uint32_t at, Reserve(sizeof(Iovec), kAlign, true));
  std::size_t length = request_.head.buffers[entry].length;
  SSI_ASSIGN(
      std::uint64_t data,
      Fill(entry, length, length >= kDirectLeast ? kDataAlign : kAlign, arg));
  Iovec iovec{data, length};
  std::memcpy(window_.subspan(at).data(), &iovec, sizeof(iovec));
  call_.args[index] = address_ + at;
  call_.args[arg.ref] = 1;
  return {};
}

Status Layout::PlaceBadVector(std::size_t index, const Arg& arg) {
  Iovec iovec{kUnmapped, request_.head.args[arg.ref]};
  if (iovec.length > kMaxRwCount) {
    return Refuse(index);
  }
  SSI_ASSIGN(std::uint32_t at, Reserve(sizeof(iovec), kAlign, false));
  std::memcpy(window_.subspan(at).data(), &iovec, sizeof(iovec));
  call_.args[index] = address_ + at;
  call_.args[arg.ref] = 1;
  return {};
}

Status Layout::PlaceSigsetPair(std::size_t index, std::size_t entry) {
  std::array<std::uint64_t, 2> pair{};
  std::memcpy(pair.data(), BytesOf(entry).data(), sizeof(pair));
  auto set = Find(index, 1);
  if (set.has_value() != (pair[0] == kInBuffer) ||
      (!set && pair[0] != 0 && !IsBadPointer(pair[0]))) {
    return Refuse(index);
  }
  Arg plain{.kind = ArgKind::kSigsetPair};
  SSI_ASSIGN(call_.args[index], Fill(entry, sizeof(pair), kAlign, plain));
  if (set) {
    const BufferEntry& inner = request_.head.buffers[*set];
    if (inner.direction != Direction::kIn || inner.length != kSigsetSize) {
      return Refuse(index);
    }
    SSI_ASSIGN(pair[0], Fill(*set, kSigsetSize, kAlign, plain));
    std::memcpy(window_.subspan(call_.args[index] - address_).data(),
                pair.data(), sizeof(pair));
  }
  return {};
}

Status Layout::Place(std::size_t index, const Arg& arg) {
  std::uint64_t value = request_.head.args[index];
  switch (arg.kind) {
    case ArgKind::kNone:
      call_.args[index] = 0;
      return {};
    case ArgKind::kInt32:
      call_.args[index] = value & 0xffffffff;
      return {};
    case ArgKind::kInt:
    case ArgKind::kFd:
    case ArgKind::kDirFd:
    case ArgKind::kFlags:
    case ArgKind::kLength:
      return {};  // copied, or set by the array that it counts
    default:
      break;
  }
  auto entry = Find(index, 0);
  if (!entry) {
    if (arg.kind == ArgKind::kVector && value == kBadVector) {
      return PlaceBadVector(index, arg);
    }
    return value == 0 || IsBadPointer(value) ? Status{} : Refuse(index);
  }
  const BufferEntry& buffer = request_.head.buffers[*entry];
  if (value != kInBuffer || buffer.direction != arg.direction) {
    return Refuse(index);
  }
  SSI_TRY(CheckLength(arg, buffer, BytesOf(*entry)));
  if (arg.kind == ArgKind::kVector) {
    return PlaceVector(index, arg, *entry);
  }
  if (arg.kind == ArgKind::kSigsetPair) {
    return PlaceSigsetPair(index, *entry);
  }
  bool large =
      arg.overlong == Overlong::kPieces && buffer.length >= kDirectLeast;
  SSI_ASSIGN(call_.args[index], Fill(*entry, RoomFor(arg, buffer.length),
                                     large ? kDataAlign : kAlign, arg));
  return {};
}

Result<LaidOutCall> Layout::Run() {
  const RequestHead& head = request_.head;
  int nr = head.nr > INT32_MAX ? -1 : static_cast<int>(head.nr);
  Decision decision = Decide(nr, head.args);
  if (!IsForwarded(decision)) {
    return Fail(ErrorCode::kProtocol, "call {} is not forwarded", head.nr);
  }
  call_.nr = nr;
  call_.row = decision.row;
  call_.args = head.args;
  for (std::size_t i = 0; i < head.args.size(); ++i) {
    SSI_TRY(Place(i, ResolveArg(*decision.row, i, head.args)));
  }
  if (consumed_ != head.buffer_count) {
    return Fail(ErrorCode::kProtocol, "{} buffers for {}", head.buffer_count,
                decision.row->name);
  }
  return call_;
}

std::size_t BytesBack(const LaidOutCall& call, std::size_t i,
                      std::int64_t result) {
  std::size_t length = call.buffers[i].length;
  switch (call.rules[i]) {
    case OutRule::kNone:
      return 0;
    case OutRule::kSuccess:
      return IsError(result) ? 0 : length;
    case OutRule::kPositive:
      return result > 0 ? length : 0;
    case OutRule::kResult: {
      if (result <= 0) {
        return 0;
      }
      auto units = static_cast<std::uint64_t>(result);
      return units > length / call.units[i] ? length : units * call.units[i];
    }
    case OutRule::kAlways:
    case OutRule::kChanged:
    case OutRule::kChangedQuietly:
      return length;
  }
  return 0;
}

}  // namespace

Result<LaidOutCall> LayOut(const RequestView& request,
                           std::span<std::byte> window, RemoteAddr address) {
  return Layout(request, window, address).Run();
}

void Collect(const LaidOutCall& call, std::int64_t result,
             std::span<const std::byte> window, std::uint8_t flags,
             CallReply& reply) {
  reply.head = ReplyHead{};
  reply.head.result = result;
  reply.head.flags = flags;
  for (std::size_t i = 0; i < call.buffer_count; ++i) {
    std::size_t length = BytesBack(call, i, result);
    if (!ComesOut(call.buffers[i].direction) || length == 0) {
      continue;
    }
    SSI_CHECK(call.offsets[i] + length <= window.size(), "another window");
    std::size_t at = reply.head.buffer_count++;
    reply.head.buffers[at] = call.buffers[i];
    reply.head.buffers[at].length = static_cast<std::uint32_t>(length);
    reply.parts[at] = window.subspan(call.offsets[i], length);
  }
}

}  // namespace ssi::supervisor
