// What the remote says to its deputy.
#include <algorithm>

#include <spdlog/spdlog.h>

#include "deputy/deputy.h"
#include "deputy/usage.h"
#include "migration/move_wire.h"
#include "process/cpu_time.h"
#include "proto/message.h"
#include "proto/session_frames.h"
#include "supervisor/call_table.h"

namespace ssi {

namespace session = proto::session;

namespace {

using namespace std::chrono_literals;

// A process that comes home again within this stays a while: each doubling
// halves what bouncing costs.
constexpr Nanos kBounce = 100ms;
constexpr Nanos kFirstStay = 50ms;
constexpr Nanos kLongestStay = 2s;

std::string CallName(std::int64_t number) {
  const auto* row = supervisor::FindCall(static_cast<int>(number));
  return row == nullptr ? fmt::format("call {}", number)
                        : std::string(row->name);
}

}  // namespace

// ---- frames of the remote ---------------------------------------------------

void Deputy::Transmit(proto::FrameType type,
                      const google::protobuf::MessageLite& message) {
  auto bytes = proto::EncodeMessage(message);
  if (bytes && process_.session && process_.session->Open()) {
    process_.session->channel().Send(type, 0, 0, *bytes);
  }
}

void Deputy::OnFrame(const proto::FrameHeader& header,
                     std::span<const std::byte> payload) {
  auto status = HandleFrame(header, payload);
  if (!status) {
    spdlog::error("process {}: node {}: {}", Raw(process_.pid),
                  process_.session ? process_.session->node() : "?",
                  status.error().message);
    process_.session.reset();
    OnSessionClosed(status.error());
  }
}

// The node that it goes to, until GO; then the one that it has left.
void Deputy::OnOtherFrame(const proto::FrameHeader& header,
                          std::span<const std::byte> payload) {
  if (header.type == session::kEnded) {
    DropOtherSession();
    return;
  }
  if (header.type != session::kMove || !move_) {
    return;
  }
  auto status = move_->OnFrame(HomeMove::Link::kOther, payload);
  if (!status) {
    spdlog::error("process {}: node {}: {}", Raw(process_.pid),
                  process_.other_session->node(), status.error().message);
    process_.other_session.reset();
    OnOtherClosed(status.error());
  }
}

Status Deputy::HandleFrame(const proto::FrameHeader& header,
                           std::span<const std::byte> payload) {
  auto* thread =
      process_.threads.Find(HostPid{session::ThreadOfCall(header.id)});
  if (thread != nullptr) {
    if (header.type == session::kCall) {
      return thread->calls.OnCall(
          header.id, (header.flags & session::kFollowing) != 0, payload);
    }
    if (header.type == session::kTold) {
      return thread->calls.OnTold(
          header.id, (header.flags & session::kAnswerWanted) != 0, payload);
    }
    if (header.type == session::kCancel) {
      thread->home_signals.OnCancel(header.id);
      return {};
    }
  }
  if (header.type == session::kLife && process_.Away()) {
    return OnLife(payload);
  }
  if (header.type == session::kMove) {
    return move_ ? move_->OnFrame(HomeMove::Link::kOfProcess, payload)
                 : Status();
  }
  if (header.type == session::kSettled) {
    if (move_) {
      move_->OnSettled();
    }
    return {};
  }
  if (header.type == session::kOnwardReady) {
    return OnOnwardReady(payload);
  }
  if (header.type == session::kSignalAnswer) {
    wire::SignalAnswer answer;
    SSI_TRY(proto::DecodeMessage(payload, answer));
    if (auto* asked = process_.threads.Find(HostPid{answer.thread()})) {
      asked->home_signals.OnAnswer(answer);
    }
    return {};
  }
  if (header.type == session::kExit) {
    return OnExit(payload);
  }
  if (header.type == session::kComeHome) {
    return OnComeHome(payload);
  }
  if (header.type == session::kMapFile && process_.Away()) {
    return OnMapFile(payload);
  }
  if (header.type == session::kUsage) {
    wire::Usage usage;
    SSI_TRY(proto::DecodeMessage(payload, usage));
    OnUsage(usage);
  }
  return {};  // kEnded, and what comes late
}

void Deputy::OnUsage(const wire::Usage& usage) {
  if (!process_.Away()) {
    return;
  }
  if (usage.cpu_only()) {
    usage_.set_cpu_user_ns(usage.cpu_user_ns());
    usage_.set_cpu_system_ns(usage.cpu_system_ns());
    for (const auto& thread : usage.threads()) {
      thread_usage_[HostPid{thread.thread()}] = {Nanos(thread.cpu_user_ns()),
                                                 Nanos(thread.cpu_system_ns())};
    }
  } else {
    usage_ = usage;
  }
  if (cpu_limit_) {
    cpu_limit_->OnReport();
  }
  if (process_.cpu_timers && usage.cpu_only()) {
    process_.cpu_timers->OnReport();
  }
}

bool Deputy::AskForCpu() {
  bool can = process_.Away() && process_.session && process_.session->Open();
  if (can) {
    process_.session->channel().Send(session::kAskCpu, 0, 0,
                                     std::span<const std::byte>());
  }
  return can;
}

void Deputy::WatchCpuLimit() {
  CpuLimit::Hooks hooks;
  hooks.used_away = [this] {
    CpuTime used = CpuAway();
    return used.user + used.system;
  };
  hooks.ask = [this] {
    return AskForCpu();
  };
  cpu_limit_.emplace(places_.loop, places_.clock, process_.pid,
                     std::move(hooks));
}

Nanos Deputy::UsedOn(const CpuTimer& timer) const {
  CpuTime used;
  if (Raw(timer.thread) == 0) {
    used = CpuAway() + CpuTimeOf(process_.pid).value_or(CpuTime{});
  } else {
    auto reported = thread_usage_.find(timer.thread);
    auto before = process_.thread_cpu.find(timer.thread);
    if (reported != thread_usage_.end()) {
      used = reported->second;
    } else if (before != process_.thread_cpu.end()) {
      used = before->second;
    }
    used = used + CpuTimeOfThread(timer.thread).value_or(CpuTime{});
  }
  return timer.user_only ? used.user : used.user + used.system;
}

void Deputy::WatchCpuTimers() {
  thread_usage_.clear();
  auto timers = process_.stand_in->TakeCpuTimers();
  if (timers.empty()) {
    return;
  }
  CpuTimerWatch::Hooks hooks;
  hooks.used = [this](const CpuTimer& timer) {
    return UsedOn(timer);
  };
  hooks.rate = [this](const CpuTimer& timer) {
    return Raw(timer.thread) == 0 ? process_.stand_in->threads().size() : 1;
  };
  hooks.ask = [this] {
    (void)AskForCpu();
  };
  process_.cpu_timers.emplace(places_.loop, places_.clock, process_.pid,
                              std::move(timers), std::move(hooks));
}

// What the body used is the node's for good; its successor starts from zero.
void Deputy::SettleUsage() {
  process_.history.CountCalls(CallsOf(usage_));
  if (process_.session) {
    process_.history.AddCpu(process_.session->node(), CpuOf(usage_));
  }
  usage_ = {};
}

CpuTime Deputy::CpuAway() const {
  return process_.history.CpuAway() + CpuOf(usage_);
}

std::map<std::string, CpuTime> Deputy::CpuByNode() const {
  auto nodes = process_.history.cpu();
  if (process_.Away() && !ended_) {
    nodes[Where()] = nodes[Where()] + CpuOf(usage_);
  }
  return nodes;
}

AwayCallCounts Deputy::AwayCalls() const {
  auto calls = process_.history.calls();
  Add(calls, CallsOf(usage_));
  return calls;
}

std::map<int, std::uint64_t> Deputy::HomeCalls() const {
  auto calls = process_.history.home_calls();
  if (!ended_) {
    for (const auto& [number, count] : process_.threads.Counts()) {
      calls[number] += count;
    }
  }
  return calls;
}

Status Deputy::OnComeHome(std::span<const std::byte> payload) {
  wire::ComeHome come;
  SSI_TRY(proto::DecodeMessage(payload, come));
  come_home_ = std::move(come);
  come_counted_ = false;
  home_failures_ = 0;
  AnswerComeHome();
  return {};
}

// It asks once and waits at its call. So the request is kept until it is home:
// over the end of the move that took it away, while it is stopped, and over a
// return that did not succeed.
void Deputy::AnswerComeHome() {
  if (!come_home_ || !process_.Away() || move_ || returning_ || ended_ ||
      !process_.session || !process_.session->Connected() ||
      process_.group_stop.stopped) {
    return;
  }
  const wire::ComeHome& come = *come_home_;
  std::string reason = come.reason().substr(0, migration::kMostText);
  if (come.number() < 0 || come.stay()) {
    wanted_ = places_.node;
    Note(fmt::format("comes home: {}", reason));
    Return(reason);
    return;
  }
  if (!come_counted_) {
    come_counted_ = true;
    process_.history.CountComeHome(static_cast<int>(come.number()), reason);
  }
  std::string name = CallName(come.number());
  spdlog::info("process {} ({}): comes home for {}: {}", Raw(process_.pid),
               process_.command, name, reason);
  Nanos stayed = places_.clock.Monotonic() - arrived_away_;
  stay_home_ = stayed > kBounce
                   ? Nanos(0)
                   : std::clamp(stay_home_ * 2, kFirstStay, kLongestStay);
  came_for_ = come.number();
  came_by_ = HostPid{come.thread()};
  Return(fmt::format("for {}", name));
}

}  // namespace ssi
