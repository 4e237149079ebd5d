#include "deputy/home_threads.h"

#include <linux/sched.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstring>

#include "process/agent_site.h"

namespace ssi {

std::unique_ptr<LifeJob> LifeJob::NewThread(std::uint64_t flags, Made made) {
  return std::unique_ptr<LifeJob>(new LifeJob(flags, 0, std::move(made)));
}

std::unique_ptr<LifeJob> LifeJob::EndThread(int code) {
  return std::unique_ptr<LifeJob>(new LifeJob(0, code, {}));
}

std::size_t LifeJob::Prepare(AgentWindow& window) {
  if (flags_ == 0) {
    window.calls()[0] = {SYS_exit, {static_cast<std::uint64_t>(code_)}, 0};
    return 1;
  }
  // No stack: the new thread is stopped before its first instruction, and the
  // agent uses none.
  clone_args args{};
  args.flags = flags_;
  std::memcpy(window.data().data(), &args, sizeof args);
  window.calls()[0] = {SYS_clone3, {Raw(window.remote_data()), sizeof args}, 0};
  return 1;
}

void LifeJob::Finished(AgentWindow& window) {
  // May destroy this.
  auto made = std::move(made_);
  made(window.calls()[0].result);
}

HomeThread::HomeThread(const Parts& parts, const StandInThread& thread,
                       CallServer::Hooks call_hooks,
                       HomeSignals::Hooks signal_hooks)
    : tid(thread.tid()),
      signals{parts.signals, thread.image.signal_mask},
      executor(*thread.window, parts.waiter),
      calls(tid, parts.clock, executor, signals, std::move(call_hooks)),
      home_signals(
          HomeSignals::Parts{parts.pid, thread.tracee,
                             parts.stand_in.AgentCodeOf(thread), executor,
                             calls, signals, parts.group_stop, parts.origins},
          std::move(signal_hooks)) {
  calls.SetWaitedOn(thread.wait_memory);
}

HomeThread* HomeThreads::Find(HostPid tid) const {
  auto found = threads_.find(tid);
  return found == threads_.end() ? nullptr : found->second.get();
}

void HomeThreads::Add(std::unique_ptr<HomeThread> thread) {
  HomeThread& added = *thread;
  threads_[added.tid] = std::move(thread);
  if (holding_) {
    added.home_signals.Hold([this] { CheckHeld(); });
  }
}

void HomeThreads::Remove(HostPid tid) {
  auto found = threads_.find(tid);
  if (found == threads_.end()) {
    return;
  }
  for (const auto& [number, count] : found->second->calls.counts()) {
    counted_[number] += count;
  }
  threads_.erase(found);
  origins_.Forget(tid);
  unquiet_.erase(tid);
  CheckHeld();
  CheckIdle();
  CheckQuiet();
}

void HomeThreads::Clear() {
  threads_.clear();
  origins_ = {};
  counted_.clear();
  when_held_ = nullptr;
  when_idle_ = nullptr;
  when_quiet_ = nullptr;
  unquiet_.clear();
  holding_ = false;
}

void HomeThreads::Poll() {
  // A job that ends can add a thread.
  std::vector<HostPid> now;
  for (const auto& [tid, thread] : threads_) {
    now.push_back(tid);
  }
  for (HostPid tid : now) {
    if (auto* thread = Find(tid)) {
      thread->executor.Poll();
    }
  }
}

void HomeThreads::Hold(std::function<void()> then) {
  when_held_ = std::move(then);
  holding_ = true;
  for (auto& [tid, thread] : threads_) {
    thread->home_signals.Hold([this] { CheckHeld(); });
  }
}

void HomeThreads::CheckHeld() {
  bool held =
      holding_ &&
      std::all_of(threads_.begin(), threads_.end(), [](const auto& entry) {
        return entry.second->home_signals.held();
      });
  if (held && when_held_) {
    std::exchange(when_held_, nullptr)();
  }
}

void HomeThreads::Release() {
  holding_ = false;
  when_held_ = nullptr;
  for (auto& [tid, thread] : threads_) {
    thread->home_signals.Release();
  }
}

void HomeThreads::ReleaseAndOffer(std::function<void()> then) {
  when_quiet_ = std::move(then);
  unquiet_.clear();
  for (auto& [tid, thread] : threads_) {
    unquiet_.insert(tid);
    thread->home_signals.AwaitQuiet([this, tid] {
      unquiet_.erase(tid);
      CheckQuiet();
    });
  }
  Release();
}

void HomeThreads::CheckQuiet() {
  if (unquiet_.empty() && when_quiet_) {
    std::exchange(when_quiet_, nullptr)();
  }
}

void HomeThreads::LookAgain() {
  for (auto& [tid, thread] : threads_) {
    thread->home_signals.TryToHold();
  }
}

void HomeThreads::WhenIdle(std::function<void()> then) {
  when_idle_ = std::move(then);
  for (auto& [tid, thread] : threads_) {
    thread->executor.WhenIdle(when_idle_ ? [this] { CheckIdle(); }
                                         : std::function<void()>());
  }
}

void HomeThreads::CheckIdle() {
  bool idle = std::all_of(
      threads_.begin(), threads_.end(),
      [](const auto& entry) { return entry.second->executor.Idle(); });
  if (idle && when_idle_) {
    std::exchange(when_idle_, nullptr)();
  }
}

bool HomeThreads::StopLater() const {
  return std::any_of(threads_.begin(), threads_.end(), [](const auto& entry) {
    return entry.second->home_signals.stop_later();
  });
}

std::uint64_t HomeThreads::MaskOf(HostPid tid) const {
  const auto* thread = Find(tid);
  return thread == nullptr ? kAllSignals : thread->signals.mask;
}

void HomeThreads::GiveUpOffers() {
  for (auto& [tid, thread] : threads_) {
    thread->home_signals.GiveUpOffer();
  }
}

std::map<int, std::uint64_t> HomeThreads::Counts() const {
  auto counts = counted_;
  for (const auto& [tid, thread] : threads_) {
    for (const auto& [number, count] : thread->calls.counts()) {
      counts[number] += count;
    }
  }
  return counts;
}

}  // namespace ssi
