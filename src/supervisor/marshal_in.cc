// The away side before the call: guest memory into a request.
#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "supervisor/args.h"
#include "supervisor/iovec.h"
#include "supervisor/option_args.h"
#include "supervisor/request_builder.h"

namespace ssi::supervisor {

namespace {

constexpr std::uint64_t kPage = 4096;
// TASK_SIZE_MAX with four and with five levels of page tables.
constexpr std::uint64_t kUserEnd = (std::uint64_t{1} << 47) - kPage;
constexpr std::uint64_t kLargeUserEnd = (std::uint64_t{1} << 56) - kPage;

}  // namespace

// As the kernel's access_ok: what fails this is EFAULT before anything was
// read or written, even for 0 bytes. Above 47 bits only a kernel with five
// levels of page tables has anything, and only where a program asked for it:
// such an address is believed where it can be read.
bool RequestBuilder::IsUserRange(std::uint64_t address, std::uint64_t length) {
  if (address <= kUserEnd && length <= kUserEnd - address) {
    return true;
  }
  return address > kUserEnd && address <= kLargeUserEnd &&
         length <= kLargeUserEnd - address &&
         ReadValue<std::byte>(address).has_value();
}

void RequestBuilder::Start(const CallRow& row, const CallArgs& args) {
  request_.row = &row;
  request_.args = args;
  request_.head.nr = static_cast<std::uint32_t>(row.nr);
  request_.head.buffer_count = 0;
  request_.data.Clear();
  request_.ranges.clear();
  request_.pieces = PieceCursor();
}

void RequestBuilder::Entry(std::size_t index, Direction direction,
                           std::uint64_t length, std::uint64_t readable,
                           std::uint8_t part) {
  std::size_t at = request_.head.buffer_count++;
  SSI_CHECK(at < kMaxBuffers, "call {}", request_.row->name);
  request_.head.buffers[at] = {static_cast<std::uint8_t>(index), part,
                               direction, 0,
                               static_cast<std::uint32_t>(length)};
  request_.guest[at] = RemoteAddr{Pointer(index)};
  request_.readable[at] = static_cast<std::uint32_t>(readable);
  request_.offset[at] = static_cast<std::uint32_t>(
      request_.data.size() - (GoesIn(direction) ? length : 0));
  if (part == 0) {
    request_.head.args[index] = kInBuffer;
  }
}

std::uint64_t RequestBuilder::Take(std::uint64_t address, std::uint64_t length,
                                   std::byte filler) {
  std::span<std::byte> into = request_.data.Append(length);
  std::size_t got = length == 0 ? 0 : memory_.Read(RemoteAddr{address}, into);
  std::ranges::fill(into.subspan(got), filler);
  return got;
}

void RequestBuilder::TakeEntry(std::size_t index, Direction direction,
                               std::uint64_t length, std::uint64_t least,
                               std::byte filler) {
  std::size_t before = request_.data.size();
  std::uint64_t got = Take(Pointer(index), length, filler);
  if (got < least || !IsUserRange(Pointer(index), length)) {
    request_.data.Shrink(before);
    return Poison(index);
  }
  Entry(index, direction, length, got);
}

void RequestBuilder::Poison(std::size_t index) {
  bool user = IsUserRange(Pointer(index), 0);
  request_.head.args[index] = user ? kUnmapped : kPoison;
}

void RequestBuilder::AddAll() {
  const CallRow& row = *request_.row;
  request_.head.args = request_.args;
  std::array<Arg, 6> args;
  for (std::size_t i = 0; i < args.size(); ++i) {
    args[i] = ResolveArg(row, i, request_.args);
  }
  for (std::size_t i = 0; i < args.size(); ++i) {
    Add(i, args[i]);
  }
  // What depends on the bytes of another argument.
  for (std::size_t i = 0; i < args.size(); ++i) {
    AddSecond(i, args[i]);
  }
}

void RequestBuilder::Add(std::size_t index, const Arg& arg) {
  switch (arg.kind) {
    case ArgKind::kNone:
      request_.head.args[index] = 0;
      return;
    case ArgKind::kInt32:
      request_.head.args[index] &= 0xffffffff;
      return;
    case ArgKind::kInt:
    case ArgKind::kFd:
    case ArgKind::kDirFd:
    case ArgKind::kFlags:
    case ArgKind::kLength:
      return;
    default:
      break;
  }
  if (Pointer(index) == 0) {
    return;
  }
  switch (arg.kind) {
    case ArgKind::kPath:
    case ArgKind::kString:
      return AddText(index, arg);
    case ArgKind::kStruct:
      return AddStruct(index, arg);
    case ArgKind::kArray:
    case ArgKind::kBits:
      return AddArray(index, arg);
    case ArgKind::kData:
      return AddData(index, arg);
    case ArgKind::kVector:
      return AddVector(index, arg);
    case ArgKind::kSized:
      return AddSized(index, arg);
    case ArgKind::kHandle:
      return AddHandle(index, arg);
    case ArgKind::kSigsetPair:
      return AddSigsetPair(index);
    default:
      return;
  }
}

void RequestBuilder::AddSecond(std::size_t index, const Arg& arg) {
  if (Pointer(index) == 0) {
    return;
  }
  if (arg.kind == ArgKind::kCapData) {
    AddCapData(index);
  } else if (arg.kind == ArgKind::kCounted) {
    AddCounted(index, arg);
  }
}

void RequestBuilder::AddText(std::size_t index, const Arg& arg) {
  std::size_t before = request_.data.size();
  std::uint64_t address = Pointer(index);
  std::uint64_t length = 0;
  // To the end of each page: what follows the text need not be mapped.
  while (length < arg.limit) {
    std::uint64_t at = address + length;
    std::uint64_t want = std::min(kPage - at % kPage, arg.limit - length);
    std::span<std::byte> into = request_.data.Append(want);
    std::size_t got = memory_.Read(RemoteAddr{at}, into);
    auto text = into.first(got);
    auto nul = std::ranges::find(text, std::byte{0});
    if (nul != text.end()) {
      length += static_cast<std::uint64_t>(nul - text.begin()) + 1;
      break;
    }
    length += got;
    if (got < want) {
      request_.data.Shrink(before);
      return Poison(index);
    }
  }
  request_.data.Shrink(before + length);
  Entry(index, Direction::kIn, length, length);
}

void RequestBuilder::AddStruct(std::size_t index, const Arg& arg) {
  if (arg.direction == Direction::kOut) {
    if (!IsUserRange(Pointer(index), arg.size)) {
      return Refuse(index);
    }
    return Entry(index, Direction::kOut, arg.size, 0);
  }
  // What the kernel changes only in part need not be there as a whole, but a
  // number in it does.
  std::uint64_t least = arg.rule == OutRule::kChanged
                            ? std::min<std::uint64_t>(arg.size, 4)
                            : arg.size;
  TakeEntry(index, arg.direction, arg.size, least, kFiller);
}

void RequestBuilder::AddArray(std::size_t index, const Arg& arg) {
  Extent extent = ExtentOf(arg, request_.args);
  request_.head.args[arg.ref] = extent.length;
  if (extent.refused || !IsUserRange(Pointer(index), extent.bytes)) {
    return Poison(index);
  }
  if (arg.direction == Direction::kOut) {
    return Entry(index, Direction::kOut, extent.bytes, 0);
  }
  // select looks at 64 descriptors at least.
  bool select = arg.kind == ArgKind::kBits && ComesOut(arg.direction);
  bool in_part = select || arg.rule == OutRule::kChanged;
  std::uint64_t least =
      in_part ? std::min<std::uint64_t>(extent.bytes, 8) : extent.bytes;
  TakeEntry(index, arg.direction, extent.bytes, least,
            select ? std::byte{0} : kFiller);
}

void RequestBuilder::AddData(std::size_t index, const Arg& arg) {
  std::uint64_t length = request_.args[arg.ref];
  std::uint64_t address = Pointer(index);
  if (!IsUserRange(address, length)) {
    return Refuse(index);
  }
  request_.ranges.push_back(
      {RemoteAddr{address}, std::min(length, kMaxRwCount)});
  request_.pieces = PieceCursor(length, arg.direction);
  if (!AddPiece(index, arg)) {
    Poison(index);
  }
}

// The kernel's order: too many (EINVAL); then one iovec after the other, each
// unreadable (EFAULT) or of negative length (EINVAL); then the addresses
// (EFAULT).
void RequestBuilder::AddVector(std::size_t index, const Arg& arg) {
  auto count = static_cast<std::uint32_t>(request_.args[arg.ref]);
  if (count > kMaxVectors) {
    return Poison(index);
  }
  if (count == 0) {
    request_.head.args[index] = 0;
    return;
  }
  std::size_t read =
      ReadVectors(memory_, RemoteAddr{Pointer(index)}, count, request_.ranges);
  std::uint64_t total = 0;
  bool in_user_space = true;
  for (GuestRange& range : request_.ranges) {
    if (range.length > static_cast<std::uint64_t>(INT64_MAX)) {
      request_.ranges.clear();
      request_.head.args[arg.ref] = kMaxVectors + 1;  // EINVAL at home as well
      return Poison(index);
    }
    // A single iovec is cut to MAX_RW_COUNT before its address is judged, one
    // of several after.
    std::uint64_t judged =
        count == 1 ? std::min(range.length, kMaxRwCount) : range.length;
    in_user_space = in_user_space && IsUserRange(Raw(range.address), judged);
    range.length = std::min(range.length, kMaxRwCount - total);
    total += range.length;
  }
  if (read < count || !in_user_space) {
    request_.ranges.clear();
    return Poison(index);
  }
  request_.pieces = PieceCursor(total, arg.direction);
  if (!AddPiece(index, arg)) {
    request_.head.args[index] = kBadVector;
    request_.head.args[arg.ref] = request_.pieces.Next();
  }
}

bool RequestBuilder::AddPiece(std::size_t index, const Arg& arg) {
  std::uint64_t offset = request_.pieces.done();
  std::uint64_t length = request_.pieces.Next();
  if (arg.direction == Direction::kIn && length > 0) {
    SliceRanges(request_.ranges, offset, length, request_.slice);
    std::size_t before = request_.data.size();
    std::size_t got =
        memory_.ReadAll(request_.slice, request_.data.Append(length));
    request_.data.Shrink(before + got);
    length = got;
    if (got == 0) {
      return false;
    }
  }
  if (request_.row->Has(kPositioned)) {
    bool own_offset = request_.row->Has(kPositionMinusOne) &&
                      request_.args[3] == ~std::uint64_t{0};
    request_.head.args[3] = request_.args[3] + (own_offset ? 0 : offset);
  }
  request_.head.args[arg.ref] = arg.kind == ArgKind::kVector ? 1 : length;
  Entry(index, arg.direction, length, length);
  return true;
}

void MarshalIn(const CallRow& row, const CallArgs& args, GuestMemory& memory,
               CallRequest& request) {
  RequestBuilder builder(memory, request);
  builder.Start(row, args);
  builder.AddAll();
}

bool MarshalNext(CallRequest& request, GuestMemory& memory) {
  RequestBuilder builder(memory, request);
  request.head.buffer_count = 0;
  request.data.Clear();
  for (std::size_t i = 0; i < request.args.size(); ++i) {
    const Arg& arg = request.row->args[i];
    if (arg.overlong == Overlong::kPieces) {
      return builder.AddPiece(i, arg);
    }
  }
  return false;
}

CallClass ReclassifyMarshalled(const CallRequest& request,
                               CallClass call_class) {
  constexpr int kSchedSetattr = 314;
  if (request.row->nr != kSchedSetattr || request.head.buffer_count == 0) {
    return call_class;
  }
  // struct sched_attr: u32 size, u32 policy.
  std::uint32_t policy = 0;
  auto bytes = request.data.bytes();
  if (bytes.size() >= 8) {
    std::memcpy(&policy, bytes.data() + 4, sizeof(policy));
  }
  bool real_time = policy == 1 || policy == 2 || policy == 6;
  return real_time ? CallClass::kComeHome : call_class;
}

}  // namespace ssi::supervisor
