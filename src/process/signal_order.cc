#include "process/signal_order.h"

#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/files.h"
#include "process/kernel.h"
#include "process/status_text.h"

namespace ssi {

namespace {

// How often it is done anew because more were sent meanwhile.
constexpr int kMostRounds = 8;

// Padding included: the kernel clears it (copy_siginfo_to_user).
bool Equal(const siginfo_t& a, const siginfo_t& b) {
  return std::ranges::equal(std::as_bytes(std::span(&a, 1)),
                            std::as_bytes(std::span(&b, 1)));
}

// A list from which single signals are taken out.
class Remaining {
 public:
  explicit Remaining(const SignalList& list)
      : list_(list), taken_(list.size()) {}

  bool TakeFirst(const siginfo_t& like) {
    for (std::size_t i = first_; i < list_.size(); ++i) {
      if (!taken_[i] && Equal(list_[i], like)) {
        taken_[i] = true;
        while (first_ < list_.size() && taken_[first_]) {
          ++first_;
        }
        return true;
      }
    }
    return false;
  }
  bool TakeLast(const siginfo_t& like) {
    for (std::size_t i = list_.size(); i-- > first_;) {
      if (!taken_[i] && Equal(list_[i], like)) {
        taken_[i] = true;
        return true;
      }
    }
    return false;
  }
  void AppendTo(SignalList& to) const {
    for (std::size_t i = 0; i < list_.size(); ++i) {
      if (!taken_[i]) {
        to.push_back(list_[i]);
      }
    }
  }

 private:
  const SignalList& list_;
  std::vector<bool> taken_;
  std::size_t first_ = 0;  // all before it are taken
};

Result<SignalList> PeekQueue(HostPid pid, std::optional<int> signal,
                             std::uint32_t flags) {
  SignalList found;
  std::array<siginfo_t, 64> some{};
  __ptrace_peeksiginfo_args args{0, flags, static_cast<int>(some.size())};
  for (;;) {
    long count = ::ptrace(PTRACE_PEEKSIGINFO, Raw(pid), &args, some.data());
    if (count < 0) {
      return FailErrno(errno, "ptrace PEEKSIGINFO of {}", Raw(pid));
    }
    if (count == 0) {
      return found;
    }
    for (const auto& info :
         std::span(some).first(static_cast<std::size_t>(count))) {
      if (!signal || info.si_signo == *signal) {
        found.push_back(info);
      }
    }
    args.off += static_cast<std::uint64_t>(count);
  }
}

// A timer's signal is the timer's own: taken, it is sent anew.
bool OfTimer(const SignalList& list) {
  return std::any_of(list.begin(), list.end(), [](const siginfo_t& info) {
    return info.si_code == SI_TIMER;
  });
}

bool AllQueueable(const Task& task, const SignalList& of_process) {
  return std::all_of(
      of_process.begin(), of_process.end(),
      [&task](const siginfo_t& info) { return CanQueue(task, info, false); });
}

// Not where the limit was lowered since they were queued. "SigQ: used/limit"
// counts those of all processes of its user.
bool FitAgain(HostPid pid) {
  auto status = ReadFile(fmt::format("/proc/{}/status", Raw(pid)));
  std::string_view line = status ? StatusField(*status, "SigQ") : "";
  auto slash = line.find('/');
  if (slash == std::string_view::npos) {
    return false;
  }
  auto used = ParseNumber<std::uint64_t>(line.substr(0, slash));
  auto limit = ParseNumber<std::uint64_t>(line.substr(slash + 1));
  return used && limit && *used <= *limit;
}

// Takes signals of one number from the queues of a stopped process, and queues
// them again.
class Requeuer {
 public:
  Requeuer(InjectingRunner& runner, const Task& task, int signal)
      : runner_(runner), task_(task), signal_(signal) {}

  Status Reorder(const QueuedSignals& now, const QueuedSignals& wanted) {
    // The thread's are taken first, whichever are asked for.
    std::size_t count = now.of_thread.size();
    if (!SameSignals(now.of_process, wanted.of_process)) {
      count += now.of_process.size();
    }
    SSI_ASSIGN(auto taken, Take(count));
    Remaining threads(now.of_thread);
    Remaining processes(now.of_process);
    QueuedSignals sorted;
    for (const auto& info : taken) {
      // One that is in neither was sent to the thread in this moment.
      bool of_process = !threads.TakeFirst(info) && processes.TakeFirst(info);
      (of_process ? sorted.of_process : sorted.of_thread).push_back(info);
    }
    SSI_TRY(Queue(InOrderOf(wanted.of_thread, sorted.of_thread), true));
    return Queue(InOrderOf(wanted.of_process, sorted.of_process), false);
  }

