#include "cluster/guests/guest_run.h"

#include <sys/stat.h>

#include <array>
#include <filesystem>
#include <sstream>
#include <stdexcept>

#include <google/protobuf/util/json_util.h>

#include "proto/control.pb.h"

namespace ssi::test {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

const std::string kSsirun = std::string(SSI_BIN_DIR) + "/ssirun";

// The number that a process has in its innermost name space: at home its pid,
// and away, where the sandbox gives it the same one.
pid_t InnermostPid(pid_t pid) {
  std::istringstream status(
      ReadAllOf("/proc/" + std::to_string(pid) + "/status"));
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("NSpid:")) {
      return std::stoi(line.substr(line.find_last_of(" \t") + 1));
    }
  }
  return -1;
}

// Three seconds of lines, one at a time, into a fifo.
Child WriterOf(const std::string& fifo) {
  Spawn spawn;
  spawn.command = {"sh", "-c",
                   "exec >\"$0\"; i=0; while [ $i -lt 100 ]; do i=$((i + 1)); "
                   "echo \"$i of a hundred lines\"; sleep 0.03; done",
                   fifo};
  return Child(spawn);
}

// In /tmp, which is another one on n2.
std::string ViewFolder(const Cluster& cluster) {
  std::string folder = cluster.folder() + "/view";
  std::filesystem::create_directories(folder + "/of home");
  return folder;
}

// The process is in no call, and in 200 ms it did not get a CPU to stop on.
bool OfBusyMachine(const std::string& reason) {
  return reason.find("it is in call running") != std::string::npos;
}

void Count(const std::string& path, GuestOutcome& outcome) {
  wire::JobStats stats;
  google::protobuf::util::JsonParseOptions options;
  auto parsed = google::protobuf::util::JsonStringToMessage(ReadAllOf(path),
                                                            &stats, options);
  if (!parsed.ok()) {
    outcome.failed_moves.insert("no stats: " + parsed.ToString());
    return;
  }
  for (const auto& process : stats.processes()) {
    for (const auto& hop : process.hops()) {
      // It ended on the way: what breaks first then says why.
      bool last = &hop == &process.hops(process.hops_size() - 1);
      bool over =
          hop.reason().find("ended") != std::string::npos ||
          hop.reason().find("exited") != std::string::npos ||
          (last && hop.reason().find("connection broke") != std::string::npos);
      if (hop.moved()) {
        ++outcome.counted_moves;
      } else if (!over && !OfBusyMachine(hop.reason())) {
        outcome.failed_moves.insert(hop.from() + " -> " + hop.to() + ": " +
                                    hop.reason());
      }
    }
    for (const auto& call : process.came_home()) {
      outcome.came_home[call.name().empty() ? "NUMBER" : call.name()] +=
          call.count();
    }
    for (const auto& call : process.home_calls()) {
      outcome.home_calls[call.name()] += call.count();
    }
  }
}

}  // namespace

const char* NameOf(GuestMode mode) {
  switch (mode) {
    case GuestMode::kNative:
      return "natively";
    case GuestMode::kHome:
      return "at home";
    case GuestMode::kAway:
      return "--on n2";
    case GuestMode::kHopping:
      return "hopping";
  }
  return "?";
}

GuestInMode::GuestInMode(const Cluster& cluster, const GuestRun& guest,
                         GuestMode mode, const GuestPace& pace,
                         std::string folder)
    : cluster_(cluster),
      guest_(guest),
      mode_(mode),
      pace_(pace),
      folder_(std::move(folder)),
      child_(Start()),
      started_(Clock::now()),
      next_hop_(started_ + pace.hop_every / 2) {}

std::vector<std::string> GuestInMode::Command() const {
  std::vector<std::string> command;
  if (mode_ != GuestMode::kNative) {
    command = {kSsirun, "--stats", folder_ + "/stats"};
    if (mode_ == GuestMode::kAway) {
      command.insert(command.end(), {"--on", "n2"});
    }
    command.emplace_back("--");
  }
  for (const auto& word : guest_.command) {
    command.push_back(word == "@"       ? std::to_string(pace_.seconds)
                      : word == "@view" ? ViewFolder(cluster_)
                                        : word);
  }
  return command;
}

