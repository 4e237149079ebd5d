#include "deputy/stand_in.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <tuple>

#include "process/agent_site.h"
#include "process/call_runner.h"
#include "process/capture.h"
#include "process/page_scan.h"
#include "process/page_reader.h"

namespace ssi {

namespace {

// argv and environ beyond this are not worth keeping for ps (ARG_MAX allows a
// quarter of the stack limit).
constexpr std::uint64_t kMaxShown = std::uint64_t{256} << 10;

constexpr unsigned long kHomeOptions =
    PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC;

// What /proc/PID/syscall says, for the message about a process that does not
// stop.
std::string CallUnderWay(HostPid pid) {
  std::array<char, 64> text{};
  auto fd = Open(fmt::format("/proc/{}/syscall", Raw(pid)), O_RDONLY);
  if (!fd || ::read(fd->get(), text.data(), text.size() - 1) <= 0) {
    return "unknown";
  }
  std::string_view line(text.data());
  return std::string(line.substr(0, line.find(' ')));
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

bool Overlaps(const Vma& vma, std::uint64_t start, std::uint64_t end) {
  return vma.start < end && start < vma.end;
}

}  // namespace

Result<StandIn> StandIn::Freeze(HostPid pid, bool traced,
                                std::chrono::nanoseconds limit) {
  StandIn stand_in{Tracee(pid)};
  if (!traced) {
    SSI_TRY(stand_in.tracee_.Seize(kHomeOptions));
  }
  SSI_TRY(stand_in.StopThread(limit));
  return stand_in;
}

Status StandIn::StopThread(std::chrono::nanoseconds limit) {
  SSI_TRY(tracee_.Interrupt());
  for (;;) {
    SSI_ASSIGN(auto stop, tracee_.WaitFor(limit));
    if (!stop) {
      // It cannot be detached while it does not stop; the caller keeps trying.
      return Fail(ErrorCode::kRetry,
                  "process {} does not stop within {} ms; it is in call {}",
                  Raw(tracee_.pid()),
                  std::chrono::duration_cast<std::chrono::milliseconds>(limit)
                      .count(),
                  CallUnderWay(tracee_.pid()));
    }
    switch (stop->kind) {
      case Stop::Kind::kExited:
      case Stop::Kind::kKilled:
        return Fail(ErrorCode::kGone, "process {} ended", Raw(tracee_.pid()));
      case Stop::Kind::kInterrupted:
        return {};
      case Stop::Kind::kGroupStop:
        SSI_TRY(tracee_.Detach());
        return Fail(ErrorCode::kRetry, "process {} is stopped (signal {})",
                    Raw(tracee_.pid()), stop->value);
      case Stop::Kind::kSignal:
        SSI_TRY(tracee_.Continue(stop->value));  // natively; interrupt pends
        break;
      default:
        SSI_TRY(tracee_.Continue());
        break;
    }
  }
}

Status StandIn::Plant() {
  SSI_ASSIGN(vmas_, ReadVmas(tracee_.pid()));
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
  if (registers.InCall() && registers.result() == -EINTR &&
      AnswersEintrAtFreeze(registers.call_number())) {
    registers.SetInterrupted(registers.call_number(), kRestartNoHand);
  }
  SSI_ASSIGN(auto injector, Injector::Begin(tracee_, instruction));
  auto window = PlantAgent(tracee_, injector, vmas_);
  if (!window) {
    SSI_TRY(injector.End());
    return std::unexpected(window.error());
  }
  mask_ = injector.KeepBlocked();
  window_.emplace(*std::move(window));
  planted_ = true;
  return {};
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
  for (const auto& vma : vmas_) {
    ImageArea area;
    area.vma = vma;
    switch (vma.kind) {
      case Vma::Kind::kVdso:
        area.source = ImageArea::Source::kVdso;
        break;
      case Vma::Kind::kVvar:
        area.source = ImageArea::Source::kVvar;
        break;
      case Vma::Kind::kVsyscall:
      case Vma::Kind::kOther:
        continue;
      case Vma::Kind::kAnonymous:
        SSI_TRY(scanner.Scan(vma, pages));
        break;
      case Vma::Kind::kFile:
      case Vma::Kind::kShared: {
        auto file = vma.kind == Vma::Kind::kFile
                        ? files.Find(vma)
                        : Result<std::uint32_t>(Fail(ErrorCode::kGone, ""));
        if (file) {
          area.source = ImageArea::Source::kFile;
          area.file = *file;
          SSI_TRY(scanner.Scan(vma, pages));
        } else {
          area.source = ImageArea::Source::kKept;
          area.file = files.AddKept(vma);
          area.kept_at = vma.start;
          kept_.push_back(area);
        }
        break;
      }
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
  waited_on_.clear();
  if (thread_.registers.InCall() &&
      thread_.registers.result() == kRestartBlock) {
    auto memory = MemoryOfRestart(thread_.registers);
    if (memory && memory->address != 0 && memory->size != 0) {
      waited_on_.push_back(
          WholePages(memory->address, memory->address + memory->size));
    }
  }
  return captured;
}

std::vector<MemoryRun> StandIn::RangesToKeep() const {
  std::vector<MemoryRun> keep = shown_;
  keep.insert(keep.end(), waited_on_.begin(), waited_on_.end());
  for (const auto& area : kept_) {
    keep.push_back({area.vma.start, area.vma.size()});
  }
  std::sort(keep.begin(), keep.end(),
            [](const MemoryRun& a, const MemoryRun& b) {
              return a.address < b.address;
            });
  return keep;
}

Status StandIn::Empty() {
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

Status StandIn::Resume() {
  if (planted_) {
    SSI_TRY(StopAgent(tracee_, stop_pending_));
    SSI_ASSIGN(auto injector,
               Injector::Begin(tracee_, RemoteAddr{syscall_instruction_}));
    SSI_TRY(UnmapAgent(injector, window_->remote()));
    (void)injector.KeepBlocked();
    window_.reset();
    planted_ = false;
    SSI_TRY(RestoreThread(tracee_, thread_));
  }
  return {};
}

Status StandIn::Detach() {
  SSI_TRY(tracee_.Detach());
  if (stop_pending_) {
    ::kill(Raw(tracee_.pid()), SIGSTOP);
  }
  return {};
}

Status StandIn::MakeRoomForAgent(const std::vector<ImageArea>& areas) {
  std::uint64_t code = Raw(AgentCodeAt(window_->remote()));
  bool clear = std::none_of(
      areas.begin(), areas.end(), [&](const ImageArea& area) {
        return Overlaps(area.vma, code, code + kAgentSiteSize);
      });
  if (clear) {
    return {};
  }
  SSI_ASSIGN(auto mine, ReadVmas(tracee_.pid()));
  for (const auto& area : areas) {
    mine.push_back(area.vma);
  }
  std::sort(mine.begin(), mine.end(),
            [](const Vma& a, const Vma& b) { return a.start < b.start; });
  auto to = FindFree(mine, kAgentSiteSize, kSiteFrom, kSiteLimit);
  if (!to) {
    return Fail(ErrorCode::kUnsupported, "no room for the agent");
  }
  SSI_TRY(StopAgent(tracee_, stop_pending_));
  SSI_ASSIGN(auto injector,
             Injector::Begin(tracee_, RemoteAddr{syscall_instruction_}));
  for (auto [from, size, offset] :
       {std::tuple(code, kAgentCodeSize, std::uint64_t{0}),
        std::tuple(code + kAgentCodeSize, std::uint64_t{kWindowSize},
                   kAgentCodeSize)}) {
    SSI_TRY(injector.MustCall("mremap of the agent", SYS_mremap,
                              {from, size, size, MREMAP_MAYMOVE | MREMAP_FIXED,
                               *to + offset}));
  }
  (void)injector.KeepBlocked();
  window_->set_remote(RemoteAddr{*to + kAgentCodeSize});
  SSI_TRY(tracee_.SetRegisters(
      injector.saved().ForJump(RemoteAddr{*to}, window_->remote())));
  return tracee_.Continue();
}

Status StandIn::Refill(const CapturedProcess& incoming,
                       const MappedFiles& files) {
  incoming_ = incoming;
  SSI_TRY(MakeRoomForAgent(incoming.image.areas));
  AgentRunner runner(tracee_, *window_);
  // Each file is opened through our own descriptor, whatever its name is now.
  CallBatch batch(runner);
  std::map<std::uint32_t, int> numbers;
  auto number_of = [&](std::uint32_t id) -> Result<int> {
    if (auto known = numbers.find(id); known != numbers.end()) {
      return known->second;
    }
    if (files.fd(id) < 0) {
      return Fail(ErrorCode::kProtocol, "mapped file {} is not known", id);
    }
    std::string path = fmt::format("/proc/{}/fd/{}", ::getpid(), files.fd(id));
    SSI_TRY(runner.Put(0, std::as_bytes(std::span(path.c_str(),
                                                  path.size() + 1))));
    std::array<AgentCall, 1> open = {AgentCall{
        SYS_openat,
        {static_cast<std::uint64_t>(AT_FDCWD), Raw(runner.space()),
         O_RDONLY | O_CLOEXEC},
        0}};
    SSI_TRY(runner.Run(open));
    if (open[0].result < 0) {
      return FailErrno(static_cast<int>(-open[0].result), "open {} again",
                       files.Get(id)->path);
    }
    return numbers[id] = static_cast<int>(open[0].result);
  };
  auto mapped =
      MapAreas(runner, incoming_.image, incoming_.contents, number_of);
  for (const auto& [id, number] : numbers) {
    batch.Add("close", SYS_close, {static_cast<std::uint64_t>(number)});
  }
  SSI_TRY(batch.Flush());
  stop_pending_ |= runner.stop_pending();
  return mapped;
}

Status StandIn::AbortRefill() {
  AgentRunner runner(tracee_, *window_);
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
  for (const auto& run : shown_) {
    SSI_TRY(WriteMemory(tracee_.pid(), RemoteAddr{run.address}, shown_bytes_));
  }
  incoming_ = {};
  return {};
}

Status StandIn::FinishRefill(const SignalActions& current) {
  AgentRunner runner(tracee_, *window_);
  SSI_TRY(FinishAreas(runner, incoming_.image, incoming_.contents));
  SSI_TRY(RestoreStates(runner, incoming_.image, current));
  stop_pending_ |= runner.stop_pending();
  thread_ = incoming_.image.threads[0];
  vmas_.clear();
  incoming_ = {};
  return {};
}

}  // namespace ssi
