// Threads of a guest that come and go while it is here.
#include <linux/sched.h>
#include <sched.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <span>

#include <spdlog/spdlog.h>

#include "process/kernel.h"
#include "process/threads.h"
#include "remote/guest.h"
#include "supervisor/call_table.h"

namespace ssi {

namespace {

// What a thread is made with; with anything else the call goes home.
constexpr std::uint64_t kThread = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD;
constexpr std::uint64_t kShared =
    kThread | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM;
constexpr std::uint64_t kOwn = CLONE_SETTLS | CLONE_PARENT_SETTID |
                               CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID;
// Without effect on a thread.
constexpr std::uint64_t kNothing = CLONE_DETACHED;

// clone3's own, or what clone's arguments mean (clone(2), "C library/kernel
// differences").
std::optional<clone_args> ArgsOf(HostPid thread, const Registers& registers) {
  CallArgs given = registers.args();
  if (registers.call_number() == SYS_clone3) {
    clone_args args{};
    std::size_t size = std::min<std::size_t>(given[1], sizeof args);
    auto bytes = std::as_writable_bytes(std::span(&args, 1)).first(size);
    // CLONE_ARGS_SIZE_VER0
    if (given[1] < 64 || given[1] > sizeof args ||
        !ReadMemory(thread, RemoteAddr{given[0]}, bytes)) {
      return std::nullopt;
    }
    return args;
  }
  clone_args args{};
  args.flags = given[0] & ~std::uint64_t{CSIGNAL};
  args.parent_tid = given[2];
  args.child_tid = given[3];
  args.tls = given[4];
  if (given[1] != 0) {
    constexpr std::uint64_t kPart = 16;  // only where it ends is known
    args.stack = given[1] - kPart;
    args.stack_size = kPart;
  }
  return args;
}

bool IsPlainThread(const clone_args& args) {
  return (args.flags & kThread) == kThread &&
         (args.flags & ~(kShared | kOwn | kNothing)) == 0 &&
         args.exit_signal == 0 && args.set_tid_size == 0 && args.cgroup == 0;
}

}  // namespace

// ---- a call that makes or ends a thread -------------------------------------

void Guest::OnLifeCall(GuestTask& task, const Registers& registers) {
  std::uint64_t code = registers.args()[0];
  constexpr std::uint64_t kCodeMask = 0xff;
  switch (registers.call_number()) {
    case SYS_exit:
      task.calls.CountStop(supervisor::CallClass::kLife, SYS_exit);
      if (tasks_.size() > 1 || body_->leader_exited()) {
        BeginEndThread(task, code);
        return;
      }
      break;
    case SYS_exit_group:
      task.calls.CountStop(supervisor::CallClass::kLife, SYS_exit_group);
      break;
    default: {
      auto args = ArgsOf(task.here(), registers);
      if (args && IsPlainThread(*args)) {
        task.calls.CountStop(supervisor::CallClass::kLife,
                             static_cast<int>(registers.call_number()));
        BeginNewThread(task, args->flags);
        task.life->number = registers.call_number();
      } else {
        ComeHome(task, registers, false);
      }
      return;
    }
  }
  Hold(GuestThread::kHoldEnd);
  wire::Exit exit;
  exit.set_code(static_cast<std::int32_t>(code & kCodeMask));
  EndWith(exit);
}

void Guest::AskHome(GuestTask& task, LifeCall::Kind kind,
                    wire::LifeRequest request) {
  task.life = LifeCall{kind, ++life_requests_, 0};
  request.set_id(task.life->request);
  hooks_.life(request);
  CheckFrozen();
}

void Guest::BeginNewThread(GuestTask& task, std::uint64_t flags) {
  wire::LifeRequest request;
  request.set_thread(Raw(task.tid));
  request.mutable_new_thread()->set_flags(flags & kShared);
  AskHome(task, LifeCall::Kind::kNewThread, std::move(request));
}

void Guest::BeginEndThread(GuestTask& task, std::uint64_t code) {
  wire::LifeRequest request;
  request.set_thread(Raw(task.tid));
  request.mutable_end_thread()->set_code(static_cast<std::int32_t>(code));
  AskHome(task, LifeCall::Kind::kEndThread, std::move(request));
}

Status Guest::OnLifeReply(const wire::LifeReply& reply) {
  auto found =
      std::find_if(tasks_.begin(), tasks_.end(), [&reply](const auto& entry) {
        const auto& life = entry.second->life;
        return life && life->request == reply.id();
      });
  if (found == tasks_.end() || over_) {
    return {};  // it has ended meanwhile
  }
  GuestTask& task = *found->second;
  LifeCall life = *std::exchange(task.life, std::nullopt);
  if (life.kind == LifeCall::Kind::kEndThread) {
    EndTask(task);
  } else if (life.kind == LifeCall::Kind::kNewThread && reply.result() > 0) {
    MakeThread(task, HomePid{static_cast<pid_t>(reply.result())});
  } else {
    std::int64_t result =
        life.kind == LifeCall::Kind::kUndo ? life.result : reply.result();
    if (auto registers = task.thread.tracee().GetRegisters()) {
      // A stop that pends ends a clone before it begins (copy_process,
      // kernel/fork.c): it is made again after that stop.
      if (result == kRestartNoIntr) {
        registers->RewindCall(life.number);
      } else {
        registers->SkipCall(result);
      }
      (void)task.thread.tracee().SetRegisters(*registers);
    }
    task.thread.LeaveStop();
  }
  CheckFrozen();
  return {};
}

// ---- a new one --------------------------------------------------------------

// In the seccomp stop of `task`, whose call becomes a clone3 with the number
// that home has given. All signals are blocked meanwhile: one that pends would
// end the call in the middle.
void Guest::MakeThread(GuestTask& task, HomePid tid) {
  const Tracee& tracee = task.thread.tracee();
  auto before = tracee.GetRegisters();
  auto mask = tracee.GetSignalMask();
  if (!before || !mask) {
    return;  // it is dying
  }
  auto made =
      body_->CloneThread(tracee, *before, ArgsOf(task.here(), *before), tid);
  (void)tracee.SetSignalMask(*mask);
  if (!made) {
    if (made.error().code == ErrorCode::kProtocol) {
      Fatal(made.error().message);
      return;
    }
    // What failed here is undone there, before the program hears of it.
    std::int64_t result =
        -(made.error().sys_errno > 0 ? made.error().sys_errno : EAGAIN);
    wire::LifeRequest request;
    request.set_thread(Raw(tid));
    request.mutable_end_thread();
    AskHome(task, LifeCall::Kind::kUndo, std::move(request));
    task.life->result = result;
    task.life->number = before->call_number();
    return;
  }
  Tracee child(*made);
  (void)child.SetSignalMask(*mask);
  auto& added = AddTask(tid, child, task.signals.mask);
  if (job_stopped_) {
    added.thread.AddHold(GuestThread::kHoldJobStop);
  }
  if (!freezing_) {
    added.thread.DropHold(GuestThread::kHoldMove);
  }
  task.thread.LeaveStop();
}

// ---- the end of one ---------------------------------------------------------

// In its seccomp stop, with home's half done: the call is made now, held or
// not. The kernel here clears its tid, wakes who joins it, and so on.
void Guest::EndTask(GuestTask& task) {
  task.thread.RunToEnd();
  if (task.here() == body_->pid()) {
    AwaitLeaderEnd();
  }
}

// The end of the first thread is not told by waiting while there are others.
void Guest::AwaitLeaderEnd() {
  constexpr Nanos kLook = std::chrono::milliseconds(1);
  leader_timer_.Start(kLook, [this] {
    if (!body_ || over_) {
      return;
    }
    if (HasExited(body_->pid())) {
      OnTaskEnded(body_->pid());
    } else {
      AwaitLeaderEnd();
    }
  });
}

void Guest::OnTaskEnded(HostPid here) {
  auto found = tasks_.find(here);
  if (found == tasks_.end()) {
    return;
  }
  mapper_->OnThreadGone(found->second->thread);
  for (const auto& [key, counted] : found->second->calls.counts()) {
    counts_of_ended_[key] += counted;
  }
  auto undelivered = found->second->away_signals.Undelivered();
  body_->Forget(found->second->tid);
  tasks_.erase(found);
  // What was for the process is another thread's now.
  for (const auto& signal : undelivered) {
    if (!signal.of_thread && !tasks_.empty()) {
      tasks_.begin()->second->away_signals.TakeOver(signal.info);
    }
  }
  CheckFrozen();
}

}  // namespace ssi
