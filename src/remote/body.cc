#include "remote/body.h"

#include <linux/seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/taken_away.h"
#include "process/agent_site.h"
#include "process/call_runner.h"
#include "process/capture.h"
#include "process/threads.h"
#include "remote/lacks.h"
#include "remote/sandbox_protocol.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)  // NOLINT: 5.19
#endif

namespace ssi {

namespace {

constexpr unsigned long kAwayOptions =
    PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACESECCOMP |
    PTRACE_O_TRACECLONE;

// Where our own pages and, while it is built, the window can be: clear of
// everything in the image.
Result<RemoteAddr> PlaceForAgent(const ProcessImage& image) {
  std::vector<Vma> vmas;
  for (const auto& area : image.areas) {
    vmas.push_back(area.vma);
  }
  auto at = FindFree(vmas, SiteSize(1), kSiteFrom, kSiteLimit);
  if (!at) {
    return Fail(ErrorCode::kUnsupported, "no room for our page");
  }
  return RemoteAddr{*at};
}

// What a body ignores at first it has from the sandbox's init and from whoever
// started this node's daemon: each of the program's own actions is set, also
// the default ones.
SignalActions UnknownActions() {
  SignalActions actions;
  for (std::size_t i = 0; i < actions.size(); ++i) {
    bool settable = i + 1 != SIGKILL && i + 1 != SIGSTOP;
    actions[i].handler = settable ? ~std::uint64_t{0} : kSigDefault;
  }
  return actions;
}

void Reap(HostPid thread) {
  while (::waitpid(Raw(thread), nullptr, __WALL) < 0 && errno == EINTR) {
  }
}

// The offset of the first `syscall` in the agent's code.
std::uint64_t SyscallOffset() {
  auto code = AgentCode();
  constexpr std::array kSyscall = {std::byte{0x0f}, std::byte{0x05}};
  auto at =
      std::search(code.begin(), code.end(), kSyscall.begin(), kSyscall.end());
  return static_cast<std::uint64_t>(at - code.begin());
}

}  // namespace

Result<Body> Body::Build(Sandbox& sandbox, const CapturedProcess& incoming,
                         const LocalFile& local_file) {
  SSI_ASSIGN(RemoteAddr code, PlaceForAgent(incoming.image));
  auto spawned = sandbox.Spawn(incoming.image.pid, code);
  if (!spawned) {
    return std::unexpected(Lacks("set_tid", spawned.error()));
  }
  SpawnedProcess made = *std::move(spawned);
  Body body(Tracee(made.pid), std::move(made.pid_fd), code);
  SSI_TRY(body.tracee_.Seize(kAwayOptions));
  body.site_.emplace(std::move(made.site));
  body.incoming_ = incoming;
  for (auto& area : body.incoming_.image.areas) {
    // What stays mapped at home is here a mapping of a file like any other.
    if (area.source == ImageArea::Source::kKept) {
      area.source = ImageArea::Source::kFile;
    }
  }
  SSI_TRY(body.MapContents(local_file, made.file_socket));
  return body;
}

Body::~Body() {
  if (!pid_fd_.valid()) {
    return;  // moved from
  }
  ::kill(Raw(pid()), SIGKILL);
  // Its end is told only when all its threads have been reaped.
  auto threads = ThreadsOf(pid());
  for (HostPid thread : threads.value_or(std::vector<HostPid>())) {
    if (thread != pid()) {
      Reap(thread);
    }
  }
  Reap(pid());
}

Result<int> Body::TakeFile(CallRunner& runner, const UniqueFd& file_socket,
                           const UniqueFd& file) {
  SSI_TRY(SendFile(file_socket, file));
  // In the space of the runner: msghdr, iovec, a byte, the control message.
  struct Receive {
    msghdr message;
    iovec vector;
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(int))> control;
    std::array<std::byte, 8> data;
  } receive{};
  std::uint64_t at = Raw(runner.space());
  auto pointer = [at](std::size_t offset) {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): an address over there
    return reinterpret_cast<void*>(at + offset);
  };
  receive.vector = {pointer(offsetof(Receive, data)), 1};
  receive.message.msg_iov =
      static_cast<iovec*>(pointer(offsetof(Receive, vector)));
  receive.message.msg_iovlen = 1;
  receive.message.msg_control = pointer(offsetof(Receive, control));
  receive.message.msg_controllen = receive.control.size();
  SSI_TRY(runner.Put(0, std::as_bytes(std::span(&receive, 1))));
  std::array<AgentCall, 1> call = {
      AgentCall{SYS_recvmsg, {kFileSocket, at, 0}, 0}};
  SSI_TRY(runner.Run(call));
  if (call[0].result != 1) {
    return FailErrno(static_cast<int>(-call[0].result), "receive a file");
  }
  SSI_TRY(runner.Get(0, std::as_writable_bytes(std::span(&receive, 1))));
  int number = -1;
  std::memcpy(&number, receive.control.data() + CMSG_LEN(0), sizeof number);
  return number;
}