Child GuestInMode::Start() {
  std::filesystem::create_directories(folder_ + "/work");
  Spawn spawn;
  spawn.environment = cluster_.environment();
  spawn.command = Command();
  spawn.folder = folder_ + "/work";
  spawn.out = folder_ + "/out";
  spawn.err = folder_ + "/err";
  if (guest_.Is("lines")) {
    spawn.in = folder_ + "/in";
    if (::mkfifo(spawn.in.c_str(), 0600) != 0) {
      throw std::runtime_error("mkfifo " + spawn.in);
    }
    writer_.emplace(WriterOf(spawn.in));
  }
  return Child(spawn);
}

bool GuestInMode::Tick() {
  if (!child_.Runs()) {
    return false;
  }
  if (Clock::now() - started_ > pace_.limit) {
    return false;
  }
  if (mode_ == GuestMode::kNative) {
    return true;
  }
  FindCommand();
  if (command_ > 0) {
    Look();
    if (mode_ == GuestMode::kHopping && Clock::now() >= next_hop_) {
      Hop();
    }
  }
  return true;
}

// front -> home supervisor -> the guest, once it has executed it.
void GuestInMode::FindCommand() {
  if (command_ > 0) {
    return;
  }
  for (pid_t supervisor : ChildrenOf(child_.pid())) {
    for (pid_t child : ChildrenOf(supervisor)) {
      if (command_ < 0 && NameOf(child) != "ssirun") {
        command_ = child;
      }
    }
  }
}

void GuestInMode::Look() {
  if (outcome_.witnessed) {
    return;
  }
  for (const char* node : {"n2", "n3"}) {
    for (pid_t body : cluster_.Bodies(node)) {
      outcome_.witnessed |= InnermostPid(body) == command_;
    }
  }
}

void GuestInMode::Hop() {
  std::string pid = std::to_string(command_);
  // Two hops of four are from one node away straight to another.
  static constexpr std::array kRoute = {"n2", "n3", "n2", "n1"};
  auto moved =
      cluster_.Ssictl({"migrate", pid, kRoute.at(hops_ % kRoute.size())});
  if (Describe(moved.status) == "exit 0") {
    ++outcome_.moves;
    ++hops_;
  } else if (!OfBusyMachine(moved.err) &&
             moved.err.find("ended") == std::string::npos &&
             !Eventually([this] { return StateOf(command_) == '-'; }, 300ms)) {
    outcome_.refusals.insert(moved.err);
    ++hops_;
  }
  next_hop_ = Clock::now() + pace_.hop_every;
}

// For whoever reads the report: what each part of the job waits in.
std::string GuestInMode::WhereItHangs() const {
  std::string text =
      "it hangs: " + cluster_.Ssictl({"why", std::to_string(command_)}).out +
      cluster_.Ssictl({"ps"}).out + cluster_.log("n2");
  auto pids = DescendantsOf(child_.pid());
  auto bodies = cluster_.Bodies("n2");
  pids.insert(pids.end(), bodies.begin(), bodies.end());
  for (pid_t pid : pids) {
    std::string proc = "/proc/" + std::to_string(pid);
    text += NameOf(pid) + " " + StateOf(pid) + " " +
            ReadAllOf(proc + "/wchan") + " " + ReadAllOf(proc + "/syscall");
  }
  return text;
}

GuestOutcome GuestInMode::Outcome() {
  auto status = child_.Wait(0ms);
  if (!status && mode_ != GuestMode::kNative) {
    outcome_.failed_moves.insert(WhereItHangs());
  }
  outcome_.result = ResultOf(folder_, Describe(status), "");
  if (mode_ != GuestMode::kNative) {
    Count(folder_ + "/stats", outcome_);
  }
  return outcome_;
}

}  // namespace ssi::test
