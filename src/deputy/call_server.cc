#include "deputy/call_server.h"

#include <signal.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <spdlog/spdlog.h>

#include "process/file_kind.h"
#include "process/memory.h"
#include "process/socket_timeout.h"
#include "supervisor/call_table.h"
#include "supervisor/pieces.h"
#include "supervisor/timed_calls.h"

namespace ssi {

using supervisor::CallReply;

namespace {

constexpr std::uint64_t kSigsetSize = 8;

// A descriptor of which a full read is followed by another one (pieces.h).
bool IsRegular(HostPid pid, std::uint64_t fd) {
  mode_t kind = FileKind(pid, static_cast<int>(fd));
  return S_ISREG(kind) || S_ISBLK(kind);
}

// The signal mask that a call has for as long as it waits, from its buffers.
std::optional<std::uint64_t> MaskOf(const supervisor::LaidOutCall& call,
                                    std::span<const std::byte> window) {
  struct Place {
    int nr;
    std::uint8_t arg;
    std::uint8_t part;
  };
  static constexpr std::array kPlaces = {
      Place{SYS_rt_sigsuspend, 0, 0}, Place{SYS_ppoll, 3, 0},
      Place{SYS_epoll_pwait, 4, 0}, Place{SYS_epoll_pwait2, 4, 0},
      Place{SYS_pselect6, 5, 1}};
  for (const auto& place : kPlaces) {
    for (std::size_t i = 0; place.nr == call.nr && i < call.buffer_count; ++i) {
      const auto& buffer = call.buffers[i];
      if (buffer.arg == place.arg && buffer.part == place.part &&
          buffer.length == kSigsetSize) {
        std::uint64_t mask = 0;
        std::memcpy(&mask, window.data() + call.offsets[i], sizeof mask);
        return mask & ~kNeverBlocked;
      }
    }
  }
  return std::nullopt;
}

// The signal that rt_tgsigqueueinfo(2) queues.
std::optional<siginfo_t> SignalForThread(const supervisor::LaidOutCall& call,
                                         std::span<const std::byte> window) {
  siginfo_t info{};
  if (call.nr != SYS_rt_tgsigqueueinfo || call.buffer_count != 1 ||
      call.buffers[0].length != sizeof info) {
    return std::nullopt;
  }
  std::memcpy(&info, window.data() + call.offsets[0], sizeof info);
  info.si_signo = static_cast<int>(call.args[2]);
  return info;
}

}  // namespace

CallServer::CallServer(HostPid thread, const Clock& clock, Executor& executor,
                       ThreadSignals& signals, Hooks hooks)
    : thread_(thread),
      clock_(clock),
      executor_(executor),
      signals_(signals),
      hooks_(std::move(hooks)),
      call_(*this) {}

Status CallServer::OnCall(std::uint64_t id, bool following,
                          std::span<const std::byte> payload) {
  if (call_.busy) {
    return Fail(ErrorCode::kProtocol, "a second call of the same thread");
  }
  call_.busy = true;
  call_.ended = false;
  call_.id = id;
  call_.payload = payload;
  if (held_ || !executor_.Idle()) {
    call_.copy.assign(payload.begin(), payload.end());
    call_.payload = call_.copy;
  }
  if (held_ && following) {
    taken_back_ = id;  // its first part's answer was
  }
  waits_unmade_ = held_ && !following;
  if (!waits_unmade_) {
    executor_.Submit(call_);
  }
  return {};
}

void CallServer::Reply(std::uint64_t id, const CallReply& reply) {
  if (!held_ || taken_back_ == id) {
    hooks_.reply(id, reply);
    return;
  }
  Kept& kept = kept_.emplace();
  kept.id = id;
  kept.reply = reply;
  // The parts lie in the window, or in what is used again.
  std::size_t size = 0;
  for (std::size_t i = 0; i < reply.head.buffer_count; ++i) {
    size += reply.parts[i].size();
  }
  kept.bytes.reserve(size);
  for (std::size_t i = 0; i < reply.head.buffer_count; ++i) {
    auto part = reply.parts[i];
    std::size_t at = kept.bytes.size();
    kept.bytes.insert(kept.bytes.end(), part.begin(), part.end());
    kept.reply.parts[i] = std::span(kept.bytes).subspan(at);
  }
}

void CallServer::SendKept() {
  if (kept_) {
    hooks_.reply(kept_->id, kept_->reply);
    kept_.reset();
  }
}

void CallServer::Release() {
  held_ = false;
  taken_back_.reset();
  SendKept();
  if (std::exchange(waits_unmade_, false)) {
    executor_.Submit(call_);
  }
}

bool CallServer::AnswerHeld(std::uint64_t id) {
  if (!held_) {
    return false;
  }
  taken_back_ = id;
  if (kept_ && kept_->id == id) {
    SendKept();
    return true;
  }
  if (waits_unmade_ && call_.id == id) {
    waits_unmade_ = false;
    call_.ended = true;
    executor_.Submit(call_);
    return true;
  }
  return false;
}

std::size_t CallServer::CallJob::Prepare(AgentWindow& window) {
  refused.reset();
  mask.reset();
  signal.reset();
  restart = false;
  auto request = supervisor::DecodeRequest(payload);
  if (request && request->head.nr == SYS_restart_syscall) {
    restart = true;
    window.calls()[0] = {SYS_restart_syscall, {}, kRestartBlock};
    return ended ? 0 : 1;
  }
  if (ended) {
    refused = kRestartNoIntr;
    return 0;
  }
  auto laid_out =
      request
          ? supervisor::LayOut(*request, window.data(), window.remote_data())
          : Result<supervisor::LaidOutCall>(std::unexpected(request.error()));
  if (!laid_out) {
    // A remote that is ours never sends this: refused, and not executed.
    spdlog::error("a call from the other node is refused: {}",
                  laid_out.error().message);
    refused = -EINVAL;
    return 0;
  }
  call = *laid_out;
  begun = server.clock_.Boot();
  mask = MaskOf(call, window.data());
  signal = SignalForThread(call, window.data());
  if (signal) {
    server.SendForThread(call, *signal, true);
  }
  window.calls()[0] = {static_cast<std::uint64_t>(call.nr), call.args, 0};
  return 1;
}

void CallServer::CallJob::Finished(AgentWindow& window) {
  busy = false;
  if (restart) {
    server.FinishRestart(window.calls()[0].result);
    return;
  }
  if (refused) {
    reply = {};
    reply.head.result = *refused;
  } else {
    std::int64_t result = window.calls()[0].result;
    if (result != kRestartNoIntr) {  // else not begun: it comes again
      ++server.counts_[call.nr];
    }
    if (signal && result != 0) {
      server.SendForThread(call, *signal, false);
    }
    supervisor::Collect(call, result, window.data(),
                        server.FlagsOf(call, result), reply);
    reply.head.time_limit = server.TimeLimitOf(call, result);
  }
  server.Reply(id, reply);
}

void CallServer::SendForThread(const supervisor::LaidOutCall& call,
                               const siginfo_t& info, bool queued) const {
  hooks_.for_thread(HostPid{static_cast<pid_t>(call.args[0])},
                    HostPid{static_cast<pid_t>(call.args[1])}, info, queued);
}

std::uint8_t CallServer::FlagsOf(const supervisor::LaidOutCall& call,
                                 std::int64_t result) const {
  // Only a read that was filled to the last byte is followed by another.
  bool full = result == static_cast<std::int64_t>(supervisor::kMaxCallData);
  return full && IsRegular(thread_, call.args[0])
             ? static_cast<std::uint8_t>(supervisor::kRegularFile)
             : static_cast<std::uint8_t>(supervisor::kNoReplyFlags);
}

std::uint32_t CallServer::TimeLimitOf(const supervisor::LaidOutCall& call,
                                      std::int64_t result) const {
  using Millis = std::chrono::duration<std::uint32_t, std::milli>;
  auto limit = IsRestart(result)
                   ? SocketTimeout(thread_, static_cast<std::uint64_t>(call.nr),
                                   static_cast<int>(call.args[0]))
                   : std::nullopt;
  return limit && *limit < Millis::max()
             ? std::chrono::ceil<Millis>(*limit).count()
             : 0;
}

bool CallServer::KeepTime(Registers& registers) {
  auto& window = executor_.window();
  supervisor::LaidOutCall& call = call_.call;
  bool given_up = InAgent() && !call_.restart && !call_.refused &&
                  registers.result() == kRestartNoHand &&
                  call.row->Has(supervisor::kEintrAtFreeze);
  if (!given_up) {
    return false;
  }
  if (TimeLimitOf(call, registers.result()) > 0) {
    registers.FinishCall(registers.result());
    return true;
  }
  auto limit = supervisor::TimeLeft(call, window.data());
  if (!limit) {
    return false;
  }
  Nanos now = clock_.Boot();
  (void)supervisor::SetTimeLeft(call, window.data(),
                                *limit - (now - call_.begun));
  call_.begun = now;
  registers.SetArgs(call.args);
  return true;
}

// Answers with the clocks of the moment, which the process's own have to
// reach, and what a poll found or what is left of a sleep.
void CallServer::FinishRestart(std::int64_t result) {
  ++counts_[SYS_restart_syscall];
  CallReply& reply = call_.reply;
  reply = {};
  reply.head.result = result;
  auto add = [&reply](std::span<const std::byte> bytes) {
    auto& entry = reply.head.buffers[reply.head.buffer_count];
    entry.direction = supervisor::Direction::kOut;
    entry.length = static_cast<std::uint32_t>(bytes.size());
    reply.parts[reply.head.buffer_count++] = bytes;
  };
  ClockFloor now{clock_.Monotonic(), clock_.Boot()};
  add(std::as_bytes(std::span(&now, 1)));
  if ((result >= 0 || IsRestart(result)) && waited_on_) {
    call_.restart_bytes.resize(waited_on_->size);
    if (ReadMemory(thread_, RemoteAddr{waited_on_->address},
                   call_.restart_bytes)) {
      add(call_.restart_bytes);
    }
  }
  Reply(call_.id, reply);
}

Status CallServer::OnTold(std::uint64_t id, bool answer,
                          std::span<const std::byte> payload) {
  Told told;
  if (payload.size() != sizeof told) {
    return Fail(ErrorCode::kProtocol, "told {} bytes", payload.size());
  }
  std::memcpy(&told, payload.data(), sizeof told);
  bool known = told.kind == Told::Kind::kMask ||
               (told.kind == Told::Kind::kAction && told.signal >= 1 &&
                told.signal <= kSignalCount);
  if (!known) {
    return Fail(ErrorCode::kProtocol, "told something unknown");
  }
  if (answer && held_) {
    // What it unblocks could not be delivered first: made again, at home.
    CallReply later;
    later.head.result = kRestartNoIntr;
    Reply(id, later);
    return {};
  }
  auto job = std::make_unique<ToldJob>(*this, told);
  job->id = id;
  job->answer = answer;
  ToldJob& submitted = *job;
  told_.push_back(std::move(job));
  executor_.Submit(submitted);
  return {};
}

std::size_t CallServer::ToldJob::Prepare(AgentWindow& window) {
  auto at = window.remote_data();
  if (told.kind == Told::Kind::kMask) {
    server.signals_.mask = told.mask & ~kNeverBlocked;
    std::memcpy(window.data().data(), &told.mask, sizeof told.mask);
    window.calls()[0] = {
        SYS_rt_sigprocmask, {SIG_SETMASK, Raw(at), 0, kSigsetSize}, 0};
    return 1;
  }
  if (!server.signals_.process.SetAction(told.signal, told.action)) {
    return 0;
  }
  std::memcpy(window.data().data(), &told.action, sizeof told.action);
  window.calls()[0] = {
      SYS_rt_sigaction,
      {static_cast<std::uint64_t>(told.signal), Raw(at), 0, kSigsetSize},
      0};
  return 1;
}

void CallServer::ToldJob::Finished(AgentWindow&) {
  CallServer& owner = server;
  bool awaited = answer;
  if (awaited) {
    CallReply reply;
    owner.Reply(id, reply);
  }
  std::erase_if(owner.told_,
                [this](const auto& job) { return job.get() == this; });
  if (awaited) {
    owner.hooks_.mask_set();
  }
}

bool CallServer::SettingMask() const {
  return std::any_of(told_.begin(), told_.end(),
                     [](const auto& job) { return job->answer; });
}

std::optional<std::uint64_t> CallServer::TemporaryMask() const {
  return call_.busy ? call_.mask : std::nullopt;
}

}  // namespace ssi
