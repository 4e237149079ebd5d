#include "remote/sandbox.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include "base/files.h"
#include "base/taken_away.h"
#include "base/unix_socket.h"
#include "process/agent_site.h"
#include "remote/sandbox_protocol.h"

extern "C" {
// sandbox_blob.S
extern const std::byte ssi_sandbox_init[];      // NOLINT: assembler names
extern const std::byte ssi_sandbox_init_end[];  // NOLINT
}

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U  // NOLINT: the kernel's name (Linux 6.3)
#endif

namespace ssi {

namespace {

// The steps of the new init before it executes its program. Between clone and
// exec only system calls: another thread may have held any lock.
enum class Step : int {
  kNone,
  kUserMap,
  kGroupMap,
  kRoot,
  kCapabilities,
  kExec,
};
constexpr std::array kStepNames = {"start",         "map the user",
                                   "map the group", "empty root",
                                   "capabilities",  "execute its init"};

struct StepFailure {
  Step step;
  int err;
};

// Everything the child needs, made before the clone.
struct ChildPlan {
  std::array<char, 64> user_map{};
  std::array<char, 64> group_map{};
  int program = -1;
  int socket = -1;
  int failure_pipe = -1;
};

bool WriteText(const char* path, const char* text) {
  int fd = ::open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) {
    return false;
  }
  auto size = static_cast<ssize_t>(std::strlen(text));
  bool good = ::write(fd, text, static_cast<std::size_t>(size)) == size;
  int err = errno;
  ::close(fd);
  errno = err;
  return good;
}

// Leaves an empty read-only file system as the only one there is. /proc is a
// mount point that every machine has.
bool EnterEmptyRoot() {
  return ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount("none", "/proc", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
                 "size=4k,nr_inodes=2,mode=755") == 0 &&
         ::chdir("/proc") == 0 && ::syscall(SYS_pivot_root, ".", ".") == 0 &&
         ::umount2(".", MNT_DETACH) == 0 && ::chdir("/") == 0 &&
         ::mount("none", "/", nullptr,
                 MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV |
                     MS_NOEXEC,
                 nullptr) == 0;
}

// exec drops the capabilities of a user that is not root, unless they are
// ambient. Kept: what clone3's set_tid and seccomp without no_new_privs need.
bool KeepCapabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> data{};
  if (::syscall(SYS_capget, &header, data.data()) != 0) {
    return false;
  }
  data[0].inheritable = data[0].permitted;
  data[1].inheritable = data[1].permitted;
  if (::syscall(SYS_capset, &header, data.data()) != 0) {
    return false;
  }
  for (int capability : {CAP_SYS_ADMIN, CAP_CHECKPOINT_RESTORE}) {
    if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) != 0) {
      return false;
    }
  }
  return true;
}

Step RunSteps(const ChildPlan& plan) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (!WriteText("/proc/self/setgroups", "deny") ||
      !WriteText("/proc/self/gid_map", plan.group_map.data())) {
    return Step::kGroupMap;
  }
  if (!WriteText("/proc/self/uid_map", plan.user_map.data())) {
    return Step::kUserMap;
  }
  if (!EnterEmptyRoot()) {
    return Step::kRoot;
  }
  if (!KeepCapabilities()) {
    return Step::kCapabilities;
  }
  constexpr std::array kStops = {SIGTSTP, SIGTTIN, SIGTTOU, SIGINT,
                                 SIGQUIT, SIGHUP,  SIGTERM};
  for (int signal : kStops) {
    ::signal(signal, SIG_IGN);
  }
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  // The program and the pipe close themselves at exec.
  if (::dup2(plan.socket, kInitSocket) < 0) {
    return Step::kExec;
  }
  const char* const arguments[] = {"ssi-sandbox", nullptr};
  const char* const environment[] = {nullptr};
  ::syscall(SYS_execveat, plan.program, "", arguments, environment,
            AT_EMPTY_PATH);
  return Step::kExec;
}

[[noreturn]] void RunChild(const ChildPlan& plan) {
  Step step = RunSteps(plan);
  StepFailure failure{step, errno};
  (void)!::write(plan.failure_pipe, &failure, sizeof failure);
  ::_exit(1);
}

