#include "process/call_runner.h"

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "process/memory.h"

namespace ssi {

namespace {
using namespace std::chrono_literals;

// How often a running agent's process is looked at for an end or a stop.
constexpr auto kLookPeriod = 2ms;
}  // namespace

Status AgentRunner::Run(std::span<AgentCall> calls) {
  while (!calls.empty()) {
    auto batch = calls.first(std::min(calls.size(), kMaxBatch));
    Start(batch);
    SSI_TRY(Finish(batch));
    calls = calls.subspan(batch.size());
  }
  return {};
}

void AgentRunner::Start(std::span<const AgentCall> calls) {
  posted_ = window_.Done();
  if (posted_) {
    std::copy(calls.begin(), calls.end(), window_.calls().begin());
    window_.Post(calls.size());
  }
}

Status AgentRunner::Finish(std::span<AgentCall> calls) {
  if (!posted_) {
    return Fail(ErrorCode::kGone, "the agent in {} died in a job before",
                Raw(tracee_.pid()));
  }
  while (!window_.WaitDone(kLookPeriod)) {
    SSI_TRY(LookAtTracee());
  }
  std::copy_n(window_.calls().begin(), calls.size(), calls.begin());
  return {};
}

Status AgentRunner::LookAtTracee() {
  SSI_ASSIGN(auto stop, tracee_.WaitFor(0ns));
  if (!stop) {
    return {};
  }
  if (stop->Dead()) {
    return Fail(ErrorCode::kGone, "process {} died: {}", Raw(tracee_.pid()),
                stop->Describe());
  }
  if (stop->kind == Stop::Kind::kSignal && stop->value == SIGSTOP) {
    stop_pending_ = true;
  } else if (stop->kind == Stop::Kind::kSignal) {
    return Fail(ErrorCode::kSystem, "the agent in {} got signal {}",
                Raw(tracee_.pid()), stop->value);
  }
  return tracee_.Continue();
}

Status AgentRunner::Put(std::size_t offset, std::span<const std::byte> data) {
  auto to = window_.data();
  if (offset > to.size() || data.size() > to.size() - offset) {
    return Fail(ErrorCode::kInvalid, "{} bytes do not fit the window",
                data.size());
  }
  std::copy(data.begin(), data.end(), to.begin() + static_cast<long>(offset));
  return {};
}

Status AgentRunner::Get(std::size_t offset, std::span<std::byte> out) {
  auto from = window_.data();
  if (offset > from.size() || out.size() > from.size() - offset) {
    return Fail(ErrorCode::kInvalid, "{} bytes beyond the window", out.size());
  }
  std::copy_n(from.begin() + static_cast<long>(offset), out.size(),
              out.begin());
  return {};
}

Status InjectingRunner::Run(std::span<AgentCall> calls) {
  for (auto& call : calls) {
    SSI_ASSIGN(call.result, injector_.Call(call.number, call.args));
  }
  return {};
}

Status InjectingRunner::Put(std::size_t offset,
                            std::span<const std::byte> data) {
  if (offset > size_ || data.size() > size_ - offset) {
    return Fail(ErrorCode::kInvalid, "{} bytes do not fit", data.size());
  }
  return WriteMemory(pid_, space_ + offset, data);
}

Status InjectingRunner::Get(std::size_t offset, std::span<std::byte> out) {
  if (offset > size_ || out.size() > size_ - offset) {
    return Fail(ErrorCode::kInvalid, "{} bytes beyond the space", out.size());
  }
  return ReadMemory(pid_, space_ + offset, out);
}

void CallBatch::Add(const char* what, std::uint64_t number,
                    const CallArgs& args, int tolerated) {
  calls_.push_back({number, args, 0});
  entries_.push_back({what, tolerated});
}

Result<RemoteAddr> CallBatch::Place(std::span<const std::byte> data) {
  constexpr std::size_t kAlign = 16;
  std::size_t size = (data.size() + kAlign - 1) / kAlign * kAlign;
  if (used_ + size > runner_.space_size()) {
    SSI_TRY(Flush());
  }
  SSI_TRY(runner_.Put(used_, data));
  RemoteAddr at = runner_.space() + used_;
  used_ += size;
  return at;
}

Status CallBatch::Judge() const {
  for (std::size_t i = 0; i < calls_.size(); ++i) {
    std::int64_t result = calls_[i].result;
    if (result < 0 && result > -4096 && -result != entries_[i].tolerated) {
      return FailErrno(static_cast<int>(-result), "{}", entries_[i].what);
    }
  }
  return {};
}

Status CallBatch::Flush() {
  Status status = runner_.Run(calls_);
  if (status) {
    status = Judge();
  }
  calls_.clear();
  entries_.clear();
  used_ = 0;
  return status;
}

}  // namespace ssi
