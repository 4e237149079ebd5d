#include "deputy/stand_in.h"

#include <signal.h>

#include <algorithm>
#include <bit>

#include "deputy/cut_short.h"
#include "deputy/traced_run.h"
#include "process/capture.h"
#include "process/leave_vdso.h"
#include "process/page_reader.h"
#include "process/signal_queues.h"

namespace ssi {

namespace {

// argv and environ beyond this are not worth keeping for ps (ARG_MAX allows a
// quarter of the stack limit).
constexpr std::uint64_t kMaxShown = std::uint64_t{256} << 10;

// How it is traced while its threads are in the agent: those that they make
// are ours from their first instruction.
constexpr unsigned long kStandInOptions = kHomeOptions | PTRACE_O_TRACECLONE;

MemoryRun WholePages(std::uint64_t start, std::uint64_t end) {
  return {PageDown(start), PageUp(end) - PageDown(start)};
}

// Windows of a site for so many threads: room for as many again.
std::size_t WindowsFor(std::size_t threads) {
  constexpr std::size_t kLeast = 8;
  return std::max(kLeast, std::bit_ceil(2 * threads));
}

}  // namespace

Result<StandIn> StandIn::Freeze(HostPid pid, Found& found,
                                std::chrono::nanoseconds limit) {
  SSI_ASSIGN(Frozen frozen, ssi::Freeze(pid, found, limit));
  return StandIn(pid, frozen);
}

StandIn::StandIn(HostPid pid, const Frozen& frozen)
    : pid_(pid), leader_exited_(frozen.leader_exited) {
  for (const auto& one : frozen.threads) {
    auto& thread =
        *threads_.emplace_back(std::make_unique<StandInThread>(one.tid));
    thread.wait = one.wait;
    thread.restart_place = one.restart_place;
  }
}

StandInThread* StandIn::Find(HostPid tid) const {
  auto found =
      std::find_if(threads_.begin(), threads_.end(),
                   [tid](const auto& one) { return one->tid() == tid; });
  return found == threads_.end() ? nullptr : found->get();
}

std::optional<std::string> StandIn::WhyItStays() const {
  for (const auto& thread : threads_) {
    if (auto has = thread->tracee.HasUserDispatch(); has && *has) {
      return "it dispatches its own system calls "
             "(PR_SET_SYSCALL_USER_DISPATCH)";
    }
  }
  return std::nullopt;
}

// ---- the agent --------------------------------------------------------------

Status StandIn::Plant(std::vector<Vma> vmas) {
  vmas_ = std::move(vmas);
  auto vdso = std::find_if(vmas_.begin(), vmas_.end(), [](const Vma& vma) {
    return vma.kind == Vma::Kind::kVdso;
  });
  if (vdso == vmas_.end()) {
    return Fail(ErrorCode::kUnsupported, "process {} has no vdso", Raw(pid_));
  }
  SSI_ASSIGN(RemoteAddr instruction,
             FindSyscallInstruction(living(), vdso->start, vdso->end));
  syscall_instruction_ = Raw(instruction);
  for (const auto& thread : threads_) {
    // Elsewhere a coarse clock, which has no system call to fall back on, would
    // find zeros for its time pages.
    SSI_TRY(LeaveVdso(thread->tracee, vmas_));
    SSI_TRY(thread->Capture());
  }
  SSI_ASSIGN(auto injector, Injector::Begin(first().tracee, instruction));
  LiftLimits();
  auto planted = PlantMore(first().tracee, injector, vmas_, threads_.size());
  RestoreLimits();
  if (!planted) {
    SSI_TRY(injector.End());
    return planted;
  }
  (void)injector.KeepBlocked();
  planted_ = true;
  for (const auto& thread : threads_) {
    (void)GiveWindow(*thread);
    SSI_TRY(thread->tracee.SetOptions(kStandInOptions));
    SSI_TRY(thread->tracee.SetSignalMask(kAllSignals));
    SSI_TRY(StartAgent(thread->tracee, thread->image.registers,
                       *sites_[thread->site], *thread->window));
  }
  return {};
}

Status StandIn::PlantMore(const Tracee& tracee, Injector& injector,
                          const std::vector<Vma>& vmas, std::size_t threads) {
  SSI_ASSIGN(auto site, PlantSite(tracee, injector, vmas, WindowsFor(threads)));
  sites_.push_back(std::make_unique<AgentSite>(std::move(site)));
  return {};
}

// False where none is free.
bool StandIn::GiveWindow(StandInThread& thread) {
  for (std::size_t i = 0; i < sites_.size(); ++i) {
    for (std::size_t k = 0; k < sites_[i]->windows(); ++k) {
      AgentWindow& window = sites_[i]->window(k);
      if (std::none_of(threads_.begin(), threads_.end(), [&](const auto& one) {
            return one->window == &window;
          })) {
        thread.window = &window;
        thread.site = i;
        window.Clear();
        return true;
      }
    }
  }
  return false;
}

Result<StandInThread*> StandIn::Adopt(HostPid tid) {
  auto thread = std::make_unique<StandInThread>(tid);
  SSI_ASSIGN(Stop stop, thread->tracee.Wait());
  if (stop.Dead()) {
    return Fail(ErrorCode::kGone, "thread {} died: {}", Raw(tid),
                stop.Describe());
  }
  SSI_ASSIGN(thread->image.signal_mask, thread->tracee.GetSignalMask());
  SSI_ASSIGN(auto registers, thread->tracee.GetRegisters());
  thread->image.tid = HomePid{Raw(tid)};
  if (!GiveWindow(*thread)) {
    SSI_ASSIGN(auto vmas, ReadVmaRanges(tid));
    SSI_ASSIGN(
        auto injector,
        Injector::Begin(thread->tracee, RemoteAddr{syscall_instruction_}));
    LiftLimits();
    auto planted =
        PlantMore(thread->tracee, injector, vmas, 2 * threads_.size());
    RestoreLimits();
    SSI_TRY(injector.End());
    stop_pending_ |= injector.stop_pending();
    SSI_TRY(planted);
    (void)GiveWindow(*thread);
  }
  SSI_TRY(StartAgent(thread->tracee, registers, *sites_[thread->site],
                     *thread->window));
  // In order of their numbers, behind the first one.
  auto place = std::find_if(
      threads_.begin(), threads_.end(), [this, tid](const auto& one) {
        return one->tid() != pid_ && Raw(one->tid()) > Raw(tid);
      });
  return threads_.insert(place, std::move(thread))->get();
}

void StandIn::Forget(HostPid tid) {
  leader_exited_ |= tid == pid_;
  std::erase_if(threads_,
                [tid](const auto& thread) { return thread->tid() == tid; });
}

Status StandIn::RunInAll(const Calls& calls) {
  struct Work {
    AgentRunner runner;
    CallBatch batch;
    explicit Work(const StandInThread& thread)
        : runner(thread.tracee, *thread.window), batch(runner) {}
  };
  std::vector<std::unique_ptr<Work>> all;
  Status status;
  for (const auto& thread : threads_) {
    auto& work = *all.emplace_back(std::make_unique<Work>(*thread));
    status = calls(*thread, work.batch);
    if (!status) {
      all.pop_back();
      break;
    }
    work.runner.Start(work.batch.calls());
  }
  // All that were begun must end, whatever became of one.
  for (auto& work : all) {
    Status ended = work->runner.Finish(work->batch.calls());
    if (ended) {
      ended = work->batch.Judge();
    }
    stop_pending_ |= work->runner.stop_pending();
    if (status && !ended) {
      status = ended;
    }
  }
  return status;
}

Status StandIn::StopAll() {
  for (const auto& thread : threads_) {
    SSI_TRY(thread->tracee.Interrupt());
  }
  for (const auto& thread : threads_) {
    SSI_TRY(AwaitAgentStop(thread->tracee, stop_pending_));
  }
  return {};
}

// ---- leaving ----------------------------------------------------------------

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
      if (auto file = files.FindShared(area.vma)) {
        area.source = ImageArea::Source::kFile;
        area.file = *file;
        return true;
      }
      break;
  }
  SSI_TRY(CaptureKept(area, files, scanner, pages));
  return true;
}