// The program's bytes as a file that can be executed.
Result<UniqueFd> ProgramFile() {
  auto made = MakeMemFd("ssi-sandbox", MFD_EXEC);
  if (!made && made.error().sys_errno == EINVAL) {
    made = MakeMemFd("ssi-sandbox");  // before 6.3 all are executable
  }
  if (!made) {
    return made;
  }
  SSI_TRY(WriteAll(
      made->get(), static_cast<const std::byte*>(ssi_sandbox_init),
      static_cast<std::size_t>(ssi_sandbox_init_end - ssi_sandbox_init)));
  return made;
}

// Keeps `fd` out of the way of kInitSocket, which the child's dup2 takes.
Result<UniqueFd> AboveInitSocket(UniqueFd fd) {
  if (fd.get() > kInitSocket) {
    return fd;
  }
  int copy = ::fcntl(fd.get(), F_DUPFD_CLOEXEC, kInitSocket + 1);
  if (copy < 0) {
    return FailErrno(errno, "duplicate fd");
  }
  return UniqueFd(copy);
}

Result<ClockOffsets> ParseOffsets(const std::string& text) {
  ClockOffsets offsets;
  for (auto [name, field] : {std::pair("monotonic", &offsets.monotonic),
                             std::pair("boottime", &offsets.boot)}) {
    auto at = text.find(name);
    long long seconds = 0;
    long long nanoseconds = 0;
    if (at == std::string::npos ||
        std::sscanf(text.c_str() + at + std::strlen(name), "%lld %lld",
                    &seconds, &nanoseconds) != 2) {
      return Fail(ErrorCode::kUnsupported, "timens_offsets: {}", text);
    }
    *field =
        std::chrono::seconds(seconds) + std::chrono::nanoseconds(nanoseconds);
  }
  return offsets;
}

std::string FormatOffset(const char* name, std::chrono::nanoseconds offset) {
  // Nanoseconds must not be negative.
  auto seconds = std::chrono::floor<std::chrono::seconds>(offset);
  return fmt::format("{} {} {}\n", name, seconds.count(),
                     (offset - seconds).count());
}

Result<HostPid> PidOf(const UniqueFd& pid_fd) {
  SSI_ASSIGN(std::string info,
             ReadFile(fmt::format("/proc/self/fdinfo/{}", pid_fd.get())));
  constexpr std::string_view kPid = "Pid:\t";
  auto at = info.find(kPid);
  if (at == std::string::npos) {
    return Fail(ErrorCode::kUnsupported, "pidfd without a pid");
  }
  auto text = std::string_view(info).substr(at + kPid.size());
  auto pid = ParseNumber<pid_t>(text.substr(0, text.find('\n')));
  if (!pid || *pid <= 0) {
    return Fail(ErrorCode::kGone, "the new process is gone");
  }
  return HostPid{*pid};
}

}  // namespace

Result<ClockOffsets> OwnClockOffsets() {
  SSI_ASSIGN(std::string text, ReadFile("/proc/self/timens_offsets"));
  return ParseOffsets(text);
}

Result<Sandbox> Sandbox::Make() {
  ChildPlan plan;
  fmt::format_to_n(plan.user_map.data(), plan.user_map.size() - 1, "{0} {0} 1",
                   ::geteuid());
  fmt::format_to_n(plan.group_map.data(), plan.group_map.size() - 1,
                   "{0} {0} 1", ::getegid());
  SSI_ASSIGN(auto program_file, ProgramFile());
  SSI_ASSIGN(auto program, AboveInitSocket(std::move(program_file)));
  SSI_ASSIGN(auto sockets, MakeSocketPair(SOCK_SEQPACKET));
  std::array<int, 2> pipe_fds{};
  if (::pipe2(pipe_fds.data(), O_CLOEXEC) != 0) {
    return FailErrno(errno, "pipe");
  }
  UniqueFd pipe_read(pipe_fds[0]);
  SSI_ASSIGN(UniqueFd pipe_write, AboveInitSocket(UniqueFd(pipe_fds[1])));
  plan.program = program.get();
  plan.socket = sockets.second.get();
  plan.failure_pipe = pipe_write.get();

  int pid_fd = -1;
  clone_args args{};
  args.flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET |
               CLONE_NEWIPC | CLONE_NEWUTS | CLONE_PIDFD;
  args.pidfd = reinterpret_cast<std::uint64_t>(&pid_fd);
  args.exit_signal = SIGCHLD;
  long pid = ::syscall(SYS_clone3, &args, sizeof args);
  if (pid < 0) {
    return FailErrno(errno,
                     "this node does not let users make namespaces (clone3)");
  }
  if (pid == 0) {
    RunChild(plan);
  }
  Sandbox sandbox(HostPid{static_cast<pid_t>(pid)}, UniqueFd(pid_fd),
                  std::move(sockets.first));
  pipe_write.Reset();
  StepFailure failure{};
  if (auto status = ReadAll(pipe_read.get(), &failure, sizeof failure);
      status.has_value()) {
    return FailErrno(failure.err, "sandbox: {}",
                     kStepNames.at(static_cast<std::size_t>(failure.step)));
  }
  return sandbox;
}

