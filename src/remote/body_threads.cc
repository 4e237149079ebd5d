// The threads of a body: made from an image, made for a guest, and what keeps
// them apart.
#include <signal.h>
#include <sys/syscall.h>

#include <cerrno>
#include <span>
#include <thread>

#include "process/call_runner.h"
#include "process/capture.h"
#include "process/threads.h"
#include "remote/body.h"
#include "remote/lacks.h"

namespace ssi {

namespace {

constexpr std::uint64_t kThreadFlags = CLONE_VM | CLONE_FS | CLONE_FILES |
                                       CLONE_SIGHAND | CLONE_THREAD |
                                       CLONE_SYSVSEM;

// What clone3 is given.
struct Placed {
  clone_args args{};
  pid_t tid = 0;
};

Placed PlacedAt(RemoteAddr at, const clone_args& args, HomePid tid) {
  Placed placed{args, Raw(tid)};
  placed.args.set_tid = Raw(at) + offsetof(Placed, tid);
  placed.args.set_tid_size = 1;
  return placed;
}

Result<Stop> NextStop(const Tracee& tracee) {
  SSI_ASSIGN(Stop stop, tracee.Wait());
  if (stop.Dead()) {
    return Fail(ErrorCode::kGone, "thread {} died: {}", Raw(tracee.pid()),
                stop.Describe());
  }
  return stop;
}

}  // namespace

std::optional<HostPid> Body::Find(HomePid tid) const {
  auto found = threads_.find(tid);
  if (found != threads_.end()) {
    return found->second;
  }
  return leader_exited_ ? std::nullopt : std::optional(pid());
}

void Body::Forget(HomePid tid) {
  if (threads_.erase(tid) == 0) {
    leader_exited_ = true;
  }
}

// ---- from an image ----------------------------------------------------------

Status Body::MakeThreads(Injector& injector) {
  const AgentWindow& window = site_->window(0);
  RemoteAddr at = window.remote_data();
  SSI_ASSIGN(RemoteAddr instruction, OwnSyscall());
  for (const auto& thread : incoming_.image.threads) {
    if (thread.tid == incoming_.image.pid) {
      continue;
    }
    clone_args args{};
    args.flags = kThreadFlags;
    SSI_TRY(WriteObject(pid(), at, PlacedAt(at, args, thread.tid)));
    auto made = injector.CloneThread(at, sizeof args);
    if (!made) {
      return std::unexpected(Lacks("set_tid", made.error()));
    }
    threads_[thread.tid] = *made;
    Tracee tracee(*made);
    SSI_TRY(NextStop(tracee));
    SSI_TRY(RestoreThreadStates(tracee, instruction, thread));
  }
  return {};
}

Status Body::RestoreThreadStates(const Tracee& tracee, RemoteAddr instruction,
                                 const ThreadImage& thread) {
  const AgentWindow& window = site_->window(0);
  SSI_ASSIGN(auto injector, Injector::Begin(tracee, instruction));
  InjectingRunner runner(injector, tracee.pid(), window.remote_data(),
                         window.data().size());
  CallBatch batch(runner);
  SSI_TRY(AddThreadStates(batch, thread));
  SSI_TRY(batch.Flush());
  (void)injector.KeepBlocked();
  return {};
}

// The first thread, which was needed to make the others, has ended where the
// image comes from.
Status Body::EndLeader() {
  SSI_ASSIGN(RemoteAddr instruction, OwnSyscall());
  SSI_ASSIGN(auto registers, tracee_.GetRegisters());
  SSI_TRY(tracee_.SetRegisters(registers.ForCall(instruction, SYS_exit, {0})));
  SSI_TRY(tracee_.Continue());
  // From our own page: the filter stops it once.
  SSI_ASSIGN(Stop stop, NextStop(tracee_));
  if (stop.kind != Stop::Kind::kSeccomp) {
    return Fail(ErrorCode::kSystem, "the first thread of {} does not end",
                Raw(pid()));
  }
  SSI_TRY(tracee_.Continue());
  while (!HasExited(pid())) {
    std::this_thread::yield();
  }
  leader_exited_ = true;
  return {};
}

// ---- for a guest ------------------------------------------------------------

// Makes the call that is placed in our page; its result, and the new thread.
Result<std::int64_t> Body::MakeClone(const Tracee& tracee,
                                     const Registers& before, HostPid& made) {
  Registers registers = before;
  registers.ReplaceCall(SYS_clone3, Raw(own_space()), sizeof(clone_args));
  SSI_TRY(tracee.SetRegisters(registers));
  SSI_TRY(tracee.StepToSyscall());
  SSI_ASSIGN(Stop stop, NextStop(tracee));
  if (stop.kind == Stop::Kind::kClone) {
    SSI_ASSIGN(std::uint64_t message, tracee.GetEventMessage());
    made = HostPid{static_cast<pid_t>(message)};
    SSI_TRY(tracee.StepToSyscall());
    SSI_ASSIGN(stop, NextStop(tracee));
  }
  if (stop.kind != Stop::Kind::kSyscall) {
    return Fail(ErrorCode::kProtocol, "it made another process than a thread");
  }
  SSI_ASSIGN(registers, tracee.GetRegisters());
  return registers.result();
}

Result<HostPid> Body::CloneThread(const Tracee& tracee, const Registers& before,
                                  const std::optional<clone_args>& args,
                                  HomePid tid) {
  if (!args) {
    return FailErrno(EFAULT, "the arguments of clone3");
  }
  SSI_TRY(OwnSyscall());  // our pages are as they were
  SSI_TRY(
      WriteObject(living(), own_space(), PlacedAt(own_space(), *args, tid)));
  SSI_TRY(tracee.SetSignalMask(kAllSignals));
  HostPid made{};
  SSI_ASSIGN(std::int64_t result, MakeClone(tracee, before, made));
  Registers back = before;
  back.ReturnTo(before);
  back.FinishCall(result);
  SSI_TRY(tracee.SetRegisters(back));
  if (result < 0) {
    return FailErrno(static_cast<int>(-result), "clone3");
  }
  // The kernel knows it as a thread of the process.
  bool ours = result == Raw(tid) && made != HostPid{} &&
              ::tgkill(Raw(pid()), Raw(made), 0) == 0;
  if (!ours) {
    return Fail(ErrorCode::kProtocol,
                "the program has changed the runtime's page");
  }
  Tracee child(made);
  SSI_TRY(NextStop(child));
  SSI_ASSIGN(Registers registers, child.GetRegisters());
  registers.ReturnTo(before);
  SSI_TRY(child.SetRegisters(registers));
  threads_[tid] = made;
  return made;
}

}  // namespace ssi
