#include "node/local_cluster.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <sstream>

#include "base/cpus.h"
#include "base/files.h"
#include "base/paths.h"
#include "base/unique_fd.h"
#include "node/control_client.h"
#include "node/local_view.h"
#include "node/options.h"
#include "node/self.h"
#include "process/stat_fields.h"
#include "proto/key.h"

namespace ssi {

namespace {

// Far enough apart that a forgotten clock offset shows, and not the same for
// any two nodes.
constexpr std::chrono::seconds kClockStep{1000};
constexpr int kStartLimitMs = 30000;

std::string Folder() {
  return RuntimeDir() + "/local";
}
std::string ListPath() {
  return Folder() + "/nodes";
}

// One line a node: name, pid, start time of that pid, address, control socket.
// The start time tells the process from a later one with its number.
struct Entry {
  LocalNode node;
  std::uint64_t started = 0;
};

std::uint64_t StartTime(pid_t pid) {
  auto stat = StatFields::Read(HostPid{pid});
  constexpr std::size_t kStartTime = 22;
  return stat && stat->state() != 'Z' ? stat->Unsigned(kStartTime).value_or(0)
                                      : 0;
}

Result<std::vector<Entry>> ReadList() {
  auto text = ReadFile(ListPath());
  if (!text) {
    return Fail(ErrorCode::kGone,
                "no local cluster is up (ssictl local up starts one)");
  }
  std::vector<Entry> entries;
  std::istringstream stream(*text);
  for (Entry entry; stream >> entry.node.name >> entry.node.pid >>
                    entry.started >> entry.node.address >>
                    entry.node.control;) {
    entries.push_back(entry);
  }
  return entries;
}

Status WriteList(const std::vector<Entry>& entries) {
  std::string text;
  for (const auto& entry : entries) {
    text += fmt::format("{} {} {} {} {}\n", entry.node.name, entry.node.pid,
                        entry.started, entry.node.address, entry.node.control);
  }
  return WriteFileAtomically(ListPath(), text, 0600);
}

bool Runs(const Entry& entry) {
  return entry.started != 0 && StartTime(entry.node.pid) == entry.started;
}

std::vector<unsigned> ShareOf(unsigned index, unsigned nodes) {
  auto cpus = AllowedCpus();
  std::vector<unsigned> share;
  for (std::size_t i = 0; i < cpus.size(); ++i) {
    bool mine = cpus.size() >= nodes ? i * nodes / cpus.size() == index
                                     : i == index % cpus.size();
    if (mine) {
      share.push_back(cpus[i]);
    }
  }
  return share;
}

struct NodePlan {
  unsigned index = 0;
  std::string name;
  std::string runtime_dir;
  std::vector<std::string> arguments;
};

NodePlan PlanOf(unsigned index, const LocalOptions& options,
                const std::string& join) {
  NodePlan plan;
  plan.index = index;
  plan.name = fmt::format("n{}", index + 1);
  plan.runtime_dir =
      index == 0 ? RuntimeDir() : fmt::format("{}/{}", Folder(), plan.name);
  wire::NodeInfo machine = DescribeSelf({}, "");
  plan.arguments = {"ssid",
                    "--name",
                    plan.name,
                    "--listen",
                    "127.0.0.1:0",
                    "--key",
                    Folder() + "/key",
                    "--foreground",
                    "--cpus",
                    FormatCpuList(ShareOf(index, options.nodes)),
                    "--memory",
                    std::to_string(machine.memory_total() / options.nodes),
                    "--grace",
                    fmt::format("{}", options.grace_seconds)};
  if (!join.empty()) {
    plan.arguments.insert(plan.arguments.end(), {"--join", join});
    plan.arguments.insert(plan.arguments.end(), options.more.begin(),
                          options.more.end());
  }
  return plan;
}

// In the child: never returns. `binary` is ssid, open, because its path may be
// hidden from here on.
[[noreturn]] void RunNode(const NodePlan& plan, const LocalOptions& options,
                          int binary, int log, int ready) {
  auto fail = [](const std::string& text) {
    (void)!::write(2, text.data(), text.size());
    ::_exit(1);
  };
  ::dup2(log, 1);
  ::dup2(log, 2);
  ::setsid();
  if (plan.index > 0) {
    LocalView view;
    view.host_name = plan.name;
    view.clock_ahead = kClockStep * plan.index;
    view.keep = options.shared;
    view.keep.push_back(RuntimeDir());
    if (auto status = EnterLocalView(view); !status) {
      fail(fmt::format("{}\n", status.error().message));
    }
    // The time namespace is for children.
    if (::fork() != 0) {
      ::_exit(0);
    }
  }
  ::setenv("SSI_RUNTIME_DIR", plan.runtime_dir.c_str(), 1);
  ::unsetenv("SSI_CONTROL");
  // For tests: what the other nodes shall lack, and where they shall fail; of
  // one node alone where its name and a colon come first.
  for (const char* name : {"SSI_PROBE", "SSI_FAULT"}) {
    std::string local = std::string("SSI_LOCAL_") + (name + 4);
    const char* value = std::getenv(local.c_str());
    if (plan.index == 0 || value == nullptr) {
      continue;
    }
    std::string_view text = value;
    auto colon = text.find(':');
    if (colon == std::string_view::npos) {
      ::setenv(name, value, 1);
    } else if (text.substr(0, colon) == plan.name) {
      ::setenv(name, value + colon + 1, 1);
    }
  }
  ::fcntl(ready, F_SETFD, 0);
  std::string number = std::to_string(ready);
  std::vector<char*> arguments;
  arguments.reserve(plan.arguments.size() + 3);
  for (const auto& argument : plan.arguments) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  std::string option = "--ready-fd";
  arguments.push_back(option.data());
  arguments.push_back(number.data());
  arguments.push_back(nullptr);
  ::fexecve(binary, arguments.data(), environ);
  fail(fmt::format("execute ssid: {}\n", std::strerror(errno)));
  ::_exit(1);
}

Result<UniqueFd> OpenSsid() {
  std::array<char, 4096> self{};
  ssize_t n = ::readlink("/proc/self/exe", self.data(), self.size() - 1);
  std::string path(self.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
  path = path.substr(0, path.rfind('/') + 1) + "ssid";
  return Open(path, O_RDONLY);
}

// The line "PID ADDRESS" of a daemon that serves.
Result<std::string> ReadReady(int fd) {
  std::string line;
  for (;;) {
    pollfd ready{fd, POLLIN, 0};
    if (::poll(&ready, 1, kStartLimitMs) != 1) {
      return Fail(ErrorCode::kGone, "it did not start within {} s",
                  kStartLimitMs / 1000);
    }
    char byte = 0;
    ssize_t n = ::read(fd, &byte, 1);
    if (n <= 0) {
      return Fail(ErrorCode::kGone, "it ended at once");
    }
    if (byte == '\n') {
      return line;
    }
    line += byte;
  }
}

Result<Entry> StartNode(const NodePlan& plan, const LocalOptions& options) {
  SSI_TRY(MakePrivateDir(plan.runtime_dir));
  std::string log_path = fmt::format("{}/{}.log", Folder(), plan.name);
  SSI_ASSIGN(UniqueFd log,
             Open(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600));
  SSI_ASSIGN(UniqueFd binary, OpenSsid());
  std::array<int, 2> fds{};
  if (::pipe2(fds.data(), O_CLOEXEC) != 0) {
    return FailErrno(errno, "pipe");
  }
  UniqueFd ready(fds[0]);
  pid_t pid = ::fork();
  if (pid < 0) {
    return FailErrno(errno, "fork");
  }
  if (pid == 0) {
    ::close(fds[0]);
    RunNode(plan, options, binary.get(), log.get(), fds[1]);
  }
  ::close(fds[1]);
  auto line = ReadReady(ready.get());
  if (!line) {
    ::kill(-pid, SIGKILL);  // its session, so also what it has become by now
    ::kill(pid, SIGKILL);   // if it has none yet
    ::waitpid(pid, nullptr, 0);
    auto text = ReadFile(log_path);
    return Fail(ErrorCode::kSystem, "node {}: {}; its log {} says: {}",
                plan.name, line.error().message, log_path,
                text ? *text : "nothing");
  }
  if (plan.index > 0) {
    ::waitpid(pid, nullptr, 0);
  }
  Entry entry;
  entry.node.name = plan.name;
  std::istringstream stream(*line);
  stream >> entry.node.pid >> entry.node.address;
  entry.node.control = plan.runtime_dir + "/control";
  entry.started = StartTime(entry.node.pid);
  return entry;
}

// Every node sees every other one up.
Status WaitUntilJoined(const std::vector<Entry>& entries) {
  constexpr int kTries = 500;
  constexpr long kPauseNs = 20'000'000;
  for (int i = 0; i < kTries; ++i) {
    std::size_t complete = 0;
    for (const auto& entry : entries) {
      wire::Request request;
      request.mutable_nodes();
      auto response = AskDaemon(entry.node.control, request);
      if (!response) {
        return std::unexpected(response.error());
      }
      const auto& nodes = response->nodes().nodes();
      auto up = std::count_if(nodes.begin(), nodes.end(), [](const auto& node) {
        return node.state() == "up";
      });
      complete += static_cast<std::size_t>(up) == entries.size() ? 1U : 0U;
    }
    if (complete == entries.size()) {
      return {};
    }
    timespec pause{0, kPauseNs};
    ::nanosleep(&pause, nullptr);
  }
  return Fail(ErrorCode::kGone, "the nodes do not find each other; see {}",
              Folder());
}

void EndNodes(const std::vector<Entry>& entries) {
  for (int signal : {SIGTERM, SIGTERM, SIGKILL}) {
    for (const auto& entry : entries) {
      if (Runs(entry)) {
        ::kill(entry.node.pid, signal);
      }
    }
    constexpr int kTries = 100;
    constexpr long kPauseNs = 20'000'000;
    for (int i = 0; i < kTries; ++i) {
      // Node 1 is a child of this process if that has just started it.
      for (const auto& entry : entries) {
        ::waitpid(entry.node.pid, nullptr, WNOHANG);
      }
      if (std::none_of(entries.begin(), entries.end(), Runs)) {
        return;
      }
      timespec pause{0, kPauseNs};
      ::nanosleep(&pause, nullptr);
    }
  }
}

}  // namespace

Result<std::vector<LocalNode>> LocalUp(const LocalOptions& options) {
  if (options.nodes < 1 || options.nodes > 64) {
    return Fail(ErrorCode::kInvalid, "1 to 64 nodes");
  }
  SSI_TRY(MakePrivateDir(RuntimeDir()));
  SSI_TRY(MakePrivateDir(Folder()));
  wire::Request request;
  request.mutable_status();
  if (AskDaemon(RuntimeDir() + "/control", request)) {
    return Fail(ErrorCode::kDenied,
                "an ssid of yours runs on this machine already (ssictl local "
                "down ends a local cluster)");
  }
  std::string key_path = Folder() + "/key";
  ::unlink(key_path.c_str());
  SSI_TRY(proto::Key::Generate(key_path));
  std::vector<Entry> entries;
  Status status;
  for (unsigned i = 0; i < options.nodes && status; ++i) {
    auto entry = StartNode(
        PlanOf(i, options, i == 0 ? "" : entries[0].node.address), options);
    if (entry) {
      entries.push_back(*entry);
      status = WriteList(entries);
    } else {
      status = std::unexpected(entry.error());
    }
  }
  if (status) {
    status = WaitUntilJoined(entries);
  }
  if (!status) {
    EndNodes(entries);
    ::unlink(ListPath().c_str());
    return std::unexpected(status.error());
  }
  std::vector<LocalNode> nodes;
  nodes.reserve(entries.size());
  for (const auto& entry : entries) {
    nodes.push_back(entry.node);
  }
  return nodes;
}

Status LocalDown() {
  SSI_ASSIGN(auto entries, ReadList());
  EndNodes(entries);
  // One that was killed did not take its socket away.
  for (const auto& entry : entries) {
    ::unlink(entry.node.control.c_str());
  }
  ::unlink(ListPath().c_str());
  return {};
}

Result<std::vector<LocalNode>> LocalStatus() {
  SSI_ASSIGN(auto entries, ReadList());
  std::vector<LocalNode> nodes;
  for (const auto& entry : entries) {
    nodes.push_back(entry.node);
    if (!Runs(entry)) {
      nodes.back().pid = -1;
    }
  }
  return nodes;
}

}  // namespace ssi
