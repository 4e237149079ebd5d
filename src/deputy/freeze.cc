#include "deputy/freeze.h"

#include <sys/wait.h>

#include <algorithm>
#include <string>
#include <utility>

#include "deputy/cut_short.h"
#include "deputy/restarted_call.h"
#include "deputy/sleep_mark.h"
#include "deputy/traced_run.h"
#include "migration/limits.h"
#include "process/cpu_time.h"
#include "process/signal_queues.h"
#include "process/thread_call.h"
#include "process/threads.h"
#include "process/tracee.h"
#include "supervisor/call_table.h"

namespace ssi {

namespace {

// How often a thread that is to stop is interrupted again.
constexpr std::chrono::nanoseconds kSlice = std::chrono::milliseconds(20);

constexpr std::string_view kRunnable = "is running";

// For the message about a thread that does not stop.
std::string WhatItDoes(HostPid thread) {
  auto call = ReadThreadCall(thread);
  if (!call) {
    return "is in an unknown call";
  }
  if (!call->number) {
    return std::string(call->running ? kRunnable : "waits in no call");
  }
  const auto* row = supervisor::FindCall(static_cast<int>(*call->number));
  return row != nullptr ? fmt::format("is in call {}", row->name)
                        : fmt::format("is in call {}", *call->number);
}

// One freeze under way.
class Freezer {
 public:
  Freezer(HostPid pid, Found& found, std::chrono::nanoseconds limit)
      : pid_(pid), found_(found), limit_(limit) {}

  Result<Frozen> Run() {
    Status status = StopAll();
    if (!status) {
      LetGo();
      return std::unexpected(status.error());
    }
    Frozen frozen;
    frozen.leader_exited = leader_exited_;
    for (const auto& one : threads_) {
      frozen.threads.push_back({one.tracee.pid(), one.wait, one.restart_place});
    }
    found_ = {};
    return frozen;
  }

 private:
  struct One {
    Tracee tracee;
    // What it did before it was asked to stop:
    std::optional<SleepMark> mark;
    std::string restart_place;
    std::optional<std::uint64_t> used;
    bool frozen = false;
    std::optional<WaitLeft> wait;  // then, by the clock of that moment
    int delivered = 0;             // rounds of signals
  };

  // First all are asked to stop, then each is awaited: one at a time would take
  // a hundred times as long (kernel-facts, part 1 section 2). Who still ran may
  // have made others.
  Status StopAll() {
    for (;;) {
      SSI_ASSIGN(bool more, TakeNewOnes());
      if (!more) {
        break;
      }
      for (std::size_t i = 0; i < threads_.size();) {
        SSI_ASSIGN(bool ended, Await(threads_[i]));
        if (ended) {
          threads_.erase(threads_.begin() + static_cast<std::ptrdiff_t>(i));
        } else {
          ++i;
        }
      }
    }
    return threads_.empty() ? Gone() : Status();
  }

  Status Gone() const {
    return Fail(ErrorCode::kGone, "process {} ended", Raw(pid_));
  }

  Result<bool> TakeNewOnes() {
    bool some = false;
    SSI_ASSIGN(auto there, ThreadsOf(pid_));
    std::erase_if(there, [this](HostPid thread) { return Known(thread); });
    std::vector<One> ones;
    for (HostPid thread : there) {
      ones.push_back(LookAt(thread));
    }
    for (auto& one : ones) {
      auto begun = Begin(one.tracee);
      if (!begun && HasExited(one.tracee.pid())) {
        leader_exited_ |= one.tracee.pid() == pid_;
        continue;
      }
      SSI_TRY(begun);
      one.used = TimeOnCpu(one.tracee.pid());
      threads_.push_back(std::move(one));
      some = true;
    }
    return some;
  }

  [[nodiscard]] One LookAt(HostPid thread) const {
    One one{.tracee = Tracee(thread),
            .mark = {},
            .restart_place = {},
            .used = {},
            .wait = {}};
    if (auto call = ReadThreadCall(thread)) {
      one.mark = MarkSleep(pid_, thread, *call);
      one.restart_place = PlaceInRestart(thread, *call);
    }
    return one;
  }

  [[nodiscard]] bool Known(HostPid thread) const {
    return (thread == pid_ && leader_exited_) ||
           std::any_of(threads_.begin(), threads_.end(), [&](const One& one) {
             return one.tracee.pid() == thread;
           });
  }

  Status Begin(const Tracee& tracee) const {
    if (found_.stopped == tracee.pid()) {
      // Pends over this stop, and takes effect right after it.
      SSI_TRY(tracee.Interrupt());
      return tracee.Continue();
    }
    if (!found_.running.contains(tracee.pid())) {
      SSI_TRY(tracee.Seize(kHomeOptions));
    }
    return tracee.Interrupt();
  }

