#include "deputy/stand_in.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/files.h"
#include "deputy/traced_run.h"
#include "migration/limits.h"
#include "process/agent_site.h"
#include "process/call_runner.h"
#include "process/capture.h"
#include "process/page_reader.h"
#include "process/signal_queues.h"
#include "supervisor/call_table.h"

namespace ssi {

namespace {

// argv and environ beyond this are not worth keeping for ps (ARG_MAX allows a
// quarter of the stack limit).
constexpr std::uint64_t kMaxShown = std::uint64_t{256} << 10;

// How often a process that is to stop is interrupted again.
constexpr std::chrono::nanoseconds kSlice = std::chrono::milliseconds(20);

constexpr std::string_view kRunnable = "is running";

// Its time on a CPU so far, in ns: the first field of /proc/PID/schedstat
// (Documentation/scheduler/sched-stats.rst).
std::optional<std::uint64_t> CpuUsed(HostPid pid) {
  auto text = ReadFile(fmt::format("/proc/{}/schedstat", Raw(pid)));
  if (!text) {
    return std::nullopt;
  }
  return ParseNumber<std::uint64_t>(
      std::string_view(*text).substr(0, text->find(' ')));
}

// For the message about a process that does not stop; by /proc/PID/syscall
// (proc(5)).
std::string WhatItDoes(HostPid pid) {
  std::array<char, 64> text{};
  auto fd = Open(fmt::format("/proc/{}/syscall", Raw(pid)), O_RDONLY);
  if (!fd || ::read(fd->get(), text.data(), text.size() - 1) <= 0) {
    return "is in an unknown call";
  }
  std::string_view line(text.data());
  auto first = line.substr(0, line.find_first_of(" \n"));
  if (first == "running") {
    return std::string(kRunnable);
  }
  auto number = ParseNumber<int>(first);
  const supervisor::CallRow* row =
      number ? supervisor::FindCall(*number) : nullptr;
  return fmt::format("is in call {}", row != nullptr ? row->name : first);
}

// Calls that answer EINTR when they are interrupted for no signal at all,
// rather than a restart code (signal(7), "Interruption of system calls ... by
// stop signals"; tried on 6.18).
bool AnswersEintrAtFreeze(std::uint64_t number) {
  static constexpr std::array<std::uint64_t, 15> kCalls = {
      SYS_epoll_wait,   SYS_epoll_pwait, 441 /* epoll_pwait2 */,
      SYS_semop,        SYS_semtimedop,  SYS_rt_sigtimedwait,
      SYS_io_getevents, SYS_accept,      SYS_accept4,
      SYS_recvfrom,     SYS_recvmsg,     SYS_recvmmsg,
      SYS_sendto,       SYS_sendmsg,     SYS_connect};
  return std::find(kCalls.begin(), kCalls.end(), number) != kCalls.end();
}

// A call that a freeze has ended, as no signal would have: it is made again.
bool CutShort(const Registers& registers) {
  if (!registers.InCall()) {
    return false;
  }
  return registers.RandomCutShort() ||
         (registers.result() == -EINTR &&
          AnswersEintrAtFreeze(registers.call_number()));
}

// The memory that an interrupted call, which the stand-in will finish through
// restart_syscall, points to: only these four have a restart block.
std::optional<MemoryRun> MemoryOfRestart(const Registers& registers) {
  constexpr std::uint64_t kTimespec = 16;
  constexpr std::uint64_t kPollFd = 8;
  auto args = registers.args();
  switch (registers.call_number()) {
    case SYS_poll:
      return MemoryRun{args[0], args[1] * kPollFd};
    case SYS_nanosleep:
      return MemoryRun{args[1], kTimespec};
    case SYS_clock_nanosleep:
      return MemoryRun{args[3], kTimespec};
    case SYS_futex:
      return MemoryRun{args[0], sizeof(std::uint32_t)};
    default:
      return std::nullopt;
  }
}

MemoryRun WholePages(std::uint64_t start, std::uint64_t end) {
  return {PageDown(start), PageUp(end) - PageDown(start)};
}

}  // namespace

Result<StandIn> StandIn::Freeze(HostPid pid, Found found,
                                std::chrono::nanoseconds limit) {
  StandIn stand_in{Tracee(pid)};
  if (found == Found::kUntraced) {
    SSI_TRY(stand_in.tracee_.Seize(kHomeOptions));
  } else if (found == Found::kTracedStopped) {
    // An interrupt that pends over this stop takes effect right after it.
    SSI_TRY(stand_in.tracee_.Interrupt());
    SSI_TRY(stand_in.tracee_.Continue());
  }
  SSI_TRY(stand_in.StopThread(limit));
  return stand_in;
}

Status StandIn::StopThread(std::chrono::nanoseconds limit) {
  // A second interrupt of one that has it pending changes nothing.
  SSI_TRY(tracee_.Interrupt());
  // Counted in slices: a machine that itself stood still for longer than the
  // limit (one that is virtual) has used up just one of them.
  auto starved_limit = migration::kStarvedLimit;
  auto used = CpuUsed(tracee_.pid());
  for (;;) {
    SSI_ASSIGN(auto stop, tracee_.WaitFor(kSlice));
    if (stop) {
      SSI_ASSIGN(bool frozen, OnStopOfFreeze(*stop));
      if (frozen) {
        return {};
      }
      continue;
    }
    // One that has had no CPU is left alone: an interrupt comes before a signal
    // that it is to take first.
    auto before = std::exchange(used, CpuUsed(tracee_.pid()));
    std::string does = WhatItDoes(tracee_.pid());
    bool starved = does == kRunnable && used && used == before;
    auto& left = starved ? starved_limit : limit;
    left -= std::min(left, kSlice);
    if (left == std::chrono::nanoseconds(0)) {
      // It cannot be detached while it does not stop; the caller does it later.
      return Fail(ErrorCode::kRetry, "process {} does not stop: it {}",
                  Raw(tracee_.pid()),
                  starved ? "waits for a CPU" : std::string_view(does));
    }
    if (!starved) {
      // What was to stop it by being delivered can have been taken back.
      SSI_TRY(tracee_.Interrupt());
    }
  }
}

// True where it is to stay in this stop.
Result<bool> StandIn::OnStopOfFreeze(const Stop& stop) {
  switch (stop.kind) {
    case Stop::Kind::kExited:
    case Stop::Kind::kKilled:
      return Fail(ErrorCode::kGone, "process {} ended", Raw(tracee_.pid()));
    case Stop::Kind::kInterrupted: {
      // A signal that pends here is delivered before the next instruction;
      // elsewhere it would arrive after some. So it is delivered here.
      constexpr int kMostDelivered = 64;
      auto queues = ReadSignalQueues(tracee_.pid());
      if (!queues || !queues->AnyDeliverable() ||
          delivered_++ >= kMostDelivered) {
        return true;
      }
      SSI_TRY(tracee_.Continue());
      return false;
    }
    case Stop::Kind::kGroupStop:
      SSI_TRY(tracee_.Detach());
      return Fail(ErrorCode::kDenied, "process {} is stopped (signal {})",
                  Raw(tracee_.pid()), stop.value);
    default:
      // Every trap takes a pending interrupt away (kernel/signal.c,
      // ptrace_stop). Made now, it takes effect at the first instruction of a
      // signal's handler.
      SSI_TRY(tracee_.Interrupt());
      SSI_TRY(
          tracee_.Continue(stop.kind == Stop::Kind::kSignal ? stop.value : 0));
      return false;
  }
}

Status StandIn::Plant(std::vector<Vma> vmas) {
  vmas_ = std::move(vmas);
  auto vdso = std::find_if(vmas_.begin(), vmas_.end(), [](const Vma& vma) {
    return vma.kind == Vma::Kind::kVdso;
  });
  if (vdso == vmas_.end()) {
    return Fail(ErrorCode::kUnsupported, "process {} has no vdso",
                Raw(tracee_.pid()));
  }
  SSI_ASSIGN(RemoteAddr instruction,
             FindSyscallInstruction(tracee_.pid(), vdso->start, vdso->end));
  syscall_instruction_ = Raw(instruction);
  SSI_ASSIGN(thread_, CaptureThread(tracee_, HomePid{Raw(tracee_.pid())}));
  Registers& registers = thread_.registers;
  if (CutShort(registers)) {
    registers.SetInterrupted(registers.call_number(), kRestartNoHand);
  }
  SSI_ASSIGN(auto injector, Injector::Begin(tracee_, instruction));
  LiftLimits();
  auto window = PlantAgent(tracee_, injector, vmas_);
  RestoreLimits();
  if (!window) {
    SSI_TRY(injector.End());
    return std::unexpected(window.error());
  }
  mask_ = injector.KeepBlocked();
  window_.emplace(*std::move(window));
  planted_ = true;
  return {};
}

// False for what every process has from its kernel.
Result<bool> StandIn::CaptureArea(ImageArea& area, MappedFiles& files,
                                  const PageScanner& scanner,
                                  ScannedPages& pages) {
  switch (area.vma.kind) {
    case Vma::Kind::kVdso:
      area.source = ImageArea::Source::kVdso;
      return true;
    case Vma::Kind::kVvar:
      area.source = ImageArea::Source::kVvar;
      return true;
    case Vma::Kind::kVsyscall:
    case Vma::Kind::kOther:
      return false;
    case Vma::Kind::kAnonymous:
      SSI_TRY(scanner.Scan(area.vma, pages));
      return true;
    case Vma::Kind::kFile:
      if (auto file = files.Find(area.vma)) {
        area.source = ImageArea::Source::kFile;
        area.file = *file;
        SSI_TRY(scanner.Scan(area.vma, pages));
        return true;
      }
      break;
    case Vma::Kind::kShared:
      break;
  }
  SSI_TRY(CaptureKept(area, files, scanner, pages));
  return true;
}

Result<CapturedProcess> StandIn::Capture(MappedFiles& files) {
  CapturedProcess captured;
  ProcessImage& image = captured.image;
  image.pid = HomePid{Raw(tracee_.pid())};
  image.threads.push_back(thread_);
  SSI_TRY(CaptureFromProc(tracee_.pid(), image));
  AgentRunner runner(tracee_, *window_);
  SSI_TRY(CaptureByCalls(runner, image));
  stop_pending_ |= runner.stop_pending();
  SSI_ASSIGN(auto scanner, PageScanner::Open(tracee_.pid()));
  ScannedPages pages;
  kept_.clear();
  files.DropKept();
  for (const auto& vma : vmas_) {
    ImageArea area;
    area.vma = vma;
    SSI_ASSIGN(bool travels, CaptureArea(area, files, scanner, pages));
    if (!travels) {
      continue;
    }
    if (area.file != 0) {
      const MappedFile* file = files.Get(area.file);
      if (std::find(image.files.begin(), image.files.end(), *file) ==
          image.files.end()) {
        image.files.push_back(*file);
      }
    }
    image.areas.push_back(std::move(area));
  }
  captured.contents = std::move(pages.contents);
  image.guards = std::move(pages.guards);
  captured.unreadable = UnreadableParts(vmas_, captured.contents);
  shown_ = {WholePages(image.layout.arg_start, image.layout.env_end)};
  if (image.layout.env_end <= image.layout.arg_start ||
      shown_[0].size > kMaxShown) {
    shown_.clear();
  }
  wait_memory_.reset();
  if (auto waiting = waiting_call()) {
    image.threads[0].pending = waiting;
    auto memory = MemoryOfRestart(thread_.registers);
    if (memory && memory->address != 0 && memory->size != 0) {
      wait_memory_ = memory;
    }
  }
  return captured;
}

std::optional<PendingCall> StandIn::waiting_call() const {
  const Registers& registers = thread_.registers;
  if (!registers.InCall() || registers.result() != kRestartBlock) {
    return std::nullopt;
  }
  // How much of its time is left only this task's kernel state knows.
  return PendingCall{registers.call_number(), registers.args(),
                     std::chrono::nanoseconds(-1)};
}

std::vector<MemoryRun> StandIn::RangesToKeep() const {
  std::vector<MemoryRun> keep = shown_;
  if (wait_memory_) {
    keep.push_back(WholePages(wait_memory_->address,
                              wait_memory_->address + wait_memory_->size));
  }
  for (const auto& area : kept_) {
    keep.push_back({area.vma.start, area.vma.size()});
  }
  keep.insert(keep.end(), sealed_.begin(), sealed_.end());
  std::sort(keep.begin(), keep.end(),
            [](const MemoryRun& a, const MemoryRun& b) {
              return a.address < b.address;
            });
  return keep;
}

Status StandIn::Empty() {
  SSI_TRY(EmptySealed());
  SSI_TRY(GiveUpKept());
  AgentRunner runner(tracee_, *window_);
  SSI_TRY(UnregisterUserMemory(runner, thread_));
  shown_bytes_.clear();
  for (const auto& run : shown_) {
    shown_bytes_.resize(run.size);
    SSI_TRY(ReadMemory(tracee_.pid(), RemoteAddr{run.address}, shown_bytes_));
  }
  auto status = UnmapRanges(runner, RangesToUnmap(vmas_, RangesToKeep()));
  stop_pending_ |= runner.stop_pending();
  return status;
}

Status StandIn::Serve(std::uint64_t mask) {
  mask_ = mask;
  SSI_TRY(StopAgent(tracee_, stop_pending_));
  bool stop = TakeStop();
  SSI_TRY(tracee_.SetSignalMask(mask));
  SSI_TRY(tracee_.Continue());
  if (stop) {
    ::kill(Raw(tracee_.pid()), SIGSTOP);
  }
  return {};
}

// Whether it is to be stopped now: not if a SIGCONT came later, which all this
// time was blocked.
bool StandIn::TakeStop() {
  if (!std::exchange(stop_pending_, false)) {
    return false;
  }
  auto queues = ReadSignalQueues(tracee_.pid());
  return queues && !queues->Pends(SIGCONT);
}

Status StandIn::StopServing() {
  SSI_TRY(StopAgent(tracee_, stop_pending_));
  SSI_ASSIGN(auto registers, tracee_.GetRegisters());
  if (CutShort(registers)) {
    registers.SetInterrupted(registers.call_number(), kRestartNoHand);
    SSI_TRY(tracee_.SetRegisters(registers));
  }
  SSI_TRY(tracee_.SetSignalMask(kAllSignals));
  return tracee_.Continue();
}

Status StandIn::Resume() {
  if (!planted_) {
    return {};
  }
  SSI_TRY(StopAgent(tracee_, stop_pending_));
  SSI_ASSIGN(auto injector,
             Injector::Begin(tracee_, RemoteAddr{syscall_instruction_}));
  if (thread_.pending && thread_.pending->left.count() >= 0) {
    SSI_TRY(MakeRestartBlock(injector));
  }
  SSI_TRY(UnmapAgent(injector, window_->remote()));
  // Last: its memory may be closed to us from here on.
  if (dumpable_ == 0 || dumpable_ == 1) {
    SSI_TRY(injector.MustCall(
        "PR_SET_DUMPABLE", SYS_prctl,
        {PR_SET_DUMPABLE, static_cast<std::uint64_t>(dumpable_)}));
  }
  stop_pending_ |= injector.stop_pending();
  window_.reset();
  planted_ = false;
  return RestoreThread(tracee_, thread_);
}

// A call that was interrupted away, with `left` of its time: made here with
// the process's own pointers and interrupted at once, so that the kernel has
// it as its restart block and goes on with it exactly as after a signal.
Status StandIn::MakeRestartBlock(Injector& injector) {
  const PendingCall& pending = *thread_.pending;
  auto left = pending.left;
  timespec time{left.count() / 1'000'000'000, left.count() % 1'000'000'000};
  std::memcpy(window_->data().data(), &time, sizeof time);
  std::uint64_t time_at = Raw(window_->remote_data());
  CallArgs args = pending.args;
  switch (pending.number) {
    case SYS_poll:
      args[2] = static_cast<std::uint64_t>(
          std::chrono::ceil<std::chrono::milliseconds>(left).count());
      break;
    case SYS_nanosleep:
      args[0] = time_at;
      break;
    case SYS_clock_nanosleep:
      args[1] = 0;  // relative from now on
      args[2] = time_at;
      break;
    case SYS_futex:
      args[3] = time_at;
      break;
    default:
      return Fail(ErrorCode::kProtocol, "call {} has no time limit",
                  pending.number);
  }
  SSI_ASSIGN(std::int64_t result,
             injector.CallAndInterrupt(pending.number, args));
  if (result == kRestartBlock) {
    thread_.registers.SetInterrupted(pending.number, kRestartBlock);
  } else {
    thread_.registers.FinishCall(result);
  }
  return {};
}

Status StandIn::Exit(int code) {
  SSI_TRY(StopAgent(tracee_, stop_pending_));
  SSI_ASSIGN(auto registers, tracee_.GetRegisters());
  SSI_TRY(tracee_.SetRegisters(
      registers.ForCall(RemoteAddr{syscall_instruction_}, SYS_exit_group,
                        {static_cast<std::uint64_t>(code)})));
  return tracee_.Continue();
}

Status StandIn::DieBySignal(int signal) {
  if (signal == SIGKILL) {
    ::kill(Raw(tracee_.pid()), SIGKILL);
    return {};
  }
  // A core would be of the agent; 1 keeps it from a pipe too (core(5)).
  rlimit no_core{1, 1};
  ::prlimit(Raw(tracee_.pid()), RLIMIT_CORE, &no_core, nullptr);
  SSI_TRY(StopAgent(tracee_, stop_pending_));
  SSI_ASSIGN(auto injector,
             Injector::Begin(tracee_, RemoteAddr{syscall_instruction_}));
  KernelSigaction by_default;
  std::memcpy(window_->data().data(), &by_default, sizeof by_default);
  SSI_TRY(injector.Call(SYS_rt_sigaction, {static_cast<std::uint64_t>(signal),
                                           Raw(window_->remote_data()), 0, 8}));
  SSI_TRY(tracee_.SetSignalMask(~SignalBit(signal)));
  // It is in the delivery stop of our SIGTRAP, where another signal can be put
  // in its place.
  return tracee_.Continue(signal);
}

Status StandIn::Detach() {
  bool stop = TakeStop();
  SSI_TRY(tracee_.Detach());
  if (stop) {
    ::kill(Raw(tracee_.pid()), SIGSTOP);
  }
  return {};
}

}  // namespace ssi