Status Body::MapContents(const LocalFile& local_file,
                         const UniqueFd& file_socket) {
  AgentRunner runner(tracee_, site_->window(0));
  SSI_ASSIGN(auto now, ReadVmaRanges(pid()));
  // Its own leftovers: the program of init, its stack.
  std::vector<MemoryRun> keep = {{Raw(own_page_), site_->size()}};
  SSI_TRY(UnmapRanges(runner, RangesToUnmap(now, keep)));
  SSI_ASSIGN(auto vdso,
             CarriedVdso::Place(runner, pid(), now, incoming_.image, keep[0]));
  vdso_.emplace(std::move(vdso));
  std::map<std::uint32_t, FileToMap> numbers;
  auto number_of = [&](std::uint32_t id) -> Result<FileToMap> {
    if (auto known = numbers.find(id); known != numbers.end()) {
      return known->second;
    }
    SSI_ASSIGN(const UniqueFd* file, local_file(id));
    // Always private here: also what is shared at home.
    SSI_ASSIGN(int number, TakeFile(runner, file_socket, *file));
    return numbers[id] = FileToMap{number, false};
  };
  SSI_TRY(
      MapAreas(runner, incoming_.image, incoming_.memory.contents, number_of));
  return LearnFiles();
}

Status Body::LearnFiles() {
  SSI_ASSIGN(auto now, ReadVmaRanges(pid()));
  for (const auto& area : incoming_.image.areas) {
    if (area.file != 0) {
      SSI_TRY(LearnFileAt(now, area.vma.start, area.file));
    }
  }
  return {};
}

Status Body::LearnFile(std::uint64_t address, std::uint32_t file) {
  SSI_ASSIGN(auto now, ReadVmaRanges(pid()));
  return LearnFileAt(now, address, file);
}

Status Body::LearnFileAt(const std::vector<Vma>& now, std::uint64_t address,
                         std::uint32_t file) {
  const Vma* vma = FindVma(now, address);
  if (vma == nullptr || vma->inode == 0) {
    return Fail(ErrorCode::kProtocol, "no file is mapped at {:#x}", address);
  }
  files_[{vma->device_major, vma->device_minor, vma->inode}] = file;
  return {};
}

std::optional<std::uint32_t> Body::FileOf(const Vma& vma) const {
  auto file = files_.find({vma.device_major, vma.device_minor, vma.inode});
  return file == files_.end() ? std::nullopt : std::optional(file->second);
}

Status Body::DropPrivileges(CallRunner& runner) {
  struct {
    std::uint32_t version = 0x20080522;  // _LINUX_CAPABILITY_VERSION_3
    std::int32_t pid = 0;
    // Effective, permitted, inheritable; the first 32, then the others.
    std::array<std::uint32_t, 6> sets{};
  } capabilities;
  constexpr std::uint32_t kCheckpointRestore = 1U << (40 - 32);
  capabilities.sets[3] = capabilities.sets[4] = kCheckpointRestore;
  CallBatch batch(runner);
  batch.Add("drop ambient capabilities", SYS_prctl,
            {PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0});
  SSI_ASSIGN(RemoteAddr at, batch.PlaceObject(capabilities));
  batch.Add("capset", SYS_capset, {Raw(at), Raw(at) + 8});
  batch.Add("no_new_privs", SYS_prctl, {PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0});
  return batch.Flush();
}