  // Until it stands still; true where it has ended instead.
  //
  // Counted in slices: a machine that itself stood still for longer than the
  // limit (one that is virtual) has used up just one of them.
  Result<bool> Await(One& one) {
    while (!one.frozen) {
      SSI_ASSIGN(auto stop, one.tracee.WaitFor(kSlice));
      if (!stop) {
        if (one.tracee.pid() == pid_ && HasExited(pid_)) {
          leader_exited_ = true;
          return true;
        }
        SSI_TRY(OnNoStop(one));
      } else if (stop->Dead() && one.tracee.pid() != pid_) {
        ::waitpid(Raw(one.tracee.pid()), nullptr, __WALL);
        return true;
      } else {
        SSI_TRY(OnStop(one, *stop));
      }
    }
    return false;
  }

  Status OnStop(One& one, const Stop& stop) {
    auto write = found_.writes.find(one.tracee.pid());
    if (write != found_.writes.end() && !stop.Dead() &&
        write->second.Settle(one.tracee, stop)) {
      found_.writes.erase(write);
    }
    switch (stop.kind) {
      case Stop::Kind::kExited:
      case Stop::Kind::kKilled:
        return Gone();
      case Stop::Kind::kInterrupted: {
        // A signal that pends here is delivered before the next instruction;
        // elsewhere it would arrive after some. So it is delivered here.
        constexpr int kMostDelivered = 64;
        auto queues = ReadSignalQueues(one.tracee.pid());
        one.frozen = !queues || !queues->AnyDeliverable() ||
                     one.delivered++ >= kMostDelivered;
        if (!one.frozen) {
          return one.tracee.Continue();
        }
        one.wait = WaitOf(one);
        return {};
      }
      case Stop::Kind::kGroupStop:
        one.frozen = true;  // as good as, for LetGo
        stopped_ = true;
        return Fail(ErrorCode::kDenied, "process {} is stopped (signal {})",
                    Raw(pid_), stop.value);
      default:
        // Every trap takes a pending interrupt away (kernel/signal.c,
        // ptrace_stop). Made now, it takes effect at the first instruction of a
        // signal's handler.
        SSI_TRY(one.tracee.Interrupt());
        return one.tracee.Continue(stop.kind == Stop::Kind::kSignal ? stop.value
                                                                    : 0);
    }
  }

  // One that has had no CPU is left alone: an interrupt comes before a signal
  // that it is to take first.
  Status OnNoStop(One& one) {
    HostPid thread = one.tracee.pid();
    auto before = std::exchange(one.used, TimeOnCpu(thread));
    std::string does = WhatItDoes(thread);
    bool starved = does == kRunnable && one.used && one.used == before;
    auto& left = starved ? starved_limit_ : limit_;
    left -= std::min(left, kSlice);
    if (left == std::chrono::nanoseconds(0)) {
      std::string who = thread == pid_ ? fmt::format("process {}", Raw(pid_))
                                       : fmt::format("thread {} of process {}",
                                                     Raw(thread), Raw(pid_));
      return Fail(ErrorCode::kRetry, "{} does not stop: it {}", who,
                  starved ? "waits for a CPU" : std::string_view(does));
    }
    // What was to stop it by being delivered can have been taken back.
    return starved ? Status() : one.tracee.Interrupt();
  }

  // Who runs cannot be detached: that is done at its next stop.
  void LetGo() {
    Found left;
    for (const auto& one : threads_) {
      if (!one.frozen) {
        left.TakeRunning(found_, one.tracee.pid());
      } else if (!LetGo(one, left)) {
        left.running.insert(one.tracee.pid());
      }
    }
    found_ = std::move(left);
  }

  // From its stop. False where it is still traced. A stop by a signal cuts
  // calls short natively, too.
  bool LetGo(const One& one, Found& left) const {
    if (!stopped_) {
      (void)MendCutShort(one.tracee);
      auto registers = one.tracee.GetRegisters();
      if (registers && left.Hold(one.tracee, one.wait, *registers)) {
        return false;
      }
    }
    return one.tracee.Detach().has_value();
  }

  [[nodiscard]] std::optional<WaitLeft> WaitOf(const One& one) const {
    HostPid thread = one.tracee.pid();
    if (auto held = found_.waits.find(thread); held != found_.waits.end()) {
      return held->second.left();
    }
    return one.mark ? WaitAfter(*one.mark, thread) : std::nullopt;
  }

  HostPid pid_;
  Found& found_;
  std::chrono::nanoseconds limit_;
  std::chrono::nanoseconds starved_limit_ = migration::kStarvedLimit;
  std::vector<One> threads_;
  bool leader_exited_ = false;
  bool stopped_ = false;
};

}  // namespace

Result<Frozen> Freeze(HostPid pid, Found& found,
                      std::chrono::nanoseconds limit) {
  return Freezer(pid, found, limit).Run();
}

}  // namespace ssi
