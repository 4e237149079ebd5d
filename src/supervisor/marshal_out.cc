// The away side after the call: a reply into guest memory.
#include <algorithm>
#include <bitset>
#include <cerrno>
#include <cstring>

#include "supervisor/args.h"
#include "supervisor/option_args.h"

namespace ssi::supervisor {

namespace {

// A buffer of the reply and the one of the request that it fills.
struct Match {
  std::size_t index = 0;  // in the request
  std::span<const std::byte> bytes;
};

// How many of the bytes could be written, of those that had to be.
struct Written {
  std::size_t bytes = 0;
  std::size_t wanted = 0;
};

class Delivery {
 public:
  Delivery(CallRequest& request, const ReplyView& reply, GuestMemory& memory)
      : request_(request), reply_(reply), memory_(memory) {}

  Status Check();
  CallResult Deliver();

 private:
  Written Write(const Match& match, const Arg& arg);
  Written WriteData(const Match& match);
  Written WriteChanged(const Match& match);
  Arg ArgOf(const Match& match) const {
    return ResolveArg(*request_.row, request_.head.buffers[match.index].arg,
                      request_.args);
  }
  UndoHint UndoOf(std::int64_t lost) const;
  CallResult DeliverData(const Match& match);

  CallRequest& request_;
  const ReplyView& reply_;
  GuestMemory& memory_;
  std::array<Match, kMaxBuffers> matches_{};
  std::size_t match_count_ = 0;
};

Status Delivery::Check() {
  std::bitset<kMaxBuffers> used;
  std::size_t offset = 0;
  for (const BufferEntry& entry : reply_.head.Buffers()) {
    auto asked = request_.head.Buffers();
    std::size_t i = 0;
    while (i < asked.size() &&
           (asked[i].arg != entry.arg || asked[i].part != entry.part)) {
      ++i;
    }
    if (i == asked.size() || used[i] || !ComesOut(asked[i].direction) ||
        entry.length > asked[i].length) {
      return Fail(ErrorCode::kProtocol,
                  "the reply to {} has a buffer for argument {}",
                  request_.row->name, entry.arg);
    }
    used.set(i);
    matches_[match_count_++] = {i, reply_.data.subspan(offset, entry.length)};
    offset += entry.length;
  }
  // A read or write cannot have done more than it was asked for, and a read
  // brings the bytes that it says.
  const Arg& data = request_.row->args[1];
  std::int64_t result = reply_.head.result;
  if (data.overlong == Overlong::kPieces && result > 0) {
    auto bytes = static_cast<std::uint64_t>(result);
    bool brings = !ComesOut(data.direction) || reply_.data.size() == bytes;
    if (bytes > request_.pieces.Next() || !brings) {
      return Fail(ErrorCode::kProtocol, "the reply to {} says {}",
                  request_.row->name, result);
    }
  }
  return {};
}

Written Delivery::WriteData(const Match& match) {
  SliceRanges(request_.ranges, request_.pieces.done(), match.bytes.size(),
              request_.slice);
  return {memory_.WriteAll(request_.slice, match.bytes), match.bytes.size()};
}

// Only from the first to the last byte that differs: what the kernel at home
// left alone is not touched here either.
Written Delivery::WriteChanged(const Match& match) {
  auto sent = std::as_const(request_.data)
                  .bytes()
                  .subspan(request_.offset[match.index], match.bytes.size());
  auto [first, unused] = std::ranges::mismatch(match.bytes, sent);
  if (first == match.bytes.end()) {
    return {};
  }
  auto from = static_cast<std::size_t>(first - match.bytes.begin());
  std::size_t end = match.bytes.size();
  while (match.bytes[end - 1] == sent[end - 1]) {
    --end;
  }
  if (request_.readable[match.index] == 0) {  // what was sent was ours
    from = 0;
    end = match.bytes.size();
  }
  return {memory_.Write(request_.guest[match.index] + from,
                        match.bytes.subspan(from, end - from)),
          end - from};
}

Written Delivery::Write(const Match& match, const Arg& arg) {
  if (arg.rule == OutRule::kChanged || arg.rule == OutRule::kChangedQuietly) {
    return WriteChanged(match);
  }
  std::span<const std::byte> bytes = match.bytes;
  if (GoesIn(request_.head.buffers[match.index].direction)) {
    bytes = bytes.first(
        std::min<std::size_t>(bytes.size(), request_.readable[match.index]));
  }
  return {memory_.Write(request_.guest[match.index], bytes), bytes.size()};
}

UndoHint Delivery::UndoOf(std::int64_t lost) const {
  const CallRow& row = *request_.row;
  bool own_offset =
      !row.Has(kPositionMinusOne) || request_.args[3] == ~std::uint64_t{0};
  if (row.Has(kConsumes) && own_offset) {
    return {UndoHint::Kind::kSeekBack, static_cast<int>(request_.args[0]), -1,
            lost};
  }
  if (row.Has(kMakesFdPair) && reply_.data.size() == 2 * sizeof(int)) {
    std::array<int, 2> fds{};
    std::memcpy(fds.data(), reply_.data.data(), sizeof(fds));
    return {UndoHint::Kind::kClosePair, fds[0], fds[1], 0};
  }
  return {};
}

// A read that the guest can take only in part ends there, as the kernel's copy
// to the user does.
CallResult Delivery::DeliverData(const Match& match) {
  Written written = WriteData(match);
  std::int64_t result = reply_.head.result;
  CallResult out;
  if (written.bytes < written.wanted) {
    auto kept = static_cast<std::int64_t>(written.bytes);
    out.undo = UndoOf(result - kept);
    result = kept > 0 ? kept : -EFAULT;
  }
  bool regular = (reply_.head.flags & kRegularFile) != 0;
  out.more = request_.pieces.Advance(result, regular);
  out.value = request_.pieces.Result();
  return out;
}

CallResult Delivery::Deliver() {
  std::int64_t result = reply_.head.result;
  if (match_count_ == 1 && ArgOf(matches_[0]).overlong == Overlong::kPieces) {
    return DeliverData(matches_[0]);
  }
  CallResult out;
  for (const Match& match : std::span(matches_).first(match_count_)) {
    Arg arg = ArgOf(match);
    Written written = Write(match, arg);
    if (written.bytes < written.wanted &&
        arg.rule != OutRule::kChangedQuietly) {
      result = -EFAULT;  // over any other error: the kernel writes last
      out.undo = UndoOf(0);
    }
  }
  out.value = result;
  if (request_.pieces.total() > 0) {  // a write, or a read that got nothing
    out.more = request_.pieces.Advance(result, false);
    out.value = request_.pieces.Result();
  }
  return out;
}

}  // namespace

Result<CallResult> MarshalOut(CallRequest& request, const ReplyView& reply,
                              GuestMemory& memory) {
  Delivery delivery(request, reply, memory);
  SSI_TRY(delivery.Check());
  return delivery.Deliver();
}

}  // namespace ssi::supervisor
