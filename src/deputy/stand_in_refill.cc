// The way home: the image is mapped into the stand-in and filled.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "deputy/stand_in.h"
#include "process/agent_site.h"
#include "process/call_runner.h"
#include "process/page_reader.h"
#include "process/signal_order.h"
#include "process/signal_queues.h"

namespace ssi {

namespace {

bool Overlaps(const Vma& vma, std::uint64_t start, std::uint64_t end) {
  return vma.start < end && start < vma.end;
}

}  // namespace

// Limits of the process's own must not keep the runtime from its work: they
// count what only the runtime needs, and only for a moment.
void StandIn::LiftLimits() {
  for (int resource : {RLIMIT_AS, RLIMIT_DATA, RLIMIT_NOFILE}) {
    auto which = static_cast<__rlimit_resource>(resource);
    rlimit limit{};
    if (::prlimit(Raw(pid_), which, nullptr, &limit) != 0) {
      continue;
    }
    constexpr rlim_t kMany = 1 << 20;  // of descriptors: fs.nr_open
    bool lifted = false;
    for (rlim_t high :
         {RLIM_INFINITY, std::max(limit.rlim_max, kMany), limit.rlim_max}) {
      rlimit value{high, std::max(high, limit.rlim_max)};
      lifted = lifted || ::prlimit(Raw(pid_), which, &value, nullptr) == 0;
    }
    if (lifted) {
      lifted_.push_back({resource, limit});
    }
  }
}

void StandIn::RestoreLimits() {
  for (const auto& lifted : lifted_) {
    ::prlimit(Raw(pid_), static_cast<__rlimit_resource>(lifted.resource),
              &lifted.limit, nullptr);
  }
  lifted_.clear();
}

Status StandIn::MakeRoomForAgent(const std::vector<ImageArea>& areas) {
  for (const auto& site : sites_) {
    std::uint64_t code = Raw(site->code());
    bool clear =
        std::none_of(areas.begin(), areas.end(), [&](const ImageArea& area) {
          return Overlaps(area.vma, code, code + site->size());
        });
    if (clear) {
      continue;
    }
    SSI_ASSIGN(auto mine, ReadVmaRanges(living()));
    for (const auto& area : areas) {
      mine.push_back(area.vma);
    }
    std::sort(mine.begin(), mine.end(),
              [](const Vma& a, const Vma& b) { return a.start < b.start; });
    auto to = FindFree(mine, site->size(), kSiteFrom, kSiteLimit);
    if (!to) {
      return Fail(ErrorCode::kUnsupported, "no room for the agent");
    }
    SSI_TRY(MoveSite(*site, RemoteAddr{*to}));
  }
  return {};
}

Status StandIn::MoveSite(AgentSite& site, RemoteAddr to) {
  SSI_TRY(StopAll());
  SSI_ASSIGN(auto injector,
             Injector::Begin(first().tracee, RemoteAddr{syscall_instruction_}));
  RemoteAddr from = site.code();
  std::uint64_t windows = site.size() - kAgentCodeSize;
  for (auto [offset, size] : {std::pair(std::uint64_t{0}, kAgentCodeSize),
                              std::pair(kAgentCodeSize, windows)}) {
    SSI_TRY(
        injector.MustCall("mremap of the agent", SYS_mremap,
                          {Raw(from + offset), size, size,
                           MREMAP_MAYMOVE | MREMAP_FIXED, Raw(to + offset)}));
  }
  (void)injector.KeepBlocked();
  site.MoveTo(to);
  SSI_TRY(first().tracee.SetRegisters(injector.saved()));
  for (const auto& thread : threads_) {
    SSI_ASSIGN(auto registers, thread->tracee.GetRegisters());
    // Each of another site goes on where it is.
    SSI_TRY(sites_[thread->site].get() == &site
                ? StartAgent(thread->tracee, registers, site, *thread->window)
                : thread->tracee.Continue());
  }
  return {};
}

Status StandIn::Refill(const CapturedProcess& incoming,
                       const MappedFiles& files) {
  SSI_TRY(CheckThreads(incoming.image));
  incoming_ = incoming;
  LiftLimits();
  SSI_TRY(MakeRoomForAgent(incoming.image.areas));
  SSI_TRY(MatchKept());
  KeepSealed(incoming_.image.areas);
  AgentRunner runner = RunnerOf(first());
  // Each file is opened through our own descriptor, whatever its name is now.
  CallBatch batch(runner);
  std::map<std::uint32_t, FileToMap> numbers;
  auto number_of = [&](std::uint32_t id) -> Result<FileToMap> {
    if (auto known = numbers.find(id); known != numbers.end()) {
      return known->second;
    }
    if (files.fd(id) < 0) {
      return Fail(ErrorCode::kProtocol, "mapped file {} is not known", id);
    }
    std::string path = fmt::format("/proc/{}/fd/{}", ::getpid(), files.fd(id));
    SSI_TRY(
        runner.Put(0, std::as_bytes(std::span(path.c_str(), path.size() + 1))));
    std::array<AgentCall, 1> open = {
        AgentCall{SYS_openat,
                  {static_cast<std::uint64_t>(AT_FDCWD), Raw(runner.space()),
                   O_RDONLY | O_CLOEXEC},
                  0}};
    SSI_TRY(runner.Run(open));
    if (open[0].result < 0) {
      return FailErrno(static_cast<int>(-open[0].result), "open {} again",
                       files.Get(id)->path);
    }
    return numbers[id] = FileToMap{static_cast<int>(open[0].result),
                                   files.Get(id)->shared};
  };
  auto mapped =
      MapAreas(runner, incoming_.image, incoming_.memory.contents, number_of);
  for (const auto& [id, file] : numbers) {
    batch.Add("close", SYS_close, {static_cast<std::uint64_t>(file.number)});
  }
  SSI_TRY(batch.Flush());
  stop_pending_ |= runner.stop_pending();
  return mapped;
}

Status StandIn::AbortRefill() {
  RestoreLimits();
  AgentRunner runner = RunnerOf(first());
  CallBatch batch(runner);
  for (const auto& area : incoming_.image.areas) {
    if (area.source == ImageArea::Source::kAnonymous ||
        area.source == ImageArea::Source::kFile) {
      batch.Add("munmap", SYS_munmap, {area.vma.start, area.vma.size()});
    }
  }
  for (const auto& run : shown_) {
    batch.Add("mmap", SYS_mmap,
              {run.address, run.size, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, ~std::uint64_t{0}, 0});
  }
  SSI_TRY(batch.Flush());
  SSI_TRY(GiveUpKept());
  for (const auto& run : shown_) {
    SSI_TRY(WriteMemory(living(), RemoteAddr{run.address}, shown_bytes_));
  }
  incoming_ = {};
  return {};
}

// The same threads must come home that are here.
Status StandIn::CheckThreads(const ProcessImage& image) const {
  std::size_t living = 0;
  for (const auto& thread : image.threads) {
    bool there = Find(HostPid{Raw(thread.tid)}) != nullptr;
    if (there == thread.exited) {
      return Fail(ErrorCode::kProtocol, "thread {} {}", Raw(thread.tid),
                  there ? "has not ended here" : "is not known here");
    }
    living += thread.exited ? 0U : 1U;
  }
  if (living != threads_.size()) {
    return Fail(ErrorCode::kProtocol, "{} threads come home of {}", living,
                threads_.size());
  }
  return {};
}

// Signals that were accepted away and not delivered there. They stay pending
// until its own mask is back.
Status StandIn::RequeueUndelivered(StandInThread& thread) {
  if (thread.image.undelivered.empty()) {
    return {};
  }
  auto waiting = ReadSignalQueues(thread.tid());
  AgentRunner runner = RunnerOf(thread);
  CallBatch batch(runner);
  Task task{pid_, thread.tid()};
  for (const auto& signal : thread.image.undelivered) {
    // Its own queue is as good where it cannot use the process's: it was chosen
    // for it.
    bool of_thread = signal.of_thread || !CanQueue(task, signal.info, false);
    SSI_TRY(AddToQueue(batch, task, signal.info, of_thread));
  }
  Status queued = batch.Flush();
  stop_pending_ |= runner.stop_pending();
  SSI_TRY(queued);
  return PutUndeliveredInFront(thread, waiting ? waiting->pending : 0);
}

// They are older than what still waits here, in `pending`: of one number they
// come before it.
Status StandIn::PutUndeliveredInFront(StandInThread& thread,
                                      std::uint64_t pending) {
  std::map<int, QueuedSignals> older;
  for (const auto& signal : thread.image.undelivered) {
    int number = signal.info.si_signo;
    if (number >= kFirstRealTime && (pending & SignalBit(number)) != 0) {
      auto& queues = older[number];
      (signal.of_thread ? queues.of_thread : queues.of_process)
          .push_back(signal.info);
    }
  }
  if (older.empty()) {
    return {};
  }
  SSI_TRY(StopAgent(thread.tracee, stop_pending_));
  SSI_ASSIGN(auto injector,
             Injector::Begin(thread.tracee, RemoteAddr{syscall_instruction_}));
  InjectingRunner runner(injector, thread.tid(), thread.window->remote_data(),
                         thread.window->data().size());
  for (const auto& [signal, queues] : older) {
    SSI_TRY(PutInFront(runner, {pid_, thread.tid()}, signal, queues));
  }
  (void)injector.KeepBlocked();
  SSI_TRY(thread.tracee.SetRegisters(injector.saved()));
  return thread.tracee.Continue();
}

Status StandIn::FinishRefill(const SignalActions& current,
                             std::span<const CpuTimer> timers) {
  AgentRunner runner = RunnerOf(first());
  SSI_TRY(FinishAreas(runner, incoming_.image, incoming_.memory.contents));
  RestoreLimits();
  SSI_TRY(RestoreStates(runner, incoming_.image, current));
  SSI_TRY(ArmCpuTimers(runner, timers));
  stop_pending_ |= runner.stop_pending();
  for (auto& image : incoming_.image.threads) {
    if (!image.exited) {
      Find(HostPid{Raw(image.tid)})->image = std::move(image);
    }
  }
  SSI_TRY(RunInAll([](StandInThread& thread, CallBatch& batch) -> Status {
    return AddThreadStates(batch, thread.image);
  }));
  for (const auto& thread : threads_) {
    SSI_TRY(RequeueUndelivered(*thread));
  }
  dumpable_ = incoming_.image.states.dumpable;
  vmas_.clear();
  kept_.clear();
  incoming_ = {};
  return {};
}

}  // namespace ssi