Status StandIn::CaptureThreads() {
  SSI_TRY(RunInAll([](StandInThread& thread, CallBatch& batch) -> Status {
    for (const auto& call : ThreadQuestions(thread.window->remote_data())) {
      batch.Add("state of a thread", call.number, call.args);
    }
    return {};
  }));
  for (const auto& thread : threads_) {
    AgentRunner runner = RunnerOf(*thread);
    SSI_TRY(TakeThreadAnswers(runner, {}, thread->image));
  }
  return {};
}

Result<CapturedProcess> StandIn::Capture(MappedFiles& files) {
  CapturedProcess captured;
  ProcessImage& image = captured.image;
  image.pid = HomePid{Raw(pid_)};
  SSI_TRY(CaptureThreads());
  if (leader_exited_) {
    image.threads.emplace_back();
    image.threads[0].tid = image.pid;
    image.threads[0].exited = true;
  }
  for (const auto& thread : threads_) {
    image.threads.push_back(thread->Leaving(threads_.size() == 1));
  }
  SSI_TRY(CaptureFromProc(living(), image));
  AgentRunner runner = RunnerOf(first());
  SSI_TRY(CaptureByCalls(runner, image));
  SSI_ASSIGN(cpu_timers_, ReadCpuTimers(runner, pid_));
  stop_pending_ |= runner.stop_pending();
  SSI_ASSIGN(auto scanner, PageScanner::Open(living()));
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
  SSI_TRY(CaptureVdso(image));
  image.guards = std::move(pages.guards);
  captured.memory = SortContents(vmas_, std::move(pages.contents));
  shown_ = {WholePages(image.layout.arg_start, image.layout.env_end)};
  if (image.layout.env_end <= image.layout.arg_start ||
      shown_[0].size > kMaxShown) {
    shown_.clear();
  }
  return captured;
}