 private:
  struct Space {
    siginfo_t info;
    std::uint64_t set;
    timespec limit;
  };

  Result<SignalList> Take(std::size_t count) {
    Space space{};
    space.set = SignalBit(signal_);
    SSI_TRY(runner_.Put(0, std::as_bytes(std::span(&space, 1))));
    SignalList taken;
    while (taken.size() < count) {
      std::array<AgentCall, 1> call = {
          AgentCall{SYS_rt_sigtimedwait,
                    {At(offsetof(Space, set)), At(offsetof(Space, info)),
                     At(offsetof(Space, limit)), sizeof space.set},
                    0}};
      SSI_TRY(runner_.Run(call));
      if (call[0].result != signal_) {
        break;  // something else takes them too (signalfd)
      }
      siginfo_t info{};
      SSI_TRY(runner_.Get(0, std::as_writable_bytes(std::span(&info, 1))));
      taken.push_back(info);
    }
    return taken;
  }

  Status Queue(const SignalList& list, bool of_thread) {
    CallBatch batch(runner_);
    for (const auto& info : list) {
      SSI_TRY(AddToQueue(batch, task_, info, of_thread));
    }
    return batch.Flush();
  }

  [[nodiscard]] std::uint64_t At(std::size_t offset) const {
    return Raw(runner_.space() + offset);
  }

  InjectingRunner& runner_;
  Task task_;
  int signal_;
};

}  // namespace

bool CanQueue(const Task& task, const siginfo_t& info, bool of_thread) {
  return of_thread || task.process == task.thread ||
         (info.si_code < 0 && info.si_code != SI_TKILL);
}

Status AddToQueue(CallBatch& batch, const Task& task, const siginfo_t& info,
                  bool of_thread) {
  auto process = static_cast<std::uint64_t>(Raw(task.process));
  auto thread = static_cast<std::uint64_t>(Raw(task.thread));
  auto signal = static_cast<std::uint64_t>(info.si_signo);
  SSI_ASSIGN(RemoteAddr at, batch.PlaceObject(info));
  if (of_thread) {
    batch.Add("rt_tgsigqueueinfo", SYS_rt_tgsigqueueinfo,
              {process, thread, signal, Raw(at)});
  } else {
    batch.Add("rt_sigqueueinfo", SYS_rt_sigqueueinfo,
              {process, signal, Raw(at)});
  }
  return {};
}

SignalList WithOlderFirst(const SignalList& older, const SignalList& queued) {
  Remaining rest(queued);
  SignalList ordered;
  for (auto info = older.rbegin(); info != older.rend(); ++info) {
    if (rest.TakeLast(*info)) {
      ordered.push_back(*info);
    }
  }
  std::reverse(ordered.begin(), ordered.end());
  rest.AppendTo(ordered);
  return ordered;
}

SignalList InOrderOf(const SignalList& wanted, const SignalList& queued) {
  Remaining rest(queued);
  SignalList ordered;
  for (const auto& info : wanted) {
    if (rest.TakeFirst(info)) {
      ordered.push_back(info);
    }
  }
  rest.AppendTo(ordered);
  return ordered;
}

bool SameSignals(const SignalList& a, const SignalList& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), Equal);
}

Result<QueuedSignals> PeekQueued(HostPid thread, int signal) {
  QueuedSignals queued;
  SSI_ASSIGN(queued.of_thread, PeekQueue(thread, signal, 0));
  SSI_ASSIGN(queued.of_process,
             PeekQueue(thread, signal, PTRACE_PEEKSIGINFO_SHARED));
  return queued;
}

Result<SignalList> PeekOwnQueue(HostPid thread) {
  return PeekQueue(thread, std::nullopt, 0);
}

Status PutInFront(InjectingRunner& runner, const Task& task, int signal,
                  const QueuedSignals& older) {
  SSI_ASSIGN(auto now, PeekQueued(task.thread, signal));
  QueuedSignals wanted{WithOlderFirst(older.of_thread, now.of_thread),
                       WithOlderFirst(older.of_process, now.of_process)};
  Requeuer requeuer(runner, task, signal);
  for (int round = 0; round < kMostRounds; ++round) {
    QueuedSignals next{InOrderOf(wanted.of_thread, now.of_thread),
                       InOrderOf(wanted.of_process, now.of_process)};
    bool right = SameSignals(next.of_thread, now.of_thread) &&
                 SameSignals(next.of_process, now.of_process);
    if (right || OfTimer(now.of_thread) || OfTimer(now.of_process) ||
        !FitAgain(task.thread) || !AllQueueable(task, now.of_process)) {
      return {};
    }
    SSI_TRY(requeuer.Reorder(now, next));
    SSI_ASSIGN(now, PeekQueued(task.thread, signal));
  }
  return {};
}

}  // namespace ssi
