#include "remote/away_calls.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "process/memory.h"
#include "process/thread_call.h"
#include "supervisor/timed_calls.h"

namespace ssi {

using supervisor::CallClass;
using supervisor::Decision;
using supervisor::Special;

namespace {

// uc_sigmask as rt_sigreturn finds it: the handler's return has popped the
// frame's first word, so that rsp points to struct ucontext.
constexpr std::uint64_t kReturnMask = offsetof(ucontext_t, uc_sigmask);
static_assert(kReturnMask == 8 + 8 + 24 + 256);
constexpr std::uint64_t kReturnAddress =
    offsetof(ucontext_t, uc_mcontext.gregs) + REG_RIP * sizeof(greg_t);

bool IsCall(const PendingCall& pending, const Notification& call) {
  return pending.number == static_cast<std::uint64_t>(call.number) &&
         pending.args == call.args;
}

// The limits that the kernel applies where the memory is; the others are
// home's business alone.
bool AppliesWhereItComputes(std::uint64_t resource) {
  return resource == RLIMIT_AS || resource == RLIMIT_DATA ||
         resource == RLIMIT_STACK || resource == RLIMIT_MEMLOCK;
}

}  // namespace

void AwayCalls::OnCall(const Notification& call) {
  if (parts_.thread.Torn()) {
    // Before anything is done for it: made again, it must find all as it was.
    parts_.thread.Answer(kRestartNoIntr);
    return;
  }
  Decision decision =
      supervisor::Decide(call.number, call.args, parts_.followed.pid);
  current_ = &counts_[{decision.call_class, call.number}];
  ++current_->calls;
  switch (decision.call_class) {
    case CallClass::kLocal:
      ByKernel();
      return;
    case CallClass::kLocalTold:
      LocalTold(call, decision);
      return;
    case CallClass::kBoth:
      Both(call, decision);
      return;
    case CallClass::kHome:
    case CallClass::kHomeKnown:
    case CallClass::kSharedFile:
      Home(call, decision);
      return;
    case CallClass::kLife:
    case CallClass::kComeHome:
      ComeHome(call, decision.note);
      return;
  }
}

void AwayCalls::ByKernel() {
  ++current_->answered_here;
  parts_.thread.AnswerByKernel();
}

void AwayCalls::Answer(std::int64_t result) {
  if (result == kRestartNoIntr) {
    --current_->calls;  // not begun: it comes again
  }
  parts_.signals.BeforeAnswer();
  parts_.thread.Answer(result);
}

void AwayCalls::ComeHome(const Notification& call, std::string_view reason) {
  --current_->calls;
  CountStop(CallClass::kComeHome, call.number);
  // Out of the notification with a restart code, into a stop that must pend
  // before (else the code would leak to the program).
  parts_.thread.AddHold(GuestThread::kHoldHome);
  parts_.thread.Answer(kRestartNoIntr);
  hooks_.come_home(call.number, reason);
}

void AwayCalls::Home(const Notification& call, const Decision& decision) {
  if (decision.special == Special::kDumpable) {
    Dumpable(call);
    return;
  }
  if (auto known = known_.Find(call.number)) {
    ++current_->answered_here;
    parts_.thread.Answer(*known);
    return;
  }
  int number = call.number;
  Before before;
  if (auto rest = std::exchange(rest_, std::nullopt);
      rest && IsCall(*rest, call)) {
    before.done = rest->done;
  }
  bool sent = parts_.forwarder.Forward(
      *decision.row, call.args,
      [this, number](std::int64_t result) {
        known_.Learn(number, result);
        Answer(result);
      },
      {}, before);
  if (!sent) {
    ComeHome(call, decision.note);
  }
}

void AwayCalls::LocalTold(const Notification& call, const Decision& decision) {
  switch (decision.special) {
    case Special::kSignalMask:
      SignalMask(call);
      return;
    case Special::kSignalAction:
      SignalAction(call);
      return;
    case Special::kSignalReturn:
      SignalReturn();
      return;
    case Special::kSleep:
      Sleep(call);
      return;
    case Special::kRestart:
      Restart(call);
      return;
    case Special::kRemap:
      hooks_.remap(call);
      return;
    default:  // set_tid_address
      ByKernel();
      return;
  }
}

void AwayCalls::SignalMask(const Notification& call) {
  auto set =
      ReadObject<std::uint64_t>(parts_.thread_id, RemoteAddr{call.args[1]});
  constexpr std::uint64_t kSigsetSize = 8;
  auto after = set && call.args[3] == kSigsetSize
                   ? MaskAfter(parts_.signal_state.mask,
                               static_cast<int>(call.args[0]), *set)
                   : std::nullopt;
  if (!after) {
    ByKernel();  // which refuses it
    return;
  }
  ChangeMask(*after, [] {});
}

// A change that only blocks is made at once and told in order. One that
// unblocks waits for home, which sends first what becomes deliverable: then it
// is pending here when the kernel unblocks it, and its handler runs before the
// call returns (POSIX, and design section 7). `before`: where the kernel makes
// the call, and nothing can come in between any more.
void AwayCalls::ChangeMask(std::uint64_t mask,
                           const std::function<void()>& before) {
  std::uint64_t old = std::exchange(parts_.signal_state.mask, mask);
  if ((old & ~mask) == 0) {
    if (old != mask) {
      Told told;
      told.kind = Told::Kind::kMask;
      told.mask = mask;
      hooks_.tell(told);
    }
    before();
    ByKernel();
    return;
  }
  parts_.signals.AwaitMask(mask);
  parts_.forwarder.ChangeMask(mask, [this, old, before](std::int64_t result) {
    parts_.signals.MaskArrived();
    // It is about to go home, or stops before the kernel here knows the mask.
    if (IsRestart(result) || parts_.thread.Torn()) {
      parts_.signal_state.mask = old;
      --current_->calls;
      parts_.thread.Answer(kRestartNoIntr);
      return;
    }
    before();
    parts_.thread.AnswerByKernel();
  });
}

void AwayCalls::SignalReturn() {
  auto here = ReadThreadCall(parts_.thread_id);
  if (here && here->running) {
    // The receipt of its notification wakes it for a moment. By the kernel
    // alone, home would never know of the mask. It is made again.
    --current_->calls;
    parts_.thread.RequestStop();
    parts_.thread.Answer(kRestartNoIntr);
    return;
  }
  auto mask =
      here ? ReadObject<std::uint64_t>(parts_.thread_id, here->sp + kReturnMask)
           : Result<std::uint64_t>(Fail(ErrorCode::kGone, ""));
  if (!mask) {
    ByKernel();  // a bad frame: the kernel sends SIGSEGV
    return;
  }
  ChangeMask(*mask & ~kNeverBlocked, [this, slot = here->sp + kReturnAddress] {
    hooks_.before_return(slot);
  });
}

void AwayCalls::SignalAction(const Notification& call) {
  auto action =
      ReadObject<KernelSigaction>(parts_.thread_id, RemoteAddr{call.args[1]});
  constexpr std::uint64_t kSigsetSize = 8;
  auto signal = static_cast<int>(call.args[0]);
  if (action && call.args[3] == kSigsetSize &&
      parts_.signal_state.process.SetAction(signal, *action)) {
    Told told;
    told.kind = Told::Kind::kAction;
    told.signal = signal;
    told.action = parts_.signal_state.process
                      .actions()[static_cast<std::size_t>(signal - 1)];
    hooks_.tell(told);
  }
  ByKernel();
}

void AwayCalls::Sleep(const Notification& call) {
  auto finish = [this](std::int64_t result) {
    pending_ = parts_.sleeper.TakePending();
    Answer(result);
  };
  ++current_->answered_here;
  if (parts_.sleeper.Begin(call.number, call.args, finish)) {
    return;
  }
  // FUTEX_WAIT with a time limit, or a clock of the process's own: the kernel
  // waits, and what will be left is known from the start.
  ProcessMemory memory(parts_.thread_id);
  auto left = supervisor::TimeLeft(call.number, call.args, memory);
  auto before = TakePending(call.args);
  began_.reset();
  time_is_up_ = false;
  limit_timer_.Stop();
  if (before && before->left >= Nanos(0)) {
    // It began elsewhere: the kernel here would wait for the whole of it.
    left = before->left;
    limit_timer_.Start(*left, [this] {
      time_is_up_ = true;
      parts_.thread.RequestStop();
    });
  }
  if (left) {
    began_ = Began{
        PendingCall{static_cast<std::uint64_t>(call.number), call.args, *left},
        parts_.clock.Boot()};
  }
  parts_.thread.AnswerByKernel();
}

// Woken meanwhile, it is out of that wait, and nothing happens.
void AwayCalls::OnThreadStopped() {
  if (!std::exchange(time_is_up_, false) || !began_) {
    return;
  }
  auto registers = parts_.thread.tracee().GetRegisters();
  const PendingCall& call = began_->call;
  // Restarted, where a stop signal has interrupted it before.
  bool waits = registers && (registers->InThis(call.number, call.args) ||
                             registers->InThis(SYS_restart_syscall, call.args));
  if (waits && registers->result() == kRestartBlock) {
    registers->FinishCall(-ETIMEDOUT);
    (void)parts_.thread.tracee().SetRegisters(*registers);
  }
}

// The call goes on that was interrupted last, if it is the one with `args`:
// where a handler ran, the program has its EINTR and makes another one.
// Arguments stay in their registers when the kernel makes it restart_syscall.
std::optional<PendingCall> AwayCalls::TakePending(const CallArgs& args) {
  auto pending = std::exchange(pending_, std::nullopt);
  if (auto later = parts_.forwarder.TakePending()) {
    pending = later;
  }
  return pending && pending->args == args ? pending : std::nullopt;
}

void AwayCalls::Restart(const Notification& call) {
  auto pending = TakePending(call.args);
  auto finish = [this](std::int64_t result) {
    pending_ = parts_.forwarder.TakePending();
    if (!pending_) {
      pending_ = parts_.sleeper.TakePending();
    }
    Answer(result);
  };
  if (!pending) {
    parts_.thread.AnswerByKernel();  // whose own wait goes on, or is none
    return;
  }
  if (pending->left < Nanos(0)) {
    parts_.forwarder.ForwardRestart(*pending, finish);
    return;
  }
  const auto* row = supervisor::FindCall(static_cast<int>(pending->number));
  bool sleeps = pending->number == SYS_nanosleep ||
                pending->number == SYS_clock_nanosleep;
  bool away = row != nullptr &&
              row->call_class != supervisor::CallClass::kComeHome &&
              supervisor::TimedCallOf(row->nr) != nullptr;
  if (sleeps) {
    parts_.sleeper.GoOn(*pending, finish);
  } else if (!away || !parts_.forwarder.Forward(*row, pending->args, finish, {},
                                                {.left = pending->left})) {
    GoOnAtHome(*pending);
  }
}

void AwayCalls::GoOnAtHome(const PendingCall& pending) {
  pending_ = pending;
  Notification call;
  call.number = static_cast<int>(pending.number);
  ComeHome(call, "a wait that began at home");
}

std::optional<PendingCall> AwayCalls::PendingOf(const Registers& registers) {
  if (!registers.InCall() || registers.result() != kRestartBlock) {
    return std::nullopt;
  }
  if (auto pending = TakePending(registers.args())) {
    return pending;
  }
  if (began_ && began_->call.args == registers.args()) {
    PendingCall pending = began_->call;
    pending.left =
        std::max(Nanos(0), pending.left - (parts_.clock.Boot() - began_->at));
    return pending;
  }
  return std::nullopt;
}

std::optional<PendingCall> AwayCalls::CutOf(Registers& registers) {
  if (rest_ && FinishRest(registers)) {
    return rest_;
  }
  const auto& cut = parts_.forwarder.cut();
  bool over = cut && registers.InThis(cut->number, cut->args) &&
              registers.result() == static_cast<std::int64_t>(cut->done);
  return over ? cut : std::nullopt;
}

// Before it has begun again, or where that was torn: it is over.
bool AwayCalls::FinishRest(Registers& registers) const {
  if (registers.args() != rest_->args) {
    return false;
  }
  auto done = static_cast<std::int64_t>(rest_->done);
  if (registers.InCall()) {
    bool torn = registers.call_number() == rest_->number &&
                IsRestart(registers.result());
    if (torn) {
      registers.SetInterrupted(rest_->number, done);
    }
    return torn;
  }
  bool before = registers.raw().rax == rest_->number;
  if (before) {
    registers.BackIntoCall(done);
    registers.SetInterrupted(rest_->number, done);
  }
  return before;
}

void AwayCalls::BeforeSignal() {
  if (!rest_) {
    return;
  }
  const Tracee& tracee = parts_.thread.tracee();
  auto registers = tracee.GetRegisters();
  if (registers && FinishRest(*registers)) {
    (void)tracee.SetRegisters(*registers);
    rest_.reset();
  }
}

void AwayCalls::Dumpable(const Notification& call) {
  ++current_->answered_here;
  std::int64_t& dumpable = parts_.followed.states.dumpable;
  if (call.args[0] == PR_GET_DUMPABLE) {
    parts_.thread.Answer(dumpable < 0 ? 1 : dumpable);
  } else if (call.args[1] > 1) {
    parts_.thread.Answer(-EINVAL);
  } else {
    dumpable = static_cast<std::int64_t>(call.args[1]);
    parts_.thread.Answer(0);
  }
}

void AwayCalls::Both(const Notification& call, const Decision& decision) {
  if (decision.special == Special::kMapFile) {
    hooks_.map_file(call);
    return;
  }
  if (decision.special == Special::kCpuTime) {
    CpuClock(call, decision);
    return;
  }
  Notification made = call;
  Special special = decision.special;
  bool sent = parts_.forwarder.Forward(
      *decision.row, call.args,
      [this, made, special](auto result) { AfterBoth(made, special, result); });
  if (!sent) {
    ComeHome(call, decision.note);
  }
}

void AwayCalls::AfterBoth(const Notification& call, Special special,
                          std::int64_t result) {
  if (result < 0) {
    Answer(result);
    return;
  }
  switch (special) {
    case Special::kCredentials:
      known_.Forget();
      break;
    case Special::kUmask:
      break;
    case Special::kLimits:
      ApplyLimits(call);
      break;
    case Special::kPriority:
      ApplyPriority(call);
      break;
    default:
      // The name, personality, prctl states: the same call, here.
      parts_.signals.BeforeAnswer();
      parts_.thread.AnswerByKernel();
      return;
  }
  Answer(result);
}

void AwayCalls::ApplyLimits(const Notification& call) {
  bool plain = call.number == SYS_setrlimit;
  std::uint64_t resource = plain ? call.args[0] : call.args[1];
  RemoteAddr at{plain ? call.args[1] : call.args[2]};
  auto pid = static_cast<pid_t>(call.args[0]);
  bool own = plain || pid == 0 || pid == Raw(parts_.followed.pid);
  auto limit = ReadObject<rlimit>(parts_.thread_id, at);
  if (!own || !limit || resource >= kLimitCount) {
    return;
  }
  parts_.followed.limits[resource] = {limit->rlim_cur, limit->rlim_max};
  if (AppliesWhereItComputes(resource)) {
    (void)::prlimit(Raw(parts_.guest), static_cast<__rlimit_resource>(resource),
                    &*limit, nullptr);
  }
}

// It is of one thread, as the kernel has it (setpriority(2), NOTES).
void AwayCalls::ApplyPriority(const Notification& call) {
  if (call.number != SYS_setpriority || call.args[0] != PRIO_PROCESS) {
    return;
  }
  auto who = static_cast<pid_t>(call.args[1]);
  auto thread = who == 0 ? std::optional(parts_.thread_id)
                         : hooks_.thread_of(HomePid{who});
  if (thread) {
    (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(Raw(*thread)),
                        static_cast<int>(call.args[2]));
  }
}

}  // namespace ssi