Status Body::InstallFilter(Sandbox& sandbox, InjectingRunner& runner,
                           std::span<const sock_filter> filter) {
  auto code = std::as_bytes(filter);
  std::vector<std::byte> placed(sizeof(sock_fprog) + code.size());
  std::uint64_t at = Raw(runner.space());
  sock_fprog program{};
  program.len = static_cast<unsigned short>(filter.size());
  // NOLINTNEXTLINE(performance-no-int-to-ptr): an address over there
  program.filter = reinterpret_cast<sock_filter*>(at + sizeof program);
  std::memcpy(placed.data(), &program, sizeof program);
  std::memcpy(placed.data() + sizeof program, code.data(), code.size());
  SSI_TRY(runner.Put(0, placed));
  std::array<AgentCall, 1> calls = {
      // No file of ours stays in its table; the listener will be the only one.
      AgentCall{SYS_close_range, {0, ~0U, 0}, 0}};
  SSI_TRY(runner.Run(calls));
  // On all threads at once.
  constexpr std::uint64_t kFlags = SECCOMP_FILTER_FLAG_NEW_LISTENER |
                                   SECCOMP_FILTER_FLAG_TSYNC |
                                   SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
  auto install = [&](std::uint64_t flags) -> Result<std::int64_t> {
    calls[0] = AgentCall{
        SYS_seccomp, {SECCOMP_SET_MODE_FILTER, kFlags | flags, at}, 0};
    SSI_TRY(runner.Run(calls));
    return calls[0].result;
  };
  std::int64_t made = -EINVAL;
  if (!IsTakenAway("wait_killable")) {
    SSI_ASSIGN(made, install(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV));
  }
  if (made == -EINVAL) {  // before Linux 5.19
    wait_ = GuestThread::Wait::kTorn;
    SSI_ASSIGN(made, install(0));
  }
  if (made < 0) {
    return std::unexpected(
        Lacks("guest_filter",
              SystemError(static_cast<int>(-made), "seccomp filter")));
  }
  SSI_ASSIGN(listener_, PidFdGetFd(pid_fd_.get(), static_cast<int>(made)));
  return sandbox.Hold(listener_);
}

// Without window, and with the listener's number closed. These calls come from
// our own page, where the filter stops each for us.
Status Body::LeaveAgent(Injector& injector) {
  SSI_TRY(injector.MustCall("close", SYS_close_range, {0, ~0U, 0}));
  SSI_TRY(injector.MustCall("munmap of the window", SYS_munmap,
                            {Raw(site_->window(0).remote()), kWindowSize}));
  SSI_TRY(
      injector.MustCall("mmap of our page", SYS_mmap,
                        {Raw(own_space()), kPageSize, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
                         ~std::uint64_t{0}, 0}));
  site_.reset();
  return {};
}

Status Body::Finish(Sandbox& sandbox, std::span<const sock_filter> filter) {
  {
    AgentRunner runner(tracee_, site_->window(0));
    SSI_TRY(FinishAreas(runner, incoming_.image, incoming_.memory.contents));
    SSI_TRY(RestoreStates(runner, incoming_.image, UnknownActions()));
    const ThreadImage& first = incoming_.image.threads[0];
    if (!first.exited) {
      CallBatch batch(runner);
      SSI_TRY(AddThreadStates(batch, first));
      SSI_TRY(batch.Flush());
    }
    SSI_TRY(DropPrivileges(runner));
  }
  bool stop_pending = false;
  SSI_TRY(StopAgent(tracee_, stop_pending));
  SSI_ASSIGN(RemoteAddr instruction, OwnSyscall());
  SSI_ASSIGN(auto injector, Injector::Begin(tracee_, instruction));
  SSI_TRY(MakeThreads(injector));
  AgentWindow& window = site_->window(0);
  InjectingRunner runner(injector, pid(), window.remote_data(),
                         window.data().size());
  SSI_TRY(InstallFilter(sandbox, runner, filter));
  SSI_TRY(LeaveAgent(injector));
  (void)injector.KeepBlocked();
  return incoming_.image.threads[0].exited ? EndLeader() : Status();
}

Status Body::Start() {
  for (const auto& thread : incoming_.image.threads) {
    if (!thread.exited) {
      Tracee tracee(*Find(thread.tid));
      SSI_TRY(RestoreThread(tracee, thread));
      SSI_TRY(vdso_->Enter(tracee));
    }
  }
  incoming_ = {};
  return {};
}

Result<RemoteAddr> Body::OwnSyscall() const {
  // The program can have unmapped or replaced our page; nothing of ours may
  // run from it then.
  auto expected = AgentCode();
  std::vector<std::byte> found(expected.size());
  auto status = ReadMemory(living(), own_page_, found);
  if (!status || !std::equal(found.begin(), found.end(), expected.begin())) {
    return Fail(ErrorCode::kProtocol,
                "the program has changed the runtime's page at {:#x}",
                Raw(own_page_));
  }
  return own_page_ + SyscallOffset();
}

Result<std::int64_t> Body::Inject(const Tracee& tracee, std::uint64_t number,
                                  const CallArgs& args,
                                  std::span<const std::byte> in,
                                  std::span<std::byte> out) {
  SSI_ASSIGN(RemoteAddr instruction, OwnSyscall());
  if (!in.empty()) {
    SSI_TRY(WriteMemory(living(), own_space(), in));
  }
  SSI_ASSIGN(auto injector, Injector::Begin(tracee, instruction));
  auto result = injector.Call(number, args);
  if (!result) {
    return result;
  }
  SSI_TRY(injector.End());
  if (!out.empty()) {
    SSI_TRY(ReadMemory(living(), own_space(), out));
  }
  return result;
}

}  // namespace ssi
