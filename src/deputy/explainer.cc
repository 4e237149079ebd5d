#include "deputy/explainer.h"

#include <linux/audit.h>
#include <sys/syscall.h>

#include <optional>

#include <spdlog/spdlog.h>

#include "base/files.h"
#include "deputy/cut_short.h"
#include "deputy/explain_report.h"
#include "process/memory.h"
#include "process/signal_queues.h"
#include "process/status_text.h"

namespace ssi {

namespace {

HomePid ProcessOf(pid_t thread) {
  auto status = ReadFile(fmt::format("/proc/{}/status", thread));
  auto process = status ? StatusNumber(*status, "Tgid") : std::nullopt;
  return HomePid{process ? static_cast<pid_t>(*process) : thread};
}

}  // namespace

void Explainer::Begin(HostPid main) {
  GoOn(Tracee(main));
}

void Explainer::OnStop(HostPid thread, const Stop& stop) {
  Tracee tracee(thread);
  pid_t pid = Raw(thread);
  if (stop.kind != Stop::Kind::kGroupStop && stopped_.erase(pid) > 0) {
    on_state_(pid, 0);
  }
  switch (stop.kind) {
    case Stop::Kind::kExited:
    case Stop::Kind::kKilled:
      transfers_.erase(pid);
      again_.erase(pid);
      return;
    case Stop::Kind::kSeccomp:
      OnCall(tracee);
      return;
    case Stop::Kind::kSyscall:
      OnResult(tracee);
      return;
    case Stop::Kind::kSignal:
      OnSignal(tracee, stop.value);
      return;
    case Stop::Kind::kGroupStop:
      stopped_.insert(pid);
      (void)tracee.Listen();
      on_state_(pid, stop.value);
      return;
    default:
      GoOn(tracee);
      return;
  }
}

void Explainer::GoOn(const Tracee& tracee, int signal) {
  auto status = tracee.Continue(signal);
  if (!status && status.error().code != ErrorCode::kGone) {
    spdlog::error("--explain: {}", status.error().message);
  }
}

// Its exit-stop is asked for where the result says how much was moved.
void Explainer::OnCall(const Tracee& tracee) {
  pid_t thread = Raw(tracee.pid());
  auto info = tracee.GetCallInfo();
  if (!info) {
    GoOn(tracee);  // killed
    return;
  }
  // A number of another architecture is none of the table's.
  bool ours = info->arch == AUDIT_ARCH_X86_64;
  int number = ours ? static_cast<int>(info->seccomp.nr) : -1;
  if (again_.erase(thread) == 0) {
    supervisor::CallArgs args{};
    std::copy_n(info->seccomp.args, args.size(), args.begin());
    HomePid process = supervisor::DependsOnCaller(number) ? ProcessOf(thread)
                                                          : HomePid{thread};
    std::optional<std::uint64_t> flags;
    if (number == SYS_clone3) {  // the first word of clone_args
      auto word = ReadObject<std::uint64_t>(tracee.pid(), RemoteAddr{args[0]});
      flags = word ? std::optional(*word) : std::nullopt;
    }
    auto& row = tally_.Add(number, args, process, flags);
    transfers_.erase(thread);
    if (supervisor::MovesData(number)) {
      transfers_[thread] = &row;
    }
  }
  if (transfers_.contains(thread)) {
    (void)tracee.StepToSyscall();
  } else {
    GoOn(tracee);
  }
}

void Explainer::OnResult(const Tracee& tracee) {
  auto transfer = transfers_.find(Raw(tracee.pid()));
  if (auto info = tracee.GetCallInfo(); info && transfer != transfers_.end() &&
                                        info->op == PTRACE_SYSCALL_INFO_EXIT &&
                                        !IsRestart(info->exit.rval)) {
    if (info->exit.is_error == 0) {
      supervisor::CallTally::AddMoved(
          *transfer->second, static_cast<std::uint64_t>(info->exit.rval));
    }
    transfers_.erase(transfer);
  }
  GoOn(tracee);
}

// A signal that is ignored has got this far only because we trace: what it has
// interrupted is begun again, uncounted. Some calls would not be: they answer
// EINTR even so (signal(7)); they begin anew.
void Explainer::OnSignal(const Tracee& tracee, int signal) {
  pid_t thread = Raw(tracee.pid());
  auto registers = tracee.GetRegisters();
  again_.erase(thread);
  if (registers && registers->InCall()) {
    bool ignored = Ignores(tracee.pid(), signal);
    if (ignored && (CutShort(*registers) || IsRestart(registers->result()))) {
      again_.insert(thread);
      (void)MendCutShort(tracee);
    }
  }
  GoOn(tracee, signal);
}

void Explainer::Describe(wire::Explanation& explanation) const {
  DescribeTally(tally_, assumptions_, explanation);
}

}  // namespace ssi
