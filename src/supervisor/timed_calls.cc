#include "supervisor/timed_calls.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

namespace ssi::supervisor {

namespace {

using std::chrono::ceil;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr TimedCall kTimedCalls[] = {
    {7, 2, TimeUnit::kMillis},      // poll
    {23, 4, TimeUnit::kTimeval},    // select
    {35, 0, TimeUnit::kTimespec},   // nanosleep
    {128, 2, TimeUnit::kTimespec},  // rt_sigtimedwait
    {202, 3, TimeUnit::kTimespec},  // futex
    {208, 4, TimeUnit::kTimespec},  // io_getevents
    {220, 3, TimeUnit::kTimespec},  // semtimedop
    {230, 2, TimeUnit::kTimespec},  // clock_nanosleep
    {232, 3, TimeUnit::kMillis},    // epoll_wait
    {270, 4, TimeUnit::kTimespec},  // pselect6
    {271, 2, TimeUnit::kTimespec},  // ppoll
    {281, 3, TimeUnit::kMillis},    // epoll_pwait
    {333, 4, TimeUnit::kTimespec},  // io_pgetevents
    {441, 3, TimeUnit::kTimespec},  // epoll_pwait2
};

// struct timeval and struct timespec: two longs.
struct Pair {
  std::int64_t seconds = 0;
  std::int64_t fraction = 0;
};

std::optional<Nanos> Decode(const Pair& pair, TimeUnit unit) {
  constexpr std::int64_t kMost =
      std::numeric_limits<std::int64_t>::max() / 1'000'000'000;
  if (pair.seconds < 0 || pair.fraction < 0) {
    return std::nullopt;
  }
  std::int64_t per_second =
      unit == TimeUnit::kTimeval ? 1'000'000 : 1'000'000'000;
  // select alone takes more than a second's worth of microseconds.
  if (unit == TimeUnit::kTimespec && pair.fraction >= per_second) {
    return std::nullopt;
  }
  std::int64_t whole = pair.fraction / per_second;
  if (pair.seconds >= kMost - whole) {
    return Nanos::max();
  }
  Nanos rest(pair.fraction % per_second * (1'000'000'000 / per_second));
  return Nanos(seconds(pair.seconds + whole)) + rest;
}

Pair Encode(Nanos left, TimeUnit unit) {
  if (unit == TimeUnit::kTimeval) {
    auto micros = ceil<microseconds>(left).count();
    return {micros / 1'000'000, micros % 1'000'000};
  }
  return {left.count() / 1'000'000'000, left.count() % 1'000'000'000};
}

std::optional<Nanos> DecodeMillis(std::uint64_t arg) {
  auto millis = static_cast<std::int32_t>(arg);
  if (millis < 0) {
    return std::nullopt;
  }
  return Nanos(milliseconds(millis));
}

std::uint64_t EncodeMillis(Nanos left) {
  auto millis = ceil<milliseconds>(left).count();
  return static_cast<std::uint64_t>(
      std::min<std::int64_t>(millis, std::numeric_limits<std::int32_t>::max()));
}

// The bytes of the limit's struct in what was marshalled, or none.
std::size_t IndexOf(std::span<const BufferEntry> buffers,
                    const TimedCall& call) {
  std::size_t i = 0;
  while (i < buffers.size() && buffers[i].arg != call.arg) {
    ++i;
  }
  return i;
}
std::span<std::byte> LimitOf(CallRequest& request, const TimedCall& call) {
  std::size_t i = IndexOf(request.head.Buffers(), call);
  if (i == request.head.buffer_count) {
    return {};
  }
  return request.data.bytes().subspan(request.offset[i], sizeof(Pair));
}
template <typename Byte>
std::span<Byte> LimitOf(const LaidOutCall& laid_out, const TimedCall& call,
                        std::span<Byte> window) {
  std::span buffers(laid_out.buffers);
  std::size_t i = IndexOf(buffers.first(laid_out.buffer_count), call);
  if (i == laid_out.buffer_count) {
    return {};
  }
  return window.subspan(laid_out.offsets[i], sizeof(Pair));
}

std::optional<Nanos> Read(const TimedCall& call, const CallArgs& args,
                          std::span<const std::byte> limit) {
  if (call.unit == TimeUnit::kMillis) {
    return DecodeMillis(args.at(call.arg));
  }
  if (limit.empty()) {
    return std::nullopt;
  }
  Pair pair;
  std::memcpy(&pair, limit.data(), sizeof(pair));
  return Decode(pair, call.unit);
}

bool Replace(const TimedCall& call, CallArgs& args, std::span<std::byte> limit,
             Nanos left) {
  left = std::max(left, Nanos::zero());
  if (call.unit == TimeUnit::kMillis) {
    if (!DecodeMillis(args.at(call.arg))) {
      return false;
    }
    args.at(call.arg) = EncodeMillis(left);
    return true;
  }
  if (limit.empty()) {
    return false;
  }
  Pair pair = Encode(left, call.unit);
  std::memcpy(limit.data(), &pair, sizeof(pair));
  return true;
}

}  // namespace

const TimedCall* TimedCallOf(int nr) {
  const auto* call = std::ranges::find(kTimedCalls, nr, &TimedCall::nr);
  return call == std::end(kTimedCalls) ? nullptr : call;
}

std::optional<Nanos> TimeLeft(const CallRequest& request) {
  const TimedCall* call = TimedCallOf(request.row->nr);
  if (call == nullptr) {
    return std::nullopt;
  }
  std::size_t i = IndexOf(request.head.Buffers(), *call);
  std::span<const std::byte> limit;
  if (i < request.head.buffer_count) {
    limit = request.data.bytes().subspan(request.offset[i], sizeof(Pair));
  }
  return Read(*call, request.head.args, limit);
}

std::optional<Nanos> TimeLeft(const LaidOutCall& call,
                              std::span<const std::byte> window) {
  const TimedCall* timed = TimedCallOf(call.nr);
  return timed == nullptr
             ? std::nullopt
             : Read(*timed, call.args, LimitOf(call, *timed, window));
}

std::optional<Nanos> TimeLeft(int nr, const CallArgs& args,
                              GuestMemory& memory) {
  const TimedCall* call = TimedCallOf(nr);
  if (call == nullptr) {
    return std::nullopt;
  }
  if (call->unit == TimeUnit::kMillis) {
    return DecodeMillis(args.at(call->arg));
  }
  std::array<std::byte, sizeof(Pair)> bytes{};
  RemoteAddr from{args.at(call->arg)};
  if (Raw(from) == 0 || memory.Read(from, bytes) != bytes.size()) {
    return std::nullopt;
  }
  return Read(*call, args, bytes);
}

bool SetTimeLeft(CallRequest& request, Nanos left) {
  const TimedCall* call = TimedCallOf(request.row->nr);
  return call != nullptr &&
         Replace(*call, request.head.args, LimitOf(request, *call), left);
}

bool SetTimeLeft(LaidOutCall& call, std::span<std::byte> window, Nanos left) {
  const TimedCall* timed = TimedCallOf(call.nr);
  return timed != nullptr &&
         Replace(*timed, call.args, LimitOf(call, *timed, window), left);
}

}  // namespace ssi::supervisor
