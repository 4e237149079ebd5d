// Structs that say their own size, or whose size another argument's bytes say.
#include <algorithm>
#include <array>
#include <cstring>

#include "supervisor/request_builder.h"

namespace ssi::supervisor {

namespace {

constexpr std::uint32_t kCapabilityVersion1 = 0x19980330;
constexpr std::uint32_t kSchedAttrSizeV0 = 48;
constexpr std::uint32_t kLsmContext = 32;

}  // namespace

void RequestBuilder::AddSized(std::size_t index, const Arg& arg) {
  auto size = ReadValue<std::uint32_t>(Pointer(index));
  if (!size) {
    return Poison(index);
  }
  if (*size > kMaxSized) {  // E2BIG: the kernel reads no further
    return TakeEntry(index, arg.direction, sizeof(*size), sizeof(*size));
  }
  // sched_setattr takes 0 for the struct's first version.
  std::uint32_t length =
      *size == 0 ? kSchedAttrSizeV0 : std::max<std::uint32_t>(*size, 4);
  TakeEntry(index, arg.direction, length, *size == 0 ? 4 : length);
}

void RequestBuilder::AddHandle(std::size_t index, const Arg& arg) {
  auto bytes = ReadValue<std::uint32_t>(Pointer(index));
  if (!bytes) {
    return Poison(index);
  }
  std::uint32_t length = *bytes > kMaxHandle - 8 ? 8 : 8 + *bytes;
  std::uint32_t least =
      GoesIn(arg.direction) && ComesOut(arg.direction) ? 8 : length;
  TakeEntry(index, arg.direction, length, least, kFiller);
}

void RequestBuilder::AddSigsetPair(std::size_t index) {
  auto pair = ReadValue<std::array<std::uint64_t, 2>>(Pointer(index));
  if (!pair) {
    return Poison(index);
  }
  std::optional<std::uint64_t> set;
  if ((*pair)[0] != 0 && (*pair)[1] == kSigsetSize) {
    set = ReadValue<std::uint64_t>((*pair)[0]);
  }
  std::array<std::uint64_t, 2> sent{kInBuffer, (*pair)[1]};
  if (!set) {
    sent[0] = (*pair)[0] == 0 ? 0 : kUnmapped;
  }
  request_.data.Append(std::as_bytes(std::span(sent)));
  Entry(index, Direction::kIn, sizeof(sent), sizeof(sent));
  if (set) {
    request_.data.Append(std::as_bytes(std::span(&*set, 1)));
    Entry(index, Direction::kIn, kSigsetSize, kSigsetSize, 1);
  }
}

void RequestBuilder::AddCapData(std::size_t index) {
  std::uint32_t version = 0;
  for (std::size_t i = 0; i < request_.head.buffer_count; ++i) {
    if (request_.head.buffers[i].arg == 0) {
      std::memcpy(&version, request_.data.bytes().data() + request_.offset[i],
                  sizeof(version));
    }
  }
  std::uint32_t length = version == kCapabilityVersion1 ? 12 : 24;
  TakeEntry(index, Direction::kIn, length, length);
}

void RequestBuilder::AddCounted(std::size_t index, const Arg& arg) {
  for (std::size_t i = 0; i < request_.head.buffer_count; ++i) {
    if (request_.head.buffers[i].arg != arg.ref) {
      continue;
    }
    std::uint32_t count = 0;
    std::byte* at = request_.data.bytes().data() + request_.offset[i];
    std::memcpy(&count, at, sizeof(count));
    if (count > arg.limit) {
      count = arg.limit;
      std::memcpy(at, &count, sizeof(count));
      request_.readable[i] = 0;  // no longer the guest's bytes
    }
    // With LSM_FLAG_SINGLE the kernel reads a whole lsm_ctx, whatever the
    // count.
    return TakeEntry(index, arg.direction, std::max(count, kLsmContext), 1,
                     kFiller);
  }
  Poison(index);  // no count: the kernel stops there
}

}  // namespace ssi::supervisor
