// The threads of the process at home: their stops, and those that come and go
// while it is away.
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>

#include <spdlog/spdlog.h>

#include "deputy/cut_short.h"
#include "deputy/deputy.h"
#include "process/threads.h"
#include "proto/message.h"
#include "proto/session_frames.h"

namespace ssi {

namespace session = proto::session;

// ---- serving ----------------------------------------------------------------

CallServer::Hooks Deputy::CallHooks() {
  CallServer::Hooks hooks;
  hooks.reply = [this](std::uint64_t id, const supervisor::CallReply& reply) {
    if (process_.session && process_.session->Open()) {
      // The parts beyond the count may be left from an earlier call.
      auto part = [&reply](std::size_t i) {
        return i < reply.head.buffer_count ? reply.parts[i]
                                           : std::span<const std::byte>();
      };
      process_.session->channel().Send(
          session::kReply, 0, id,
          {reply.head.Wire(), part(0), part(1), part(2), part(3), part(4),
           part(5), part(6), part(7)});
    }
  };
  return hooks;
}

HomeSignals::Hooks Deputy::SignalHooks() {
  HomeSignals::Hooks hooks;
  hooks.offer = [this](const wire::SignalOffer& offer) {
    Transmit(session::kSignal, offer);
  };
  hooks.taken = [this] {
    process_.threads.LookAgain();
  };
  hooks.stopped = [this](int signal) {
    if (process_.session) {
      process_.session->channel().Send(session::kStop, 0, 0,
                                       std::span<const std::byte>());
    }
    hooks_.stopped(signal);
  };
  hooks.continued = [this] {
    if (process_.session) {
      process_.session->channel().Send(session::kContinue, 0, 0,
                                       std::span<const std::byte>());
    }
    hooks_.continued();
    AnswerComeHome();
  };
  return hooks;
}

void Deputy::AddThread(const StandInThread& thread) {
  auto call_hooks = CallHooks();
  call_hooks.mask_set = [this, tid = thread.tid()] {
    if (auto* set = process_.threads.Find(tid)) {
      set->home_signals.TryToHold();
    }
  };
  call_hooks.for_thread = [this](HostPid process, HostPid to,
                                 const siginfo_t& info, bool queued) {
    if (process == process_.pid && process_.threads.Find(to) != nullptr) {
      auto& origins = process_.threads.origins();
      queued ? origins.Note({process, to}, info)
             : origins.NotQueued({process, to}, info);
    }
  };
  for (const auto& info : thread.queued) {
    process_.threads.origins().Note({process_.pid, thread.tid()}, info);
  }
  process_.threads.Add(std::make_unique<HomeThread>(
      HomeThread::Parts{process_.pid, places_.clock, places_.waiter,
                        process_.signals, process_.group_stop,
                        *process_.stand_in, process_.threads.origins()},
      thread, std::move(call_hooks), SignalHooks()));
}

// ---- life calls -------------------------------------------------------------

// What a thread shares; the rest of clone's flags is done where it computes.
constexpr std::uint64_t kShared = CLONE_VM | CLONE_FS | CLONE_FILES |
                                  CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;

Status Deputy::OnLife(std::span<const std::byte> payload) {
  wire::LifeRequest request;
  SSI_TRY(proto::DecodeMessage(payload, request));
  auto* thread = process_.threads.Find(HostPid{request.thread()});
  if (thread == nullptr || thread->life || ended_) {
    AnswerLife(request.id(), -ESRCH);
    return {};
  }
  if (request.has_end_thread()) {
    thread->ending = request.id();
    thread->life = LifeJob::EndThread(request.end_thread().code());
    if (thread->tid == process_.pid) {
      AwaitLeaderEnd();
    }
  } else {
    constexpr std::uint64_t kThread = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD;
    std::uint64_t flags = request.new_thread().flags();
    if ((flags & kThread) != kThread || (flags & ~kShared) != 0) {
      return Fail(ErrorCode::kProtocol, "a thread with flags {:#x}", flags);
    }
    thread->life = LifeJob::NewThread(
        flags, [this, id = request.id(), tid = thread->tid](auto result) {
          process_.threads.Find(tid)->life.reset();
          OnThreadMade(id, result);
        });
  }
  thread->executor.Submit(*thread->life);
  return {};
}

void Deputy::OnThreadMade(std::uint64_t request, std::int64_t result) {
  if (result > 0) {
    auto adopted =
        process_.stand_in->Adopt(HostPid{static_cast<pid_t>(result)});
    if (!adopted) {
      if (adopted.error().code != ErrorCode::kGone) {
        spdlog::error("process {}: thread {}: {}", Raw(process_.pid), result,
                      adopted.error().message);
      }
      return;  // it is dying
    }
    AddThread(**adopted);
  }
  AnswerLife(request, result);
}

void Deputy::AnswerLife(std::uint64_t request, std::int64_t result) {
  wire::LifeReply reply;
  reply.set_id(request);
  reply.set_result(result);
  Transmit(session::kLifeReply, reply);
}

// The end of the first thread is not told while there are others
// (delay_group_leader, include/linux/sched/signal.h).
void Deputy::AwaitLeaderEnd() {
  constexpr Nanos kLook = std::chrono::milliseconds(1);
  leader_timer_.Start(kLook, [this] {
    if (HasExited(process_.pid)) {
      OnThreadEnded(process_.pid);
    } else {
      AwaitLeaderEnd();
    }
  });
}

void Deputy::OnThreadEnded(HostPid thread) {
  if (process_.stand_in) {
    process_.stand_in->Forget(thread);
  }
  process_.found.Forget(thread);
  auto* home = process_.threads.Find(thread);
  if (home != nullptr) {
    auto ending = home->ending;
    process_.threads.Remove(thread);
    if (ending) {
      AnswerLife(*ending, 0);
    }
  }
}

// A process can end while the agent makes a thread for it, which nobody here
// knows then. It is traced from its first moment, so that the process is not
// over before it is reaped.
void Deputy::WatchEnd() {
  constexpr int kLooks = 140;
  end_looks_ = kLooks;
  if (!end_timer_.running()) {
    ReapUnknown();
  }
}

void Deputy::ReapUnknown() {
  // At once, or on a busy machine some time later.
  constexpr int kRareLooks = 100;
  auto pause = std::chrono::milliseconds(end_looks_ > kRareLooks ? 5 : 100);
  auto there = ThreadsOf(process_.pid);
  auto known = TracedThreads();
  for (HostPid thread : there.value_or(std::vector<HostPid>())) {
    if (std::find(known.begin(), known.end(), thread) == known.end() &&
        HasExited(thread)) {
      ::waitpid(Raw(thread), nullptr, __WALL | WNOHANG);
    }
  }
  if (!ended_ && end_looks_-- > 0) {
    end_timer_.Start(pause, [this] { ReapUnknown(); });
  }
}

// ---- stops ------------------------------------------------------------------

std::vector<HostPid> Deputy::TracedThreads() const {
  std::vector<HostPid> traced = {process_.pid};
  auto add = [&traced, this](HostPid thread) {
    if (thread != process_.pid) {
      traced.push_back(thread);
    }
  };
  if (process_.stand_in) {
    for (const auto& thread : process_.stand_in->threads()) {
      add(thread->tid());
    }
  }
  if (run_) {
    add(run_->thread());
  }
  for (HostPid running : process_.found.running) {
    add(running);
  }
  return traced;
}

bool Deputy::PollStops() {
  for (HostPid thread : TracedThreads()) {
    while (Traced()) {
      auto stop = Tracee(thread).WaitFor(Nanos(0));
      if (!stop || !*stop) {
        break;
      }
      if (!(*stop)->Dead()) {
        OnStop(thread, **stop);
        continue;
      }
      if (thread == process_.pid) {
        return true;
      }
      WatchEnd();
      ::waitpid(Raw(thread), nullptr, __WALL);
      OnThreadEnded(thread);
      break;
    }
  }
  return false;
}

void Deputy::OnAlarm() {
  process_.threads.Poll();
}

void Deputy::OnStop(HostPid thread, const Stop& stop) {
  Tracee tracee(thread);
  if (run_) {
    if (stop.kind == Stop::Kind::kGroupStop) {
      hooks_.stopped(stop.value);
    } else if (stop.kind == Stop::Kind::kInterrupted) {
      hooks_.continued();
    }
    if (process_.found.Holds(thread) && stop.kind != Stop::Kind::kExec) {
      OnHeldStop(tracee, stop);
    } else if (thread == run_->thread() || stop.kind == Stop::Kind::kExec) {
      run_->OnStop(stop);
    } else {
      RunOn(tracee, stop);
    }
    return;
  }
  auto* home = process_.threads.Find(thread);
  if (home != nullptr && !ending_like_) {
    home->home_signals.OnStop(stop);
    OnAlarm();
    return;
  }
  OnStopAtHome(tracee, stop);
}

// One that was killed meanwhile is ours to reap.
void Deputy::LetGo(HostPid thread, int signal) {
  if (auto status = Tracee(thread).Detach(signal); !status) {
    process_.found.running.insert(thread);
  }
}

void Deputy::OnStopAtHome(const Tracee& tracee, const Stop& stop) {
  int signal = stop.kind == Stop::Kind::kSignal ? stop.value : 0;
  if (process_.found.Holds(tracee.pid()) && !ending_like_) {
    OnHeldStop(tracee, stop);
    return;
  }
  if (stop.kind == Stop::Kind::kInterrupted && !ending_like_) {
    (void)MendCutShort(tracee);
  }
  if (process_.found.running.erase(tracee.pid()) != 0 && !ending_like_) {
    LetGo(tracee.pid(), signal);
    hooks_.changed();
    return;
  }
  if (process_.stand_in && signal == SIGSTOP && !ending_like_) {
    process_.stand_in->StopLater();
    signal = 0;
  }
  // Where it is to end so: the signal that ends it.
  (void)tracee.Continue(signal);
}

}  // namespace ssi
