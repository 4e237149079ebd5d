#include "remote/guest.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "process/cpu_time.h"
#include "process/private_memory.h"
#include "proto/message.h"
#include "proto/session_frames.h"
#include "remote/lacks.h"
#include "supervisor/filter.h"

namespace ssi {

namespace {

using namespace std::chrono_literals;

// A process's own limits apply where its memory is. The core limit of 1 makes
// the kernel write no core here, not even to a pipe (core(5)).
Status ApplyLimits(HostPid pid, const ProcessImage& image) {
  constexpr std::array kHere = {RLIMIT_STACK, RLIMIT_DATA, RLIMIT_AS,
                                RLIMIT_MEMLOCK};
  for (auto resource : kHere) {
    const auto& limit = image.limits[static_cast<std::size_t>(resource)];
    rlimit value{limit.soft, limit.hard};
    // Above this node's hard limit: as much as there is.
    if (::prlimit(Raw(pid), resource, &value, nullptr) != 0) {
      rlimit mine{};
      ::getrlimit(resource, &mine);
      value.rlim_max = std::min(value.rlim_max, mine.rlim_max);
      value.rlim_cur = std::min(value.rlim_cur, value.rlim_max);
      ::prlimit(Raw(pid), resource, &value, nullptr);
    }
  }
  rlimit no_core{1, 1};
  // Where 1 is above the hard limit: 0, which keeps it from files.
  rlimit none{0, 0};
  if (::prlimit(Raw(pid), RLIMIT_CORE, &no_core, nullptr) != 0 &&
      ::prlimit(Raw(pid), RLIMIT_CORE, &none, nullptr) != 0) {
    return FailErrno(errno, "limits");
  }
  return {};
}

}  // namespace

Guest::Guest(Places places, Hooks hooks)
    : places_(places),
      hooks_(std::move(hooks)),
      leader_timer_(places.loop),
      later_(places.loop) {}

Guest::~Guest() {
  Destroy();
}

Status Guest::MakeSandbox(std::optional<Sandbox> prepared) {
  auto sandbox =
      prepared ? Result<Sandbox>(*std::move(prepared)) : Sandbox::Make();
  if (!sandbox) {
    return std::unexpected(Lacks("sandbox", sandbox.error()));
  }
  sandbox_.emplace(*std::move(sandbox));
  SSI_ASSIGN(ClockOffsets own, OwnClockOffsets());
  auto status = sandbox_->SetClockOffsets(
      {own.monotonic + shift_.monotonic, own.boot + shift_.boot});
  if (!status) {
    return std::unexpected(Lacks("time_namespace", status.error()));
  }
  return {};
}

Status Guest::Build(const CapturedProcess& incoming, const ClockShift& shift,
                    std::optional<Sandbox> sandbox) {
  shift_ = shift;
  incoming_ = incoming;
  for (auto& thread : incoming_.image.threads) {
    // Waits for a futex where those are who may wake it; when its time is up
    // AwayCalls ends it.
    if (thread.pending && thread.pending->number == SYS_futex &&
        thread.pending->left >= Nanos(0)) {
      thread.registers.SetInterrupted(SYS_futex, kRestartNoHand);
    }
    if (thread.pending && thread.pending->done > 0) {
      thread.registers.RewindCall(thread.pending->number);
    }
  }
  followed_ = incoming_.image;
  SSI_TRY(MakeSandbox(std::move(sandbox)));
  auto local_file = [this](std::uint32_t id) -> Result<const UniqueFd*> {
    for (const auto& file : followed_.files) {
      if (file.id == id) {
        const UniqueFd* found = places_.files.Find(file);
        if (found != nullptr) {
          return found;
        }
      }
    }
    return Fail(ErrorCode::kProtocol, "image: unknown file {}", id);
  };
  SSI_ASSIGN(auto body, Body::Build(*sandbox_, incoming_, local_file));
  body_.emplace(std::move(body));
  return {};
}

Status Guest::Finish() {
  SSI_ASSIGN(auto filter, supervisor::BuildFilter(body_->own_page()));
  SSI_TRY(body_->Finish(*sandbox_, filter));
  SSI_TRY(ApplyLimits(body_->pid(), followed_));
  MakeParts();
  return {};
}

void Guest::MakeParts() {
  signal_state_ = SignalState(followed_.actions);
  notifications_.emplace(body_->listener().get());
  mapper_.emplace(
      FileMapper::Parts{places_.channel, *body_, places_.files, followed_},
      [this](const Notification& call, std::string_view reason) {
        FindTask(call.thread)->calls.ComeHome(call, reason);
      });
  for (const auto& thread : followed_.threads) {
    if (!thread.exited) {
      auto& task = AddTask(thread.tid, Tracee(*body_->Find(thread.tid)),
                           thread.signal_mask);
      if (thread.pending && thread.pending->done > 0) {
        task.calls.SetRest(*thread.pending);
      } else {
        task.calls.SetPending(thread.pending);
      }
      task.away_signals.TakeUp(thread.undelivered);
    }
  }
  WatchCalls();
}

void Guest::WatchCalls() {
  listener_watch_ = std::make_unique<ReadWatch>(
      places_.loop, body_->listener().get(), [this] { OnListener(); });
}

AwayCalls::Hooks Guest::CallHooks(HomePid tid, HostPid here) {
  AwayCalls::Hooks hooks;
  hooks.tell = [this, tid](const Told& told) {
    Tell(tid, told);
  };
  hooks.come_home = [this, tid](int number, std::string_view reason) {
    wire::ComeHome come;
    come.set_number(number);
    come.set_reason(std::string(reason));
    come.set_thread(Raw(tid));
    hooks_.come_home(come);
  };
  hooks.map_file = [this, here](const Notification& call) {
    mapper_->Begin(FindTask(here)->thread, call);
  };
  hooks.remap = [this, here](const Notification& call) {
    mapper_->Begin(FindTask(here)->thread, call);
  };
  hooks.before_return = [this, here](RemoteAddr slot) {
    // A slot that cannot be read or written: the kernel sends SIGSEGV.
    (void)body_->vdso().BeforeReturn(here, slot);
  };
  hooks.thread_of = [this](HomePid other) {
    const auto* task = FindTask(other);
    return task == nullptr ? std::nullopt : std::optional(task->here());
  };
  return hooks;
}

AwaySignals::Hooks Guest::SignalHooks(HomePid tid, HostPid here) {
  AwaySignals::Hooks hooks;
  hooks.answer = [this](const wire::SignalAnswer& answer) {
    if (auto bytes = proto::EncodeMessage(answer)) {
      places_.channel.Send(proto::session::kSignalAnswer, 0, 0, *bytes);
    }
  };
  hooks.tell = [this, tid](const Told& told) {
    Tell(tid, told);
  };
  hooks.interrupt_local = [this, here] {
    FindTask(here)->calls.InterruptLocal();
  };
  hooks.before_handler = [this, here] {
    // A fault in the clock itself: while its handler runs, nothing moves.
    (void)body_->vdso().Leave(Tracee(here));
  };
  return hooks;
}

GuestTask& Guest::AddTask(HomePid tid, const Tracee& tracee,
                          std::uint64_t mask) {
  HostPid here = tracee.pid();
  Forwarder::Parts forwarder{places_.loop,
                             places_.clock,
                             places_.channel,
                             here,
                             tid,
                             [this](const ClockFloor& home) {
                               return BehindHome(home);
                             }};
  auto& task = tasks_[here];
  task = std::make_unique<GuestTask>(GuestTask::Parts{
      body_->pid(), tid, GuestThread(tracee, *notifications_, body_->wait()),
      signal_state_, mask, std::move(forwarder), SignalHooks(tid, here),
      CallHooks(tid, here), followed_});
  if (started_) {
    task->away_signals.OnStarting();
  }
  return *task;
}

GuestTask* Guest::FindTask(HostPid here) const {
  auto found = tasks_.find(here);
  return found == tasks_.end() ? nullptr : found->second.get();
}

GuestTask* Guest::FindTask(HomePid tid) const {
  auto found = std::find_if(
      tasks_.begin(), tasks_.end(),
      [tid](const auto& entry) { return entry.second->tid == tid; });
  return found == tasks_.end() ? nullptr : found->second.get();
}

void Guest::Hold(GuestThread::Hold hold) {
  for (auto& [here, task] : tasks_) {
    task->thread.AddHold(hold);
  }
}

void Guest::Drop(GuestThread::Hold hold) {
  for (auto& [here, task] : tasks_) {
    task->thread.DropHold(hold);
  }
}

void Guest::Tell(HomePid tid, const Told& told) {
  places_.channel.Send(proto::session::kTold, 0,
                       proto::session::CallId(Raw(tid), 0),
                       std::as_bytes(std::span(&told, 1)));
}

Nanos Guest::BehindHome(const ClockFloor& home) const {
  return std::max(
      home.monotonic - (places_.clock.Monotonic() + shift_.monotonic),
      home.boot - (places_.clock.Boot() + shift_.boot));
}

Status Guest::Start() {
  // No clock may show less than the process can have read elsewhere.
  SSI_TRY(SleepWhileBehind([this] {
    Nanos coarse = MonotonicCoarse() + shift_.monotonic;
    return std::max(BehindHome(followed_.clock_floor),
                    followed_.coarse_floor - coarse);
  }));
  SSI_TRY(body_->Start());
  incoming_ = {};
  started_ = true;
  for (auto& [here, task] : tasks_) {
    task->away_signals.OnStarting();
  }
  Drop(GuestThread::kHoldMove);
  return {};
}

void Guest::Freeze() {
  freezing_ = true;
  frozen_told_ = false;
  settling_ = false;
  Hold(GuestThread::kHoldMove);
  CheckFrozen();
}

void Guest::Settle() {
  settling_ = true;
  for (auto& [here, task] : tasks_) {
    if (task->thread.place() == GuestThread::Place::kNotified) {
      task->forwarder.Cancel();
      task->sleeper.Interrupt();
    }
  }
  CheckFrozen();
}

void Guest::CheckFrozen() {
  if (!freezing_ || tasks_.empty()) {
    return;
  }
  // A thread in a notification does not compute, and will not before it is
  // answered and stopped.
  bool still = std::all_of(tasks_.begin(), tasks_.end(), [](const auto& entry) {
    return entry.second->thread.place() != GuestThread::Place::kRunning;
  });
  if (still && !frozen_told_) {
    frozen_told_ = true;
    later_.Call(hooks_.frozen);
  }
  bool settled =
      settling_ && !mapper_->Busy() &&
      std::all_of(tasks_.begin(), tasks_.end(),
                  [](const auto& entry) { return entry.second->Settled(); });
  if (settled) {
    settling_ = false;
    later_.Call(hooks_.settled);
  }
}

void Guest::Resume() {
  freezing_ = false;
  settling_ = false;
  body_->Stay();
  Drop(GuestThread::kHoldHome);
  Drop(GuestThread::kHoldMove);
}

void Guest::Destroy() {
  over_ = true;
  listener_watch_.reset();
  leader_timer_.Stop();
  tasks_.clear();
  mapper_.reset();
  body_.reset();
  sandbox_.reset();
}

Status Guest::OnReply(std::uint64_t id, std::span<const std::byte> payload) {
  auto* task = FindTask(HomePid{proto::session::ThreadOfCall(id)});
  if (task == nullptr) {
    return Fail(ErrorCode::kProtocol, "a reply for no thread");
  }
  auto status = task->forwarder.OnReply(id, payload);
  CheckFrozen();
  return status;
}

Status Guest::OnMapReply(const wire::MapFileReply& reply) {
  if (!mapper_) {
    return Fail(ErrorCode::kProtocol, "a map reply before any request");
  }
  auto status = mapper_->OnReply(reply);
  CheckFrozen();
  return status;
}

void Guest::OnSignal(const wire::SignalOffer& offer) {
  auto* task = FindTask(HomePid{offer.thread()});
  if (task != nullptr && !over_) {
    task->away_signals.OnOffer(offer);
    CheckFrozen();
  }
}

void Guest::OnStop() {
  job_stopped_ = true;
  Hold(GuestThread::kHoldJobStop);
}

void Guest::OnContinue() {
  job_stopped_ = false;
  Drop(GuestThread::kHoldJobStop);
}

void Guest::OnRoom() {
  if (notifications_ && !over_ && !listener_watch_) {
    WatchCalls();
  }
}

std::string Guest::WhereItIs() const {
  for (const auto& [here, task] : tasks_) {
    if (task->Settled()) {
      continue;
    }
    std::string where = "computes";
    if (task->thread.place() == GuestThread::Place::kNotified) {
      const auto* row =
          supervisor::FindCall(task->thread.notification().number);
      where = fmt::format("in {}", row == nullptr ? "a call" : row->name);
    }
    return fmt::format("thread {} {}", Raw(task->tid), where);
  }
  return "not started";
}

wire::Usage Guest::UsedCpu() const {
  wire::Usage usage;
  if (body_) {
    if (auto used = CpuTimeOf(body_->pid())) {
      usage.set_cpu_user_ns(used->user.count());
      usage.set_cpu_system_ns(used->system.count());
    }
  }
  return usage;
}

wire::Usage Guest::CpuUsage() const {
  wire::Usage usage = UsedCpu();
  usage.set_cpu_only(true);
  for (const auto& [here, task] : tasks_) {
    CpuTime used = task->calls.UsedByThread();
    auto& thread = *usage.add_threads();
    thread.set_thread(Raw(task->tid));
    thread.set_cpu_user_ns(used.user.count());
    thread.set_cpu_system_ns(used.system.count());
  }
  return usage;
}

wire::Usage Guest::Usage() const {
  wire::Usage usage = UsedCpu();
  if (body_) {
    usage.set_host_pid(Raw(body_->pid()));
    usage.set_memory(PrivateMemoryOf(body_->living()));
  }
  auto counts = counts_of_ended_;
  for (const auto& [here, task] : tasks_) {
    for (const auto& [key, counted] : task->calls.counts()) {
      counts[key] += counted;
    }
  }
  for (const auto& [key, counted] : counts) {
    auto& call = *usage.add_calls();
    call.set_class_(static_cast<std::uint32_t>(key.first));
    call.set_number(key.second);
    call.set_count(counted.calls);
    call.set_answered_here(counted.answered_here);
  }
  return usage;
}

bool Guest::HasOutstandingCall() const {
  return std::any_of(tasks_.begin(), tasks_.end(), [](const auto& entry) {
    return entry.second->forwarder.Outstanding();
  });
}

}  // namespace ssi
