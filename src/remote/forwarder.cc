#include "remote/forwarder.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.h"
#include "process/kernel.h"
#include "process/told.h"
#include "proto/session_frames.h"
#include "supervisor/call_table.h"
#include "supervisor/timed_calls.h"

namespace ssi {

using supervisor::CallRequest;
using supervisor::ReplyView;
using supervisor::RequestHead;
using supervisor::UndoHint;

namespace {

// Where a call that the stand-in finishes has its results: what a poll found,
// what is left of an interrupted sleep. Of no size where it has none.
MemoryRun ResultsOf(const PendingCall& call, std::int64_t result) {
  constexpr std::uint64_t kPollFd = 8;
  if (call.number == SYS_poll && !IsRestart(result)) {
    return {call.args[0], call.args[1] * kPollFd};
  }
  bool sleeps =
      call.number == SYS_nanosleep || call.number == SYS_clock_nanosleep;
  if (sleeps && IsRestart(result)) {
    return {call.args[call.number == SYS_nanosleep ? 1 : 3], sizeof(timespec)};
  }
  return {0, 0};
}

}  // namespace

bool Forwarder::Forward(const supervisor::CallRow& row, const CallArgs& args,
                        Finish finish, Adjust adjust, const Before& before) {
  SSI_CHECK(!finish_, "a second call while one is under way");
  supervisor::MarshalIn(row, args, memory_, request_);
  using supervisor::CallClass;
  if (supervisor::ReclassifyMarshalled(request_, CallClass::kHome) ==
      CallClass::kComeHome) {
    return false;
  }
  if (before.left) {
    (void)supervisor::SetTimeLeft(request_, *before.left);
  }
  if (before.done > 0) {
    request_.pieces.SkipTo(before.done);
    (void)supervisor::MarshalNext(request_, memory_);
  }
  cancelled_ = false;
  cut_.reset();
  finish_ = std::move(finish);
  adjust_ = std::move(adjust);
  limit_ = supervisor::TimeLeft(request_);
  started_ = clock_.Boot();
  of_file_ = false;
  SendRequest(0);
  return true;
}

std::uint64_t Forwarder::NextId() {
  id_ = proto::session::CallId(Raw(tid_), static_cast<std::uint32_t>(id_) + 1);
  return id_;
}

void Forwarder::SendRequest(std::uint16_t flags) {
  kind_ = Kind::kCall;
  ++calls_;
  channel_.Send(proto::session::kCall, flags, NextId(),
                {request_.head.Wire(), request_.data.bytes()});
}

void Forwarder::ForwardRestart(const PendingCall& pending, Finish finish) {
  SSI_CHECK(!finish_, "a second call while one is under way");
  finish_ = std::move(finish);
  kind_ = Kind::kRestart;
  restarting_ = pending;
  limit_.reset();
  RequestHead head;
  head.nr = SYS_restart_syscall;
  ++calls_;
  channel_.Send(proto::session::kCall, 0, NextId(), head.Wire());
}

void Forwarder::ChangeMask(std::uint64_t mask, Finish finish) {
  SSI_CHECK(!finish_, "a second call while one is under way");
  finish_ = std::move(finish);
  kind_ = Kind::kMask;
  limit_.reset();
  Told told;
  told.kind = Told::Kind::kMask;
  told.mask = mask;
  channel_.Send(proto::session::kTold, proto::session::kAnswerWanted, NextId(),
                std::as_bytes(std::span(&told, 1)));
}

void Forwarder::Cancel() {
  if (Outstanding()) {
    cancelled_ = true;
    channel_.Send(proto::session::kCancel, 0, id_,
                  std::span<const std::byte>());
  }
}

Status Forwarder::OnReply(std::uint64_t id,
                          std::span<const std::byte> payload) {
  if (!Outstanding() || id != id_) {
    return Fail(ErrorCode::kProtocol, "reply {} to no call", id);
  }
  SSI_ASSIGN(auto reply, supervisor::DecodeReply(payload));
  switch (kind_) {
    case Kind::kCall:
      return TakeCallReply(reply);
    case Kind::kRestart:
      return TakeRestartReply(reply);
    case Kind::kMask:
      End(reply.head.result);
      return {};
    case Kind::kUndo:
      End(undo_result_);
      return {};
  }
  return {};
}

Status Forwarder::TakeCallReply(const ReplyView& given) {
  if (of_file_ && IsRestart(given.head.result)) {
    // Natively nothing comes between the parts of such a transfer: this piece
    // was called off before it began, and is made now.
    SendRequest(proto::session::kFollowing);
    return {};
  }
  ReplyView reply = given;
  if (adjust_) {
    adjusted_.assign(reply.data.begin(), reply.data.end());
    std::span rest(adjusted_);
    for (const auto& entry : reply.head.Buffers()) {
      if (entry.length > rest.size()) {
        return Fail(ErrorCode::kProtocol, "reply buffer of {} bytes",
                    entry.length);
      }
      adjust_(entry.arg, rest.first(entry.length));
      rest = rest.subspan(entry.length);
    }
    reply.data = adjusted_;
  }
  SSI_ASSIGN(auto result, supervisor::MarshalOut(request_, reply, memory_));
  bool of_file = (given.head.flags & supervisor::kRegularFile) != 0;
  bool goes_on = result.more && (of_file || !cancelled_);
  if (goes_on && supervisor::MarshalNext(request_, memory_)) {
    of_file_ = of_file;
    SendRequest(proto::session::kFollowing);
    return {};
  }
  if (result.undo.kind != UndoHint::Kind::kNone) {
    Undo(result.undo, result.value);
    return {};
  }
  NoteCut(of_file);
  if (given.head.time_limit > 0) {
    limit_ = std::chrono::milliseconds(given.head.time_limit);
  }
  End(result.value);
  return {};
}

// Natively nothing but a signal ends a write before all of it is taken.
void Forwarder::NoteCut(bool of_file) {
  int number = request_.row->nr;
  const auto& pieces = request_.pieces;
  bool writes = number == SYS_write || number == SYS_writev;
  if (cancelled_ && writes && !of_file && pieces.done() > 0 &&
      pieces.done() < pieces.total()) {
    cut_ = PendingCall{static_cast<std::uint64_t>(number), request_.args,
                       Nanos(-1), pieces.done()};
  }
}

// The reply holds home's clocks at the end of the call, then its results.
Status Forwarder::TakeRestartReply(const ReplyView& reply) {
  const PendingCall& pending = restarting_;
  ClockFloor ended;
  if (reply.head.buffer_count == 0 ||
      reply.head.buffers[0].length != sizeof ended) {
    return Fail(ErrorCode::kProtocol, "a restarted call without a clock");
  }
  std::memcpy(&ended, reply.data.data(), sizeof ended);
  std::int64_t result = reply.head.result;
  if (IsRestart(result)) {
    pending_ = pending;  // home's stand-in still knows how much is left
  }
  auto results = ResultsOf(pending, result);
  if (reply.head.buffer_count > 1 && results.address != 0) {
    auto found = reply.data.subspan(sizeof ended);
    memory_.Write(
        RemoteAddr{results.address},
        found.first(std::min<std::uint64_t>(found.size(), results.size)));
  }
  // It waited by home's clock, from a moment that the guest may have read
  // there, and the guest's clock here is a little behind: on it, too, the wait
  // must not have been too short.
  Nanos behind = behind_(ended);
  if (behind <= Nanos(0)) {
    End(result);
  } else {
    catch_up_.Start(behind, [this, result] { End(result); });
  }
  return {};
}

void Forwarder::End(std::int64_t result) {
  if (kind_ == Kind::kCall && IsRestart(result) && limit_) {
    NoteTimeLeft();
    // Made again from its beginning it would have all of its time.
    if (request_.row->Has(supervisor::kEintrAtFreeze)) {
      result = kRestartBlock;
    }
  } else if (kind_ == Kind::kCall && result == kRestartBlock) {
    // A poll without a limit: what the kernel knows of it is home's stand-in's.
    result = kRestartNoHand;
  }
  adjust_ = nullptr;
  auto finish = std::exchange(finish_, nullptr);
  finish(result);
}

void Forwarder::NoteTimeLeft() {
  PendingCall pending;
  pending.number = static_cast<std::uint64_t>(request_.row->nr);
  pending.args = request_.args;
  pending.left = std::max(Nanos(0), *limit_ - (clock_.Boot() - started_));
  pending_ = pending;
}

std::optional<PendingCall> Forwarder::TakePending() {
  return std::exchange(pending_, std::nullopt);
}

void Forwarder::Undo(const UndoHint& undo, std::int64_t result) {
  if (undo.kind == UndoHint::Kind::kSeekBack) {
    SendUndo("lseek",
             {static_cast<std::uint64_t>(undo.fd),
              static_cast<std::uint64_t>(-undo.bytes), SEEK_CUR},
             result);
    return;
  }
  // close_range takes both at once where they are neighbours, which pipe()
  // does not promise; the second is closed first, then the first.
  int second = undo.second_fd;
  int first = undo.fd;
  SendUndo("close", {static_cast<std::uint64_t>(second)}, result);
  auto finish = std::exchange(finish_, nullptr);
  finish_ = [this, first, finish = std::move(finish)](std::int64_t value) {
    finish_ = finish;
    SendUndo("close", {static_cast<std::uint64_t>(first)}, value);
  };
}

void Forwarder::SendUndo(const char* name, const CallArgs& args,
                         std::int64_t result) {
  supervisor::MarshalIn(*supervisor::FindCall(name), args, memory_, undo_);
  kind_ = Kind::kUndo;
  undo_result_ = result;
  channel_.Send(proto::session::kCall, proto::session::kFollowing, NextId(),
                {undo_.head.Wire(), undo_.data.bytes()});
}

}  // namespace ssi
