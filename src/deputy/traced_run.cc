#include "deputy/traced_run.h"

#include <elf.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstring>

#include <spdlog/spdlog.h>

#include "base/files.h"
#include "deputy/cut_short.h"
#include "process/injector.h"
#include "process/memory.h"
#include "process/signal_queues.h"
#include "process/vmas.h"

namespace ssi {

namespace {

constexpr std::uint64_t kBreakpoint = 0xcc;  // int3

std::uint64_t AuxiliaryValue(HostPid pid, std::uint64_t type) {
  auto text = ReadFile(fmt::format("/proc/{}/auxv", Raw(pid)));
  Elf64_auxv_t entry{};
  for (std::size_t at = 0; text && at + sizeof entry <= text->size();
       at += sizeof entry) {
    std::memcpy(&entry, text->data() + at, sizeof entry);
    if (entry.a_type == type) {
      return entry.a_un.a_val;
    }
  }
  return 0;
}

void Report(const Status& status) {
  if (!status && status.error().code != ErrorCode::kGone) {
    spdlog::error("a process at home does not go on: {}",
                  status.error().message);
  }
}

}  // namespace

bool GainsPrivilege(HostPid pid) {
  std::string exe = fmt::format("/proc/{}/exe", Raw(pid));
  struct stat info {};
  if (::stat(exe.c_str(), &info) != 0) {
    return false;
  }
  bool set_uid = (info.st_mode & S_ISUID) != 0 && info.st_uid != ::geteuid();
  constexpr mode_t kSetGid = S_ISGID | S_IXGRP;
  bool set_gid =
      (info.st_mode & kSetGid) == kSetGid && info.st_gid != ::getegid();
  bool capable = ::getxattr(exe.c_str(), "security.capability", nullptr, 0) > 0;
  // Root has nothing to gain, and its tracer takes nothing away.
  return ::geteuid() != 0 && (set_uid || set_gid || capable);
}

Status ExecuteAgainUntraced(const Tracee& tracee) {
  // The new stack: argc, argv..., NULL, environ..., NULL (System V ABI).
  SSI_ASSIGN(auto registers, tracee.GetRegisters());
  std::uint64_t stack = Raw(registers.sp());
  SSI_ASSIGN(auto count,
             ReadObject<std::uint64_t>(tracee.pid(), RemoteAddr{stack}));
  std::uint64_t arguments = stack + 8;
  std::uint64_t environment = arguments + (count + 1) * 8;
  SSI_ASSIGN(auto vmas, ReadVmaRanges(tracee.pid()));
  for (const auto& vma : vmas) {
    if (vma.kind != Vma::Kind::kVdso) {
      continue;
    }
    SSI_ASSIGN(RemoteAddr instruction,
               FindSyscallInstruction(tracee.pid(), vma.start, vma.end));
    // The name that it was executed by is on its stack.
    std::uint64_t name = AuxiliaryValue(tracee.pid(), AT_EXECFN);
    SSI_TRY(tracee.SetRegisters(registers.ForCall(
        instruction, SYS_execve, {name, arguments, environment})));
    return tracee.Detach();
  }
  return Fail(ErrorCode::kUnsupported, "no vdso");
}

void StepOn(const Tracee& tracee, int signal) {
  Report(tracee.StepToSyscall(signal));
}

void RunOn(const Tracee& tracee, const Stop& stop) {
  if (stop.kind == Stop::Kind::kGroupStop) {
    (void)KeepEintr(tracee);
    (void)tracee.Listen();
    return;
  }
  int signal = stop.kind == Stop::Kind::kSignal ? stop.value : 0;
  bool unseen = stop.kind == Stop::Kind::kInterrupted ||
                (signal != 0 && Ignores(tracee.pid(), signal));
  if (unseen) {
    (void)MendCutShort(tracee);
  }
  (void)tracee.Continue(signal);
}

void TracedRun::Begin() {
  if (until_ == Until::kEntry) {
    OnExec();
  } else {
    Resume();
  }
}

void TracedRun::Resume(int signal) {
  if (entry_ == 0) {
    StepOn(tracee_, signal);
  } else {
    Report(tracee_.Continue(signal));
  }
}

void TracedRun::OnStop(const Stop& stop) {
  switch (stop.kind) {
    case Stop::Kind::kSyscall:
      if (until_ == Until::kCallOver && in_call_) {
        OnCallOver();
        return;
      }
      in_call_ = true;
      Resume();
      return;
    case Stop::Kind::kExec:
      tracee_ = Tracee(pid_);
      OnExec();
      return;
    case Stop::Kind::kSignal:
      if (stop.value == SIGTRAP && AtEntry()) {
        done_(Result::kReached);
        return;
      }
      Resume(stop.value);
      return;
    case Stop::Kind::kGroupStop:
      (void)tracee_.Listen();
      return;
    default:
      Resume();
      return;
  }
}

// A signal that has ended its call is this thread's, and no other's that a move
// would leave it to: over with the call after that.
void TracedRun::OnCallOver() {
  auto queues = ReadSignalQueues(tracee_.pid());
  if (!queues || !queues->AnyNative()) {
    done_(Result::kReached);
    return;
  }
  in_call_ = false;
  Resume();
}

void TracedRun::OnExec() {
  until_ = Until::kEntry;
  in_call_ = false;
  if (GainsPrivilege(tracee_.pid())) {
    if (ExecuteAgainUntraced(tracee_)) {
      done_(Result::kLetGo);
      return;
    }
  }
  GoToEntry();
}

// After ld.so, so that what it maps is mapped natively, and read by all.
void TracedRun::GoToEntry() {
  entry_ = AuxiliaryValue(tracee_.pid(), AT_ENTRY);
  auto memory = MemoryFile::Open(tracee_.pid());
  Status status = memory ? Status() : std::unexpected(memory.error());
  if (status) {
    std::span word(&saved_word_, 1);
    status = memory->Read(RemoteAddr{entry_}, std::as_writable_bytes(word));
  }
  if (status) {
    std::uint64_t trap = (saved_word_ & ~std::uint64_t{0xff}) | kBreakpoint;
    status =
        memory->Write(RemoteAddr{entry_}, std::as_bytes(std::span(&trap, 1)));
  }
  if (!status) {
    spdlog::warn("no breakpoint at the entry of process {}: {}",
                 Raw(tracee_.pid()), status.error().message);
    entry_ = 0;
    done_(Result::kReached);
    return;
  }
  Resume();
}

bool TracedRun::AtEntry() {
  auto registers = tracee_.GetRegisters();
  if (entry_ == 0 || !registers || Raw(registers->ip()) != entry_ + 1) {
    return false;
  }
  registers->set_ip(RemoteAddr{entry_});
  auto memory = MemoryFile::Open(tracee_.pid());
  if (memory) {
    (void)memory->Write(RemoteAddr{entry_},
                        std::as_bytes(std::span(&saved_word_, 1)));
  }
  (void)tracee_.SetRegisters(*registers);
  return true;
}

}  // namespace ssi