Sandbox::~Sandbox() {
  if (init_pid_fd_.valid()) {
    Kill();
  }
}

void Sandbox::Kill() {
  if (!init_pid_fd_.valid()) {
    return;
  }
  ::kill(Raw(init_pid_), SIGKILL);
  while (::waitpid(Raw(init_pid_), nullptr, __WALL) < 0 && errno == EINTR) {
  }
  init_pid_fd_.Reset();
}

Result<ReceivedMessage> Sandbox::Ask(const InitRequest& request,
                                     std::span<const int> fds,
                                     const std::string& what) {
  SSI_TRY(
      SendWithFds(socket_.get(), std::as_bytes(std::span(&request, 1)), fds));
  SSI_ASSIGN(auto answer, ReceiveWithFds(socket_.get(), sizeof(InitReply)));
  InitReply reply{};
  if (answer.data.size() != sizeof reply) {
    return Fail(ErrorCode::kGone, "{}: the sandbox's init died", what);
  }
  std::memcpy(&reply, answer.data.data(), sizeof reply);
  if (reply.result < 0) {
    return FailErrno(static_cast<int>(-reply.result), "sandbox: {}", what);
  }
  return answer;
}

Status Sandbox::SetClockOffsets(const ClockOffsets& offsets) {
  if (IsTakenAway("time_namespace")) {
    return FailErrno(EINVAL, "sandbox: make a time namespace");
  }
  InitRequest request{};
  request.command = InitCommand::kNewTime;
  SSI_TRY(Ask(request, {}, "make a time namespace"));
  return WriteProcFile(fmt::format("/proc/{}/timens_offsets", Raw(init_pid_)),
                       FormatOffset("monotonic", offsets.monotonic) +
                           FormatOffset("boottime", offsets.boot));
}

Result<SpawnedProcess> Sandbox::Spawn(HomePid pid, RemoteAddr code) {
  if (IsTakenAway("set_tid")) {
    return FailErrno(EINVAL, "sandbox: make process {}", Raw(pid));
  }
  SSI_ASSIGN(UniqueFd memory, MakeMemFd("ssi-window"));
  if (::ftruncate(memory.get(), kWindowSize) != 0) {
    return FailErrno(errno, "size of an agent's window");
  }
  SSI_ASSIGN(auto files, MakeSocketPair(SOCK_SEQPACKET));
  RemoteAddr window_at = code + kAgentCodeSize;
  InitRequest request{InitCommand::kSpawn, Raw(pid), Raw(code), Raw(window_at),
                      kWindowSize};
  std::array fds{memory.get(), files.second.get()};
  SSI_ASSIGN(auto answer,
             Ask(request, fds, fmt::format("make process {}", Raw(pid))));
  if (answer.fds.size() != 1) {
    return Fail(ErrorCode::kGone, "the sandbox's init sent no pidfd");
  }
  SSI_ASSIGN(HostPid host_pid, PidOf(answer.fds[0]));
  SSI_ASSIGN(auto site, AgentSite::Map(memory, code, 1));
  return SpawnedProcess{host_pid, std::move(answer.fds[0]), std::move(site),
                        std::move(files.first)};
}

Status Sandbox::Hold(const UniqueFd& listener) {
  InitRequest request{};
  request.command = InitCommand::kHold;
  std::array fds{listener.get()};
  SSI_TRY(Ask(request, fds, "hold the listener"));
  return {};
}

Status SendFile(const UniqueFd& file_socket, const UniqueFd& file) {
  std::array<std::byte, 1> data{};
  std::array fds{file.get()};
  return SendWithFds(file_socket.get(), data, fds);
}

}  // namespace ssi