Status StandIn::CaptureVdso(ProcessImage& image) const {
  for (const auto& vma : vmas_) {
    if (vma.kind == Vma::Kind::kVdso) {
      image.vdso.resize(vma.size());
      SSI_TRY(ReadMemory(living(), RemoteAddr{vma.start}, image.vdso));
    }
  }
  return {};
}

std::vector<MemoryRun> StandIn::RangesToKeep() const {
  std::vector<MemoryRun> keep = shown_;
  for (const auto& thread : threads_) {
    if (const auto& memory = thread->wait_memory) {
      keep.push_back(
          WholePages(memory->address, memory->address + memory->size));
    }
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
  if (!cpu_timers_.empty()) {
    SSI_TRY(StopTimers());
  }
  SSI_TRY(EmptySealed());
  SSI_TRY(GiveUpKept());
  SSI_TRY(RunInAll([](StandInThread& thread, CallBatch& batch) -> Status {
    AddUnregister(batch, thread.image);
    return {};
  }));
  shown_bytes_.clear();
  for (const auto& run : shown_) {
    shown_bytes_.resize(run.size);
    SSI_TRY(ReadMemory(living(), RemoteAddr{run.address}, shown_bytes_));
  }
  AgentRunner runner = RunnerOf(first());
  auto status = UnmapRanges(runner, RangesToUnmap(vmas_, RangesToKeep()));
  stop_pending_ |= runner.stop_pending();
  return status;
}

Status StandIn::Serve(const MaskOf& mask_of) {
  SSI_TRY(StopAll());
  bool stop = TakeStop();
  for (const auto& thread : threads_) {
    SSI_TRY(thread->tracee.SetSignalMask(mask_of(thread->tid())));
    SSI_TRY(thread->tracee.Continue());
  }
  if (stop) {
    ::kill(Raw(pid_), SIGSTOP);
  }
  return {};
}

// Whether it is to be stopped now: not if a SIGCONT came later, which all this
// time was blocked.
bool StandIn::TakeStop() {
  if (!std::exchange(stop_pending_, false)) {
    return false;
  }
  auto queues = ReadSignalQueues(living());
  return queues && !queues->Pends(SIGCONT);
}

Status StandIn::StopServing() {
  SSI_TRY(StopAll());
  for (const auto& thread : threads_) {
    SSI_TRY(MendCutShort(thread->tracee));
    SSI_TRY(thread->tracee.SetSignalMask(kAllSignals));
    SSI_TRY(thread->tracee.Continue());
  }
  return {};
}

}  // namespace ssi
