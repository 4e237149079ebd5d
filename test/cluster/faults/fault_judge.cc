// What a run with a fault is judged by: how the program ended, and what is
// left.
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "cluster/faults/fault_run.h"
#include "support/cluster.h"

namespace ssi::test {

using namespace std::chrono_literals;

namespace {

constexpr auto kRestLimit = 15s;

bool Gone(pid_t pid) {
  char state = StateOf(pid);
  return state == '-' || state == 'Z';
}

// Neither dead nor in the hands of its tracer, nor one that is still being
// built: those need their supervisor, which may be stopped.
bool MayCompute(pid_t pid) {
  constexpr std::string_view kNot = "-Zt";
  return kNot.find(StateOf(pid)) == std::string_view::npos &&
         !NameOf(pid).starts_with("memfd:ssi");
}

}  // namespace

bool FaultRun::MustEndWell() const {
  const Victim& victim = scenario_.victim;
  if (scenario_.kind == Kind::kStopForAWhile && scenario_.pause < 2s) {
    return true;
  }
  if (victim.node == 1) {
    return victim.who == Who::kDaemon;
  }
  // What lacks something lacks it later, too.
  bool lasts =
      scenario_.kind == Kind::kMemory || scenario_.kind == Kind::kDescriptors;
  // One that was not reached says nothing of where the process was.
  if (scenario_.delay >= 0ms || !reached_ || !scenario_.more.empty() || lasts) {
    return false;
  }
  bool source = victim.node == 2 && scenario_.step.way != Way::kThere;
  return scenario_.step.phase == (source ? Phase::kAfter : Phase::kBefore);
}

void FaultRun::JudgeEnd() {
  ::close(until_);
  auto status = Await(*front_, kEndLimit);
  ended_ = test::Describe(status);
  std::string out = ReadAllOf(folder_.path() + "/out");
  std::string err = ReadAllOf(folder_.path() + "/err");
  std::string native = NativeOutput(scenario_.program);
  if (ended_ == "exit 0") {
    Check(out == native, "other output: " + out);
    return;
  }
  Check(ended_ == "exit 125", "it is " + ended_ + ": " + err);
  Check(!MustEndWell(), "it was lost: " + err);
  int victim_node = scenario_.victim.node;
  bool of_home = victim_node == 1 && scenario_.victim.who == Who::kSupervisor;
  std::string node = "n" + std::to_string(victim_node);
  Check(of_home ? !err.empty() : err.find(node) != std::string::npos,
        "no message: " + err);
  Check(native.starts_with(out), "wrong or twice: " + out);
}

std::vector<pid_t> FaultRun::BodiesAnywhere() const {
  std::vector<pid_t> bodies;
  for (const auto& [node, daemon] : daemons_) {
    auto here = Cluster::BodiesBelow(daemon);
    bodies.insert(bodies.end(), here.begin(), here.end());
  }
  return bodies;
}

std::vector<pid_t> FaultRun::Marked() const {
  std::vector<pid_t> marked;
  std::string mark = std::string(kMark) + "=" + folder_.path();
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) {
      continue;
    }
    std::string environment = ReadAllOf("/proc/" + name + "/environ");
    auto at = environment.find(mark);
    if (at != std::string::npos && environment[at + mark.size()] == '\0' &&
        !Gone(std::stoi(name))) {
      marked.push_back(std::stoi(name));
    }
  }
  return marked;
}

std::vector<pid_t> FaultRun::Strays() const {
  std::set<pid_t> expected;
  for (const auto& [node, daemon] : daemons_) {
    expected.insert(daemon);
    for (pid_t child : ChildrenOf(daemon)) {
      if (ChildrenOf(child).empty()) {
        expected.insert(child);  // the reserve
        break;
      }
    }
  }
  std::vector<pid_t> strays;
  for (pid_t pid : Marked()) {
    if (!expected.contains(pid)) {
      strays.push_back(pid);
    }
  }
  for (const auto& [node, daemon] : daemons_) {
    for (pid_t pid : DescendantsOf(daemon)) {
      if (!expected.contains(pid) && !Gone(pid)) {
        strays.push_back(pid);
      }
    }
  }
  return strays;
}

std::set<std::string> FaultRun::Files() const {
  std::set<std::string> files;
  std::string run = folder_.path() + "/run";
  for (const auto& entry : std::filesystem::recursive_directory_iterator(run)) {
    files.insert(entry.path().string().substr(run.size()));
  }
  return files;
}

std::string FaultRun::Tell(const std::vector<pid_t>& pids) {
  std::string text;
  for (pid_t pid : pids) {
    text += " " + std::to_string(pid) + " (" + NameOf(pid) + ", " +
            StateOf(pid) + ")";
  }
  return text;
}

void FaultRun::JudgeRest() {
  std::vector<pid_t> left;
  bool none = Eventually(
      [&] {
        left = BodiesAnywhere();
        std::erase_if(left, [](pid_t pid) { return !MayCompute(pid); });
        return left.empty();
      },
      kRestLimit);
  Check(none, "left computing:" + Tell(left));
  if (std::string twice = twice_->Stop(); !twice.empty()) {
    Check(false, twice);
  }
  if (scenario_.kind == Kind::kStop && !Gone(victim_)) {
    ::kill(victim_, SIGCONT);
  }
  none = Eventually([&] { return (left = Strays()).empty(); }, kRestLimit);
  Check(none, "left after the job:" + Tell(left));
  for (const auto& file : Files()) {
    bool kept = file.ends_with("hashes") || file.ends_with(".log");
    Check(kept || files_before_.contains(file), "file left: " + file);
  }
  Check(std::filesystem::is_empty(folder_.path() + "/tmp"), "files in TMPDIR");
}

void FaultRun::TakeDown() {
  twice_.reset();
  front_.reset();
  auto down = RunToEnd(Ours({"ssictl", "local", "down"}), kEndLimit);
  std::vector<pid_t> left;
  Check(Eventually([&] { return (left = Marked()).empty(); }, kRestLimit),
        "left after local down:" + Tell(left));
  for (const auto& [node, daemon] : daemons_) {
    Check(Gone(daemon), "ssid of n" + std::to_string(node) + " left");
  }
  for (const auto& file : Files()) {
    struct stat status {};
    ::lstat((folder_.path() + "/run" + file).c_str(), &status);
    Check(!S_ISSOCK(status.st_mode), "socket left after local down: " + file);
  }
  for (pid_t pid : left) {
    ::kill(pid, SIGKILL);
  }
  if (!wrong_.empty()) {
    for (const auto& [node, daemon] : daemons_) {
      std::string name = "n" + std::to_string(node);
      wrong_.push_back(
          "log of " + name + ":\n" +
          ReadAllOf(folder_.path() + "/run/local/" + name + ".log"));
    }
    wrong_.push_back("ssirun said: " + ReadAllOf(folder_.path() + "/err"));
    wrong_.push_back("ssictl said: " + ReadAllOf(folder_.path() + "/move"));
  }
}

}  // namespace ssi::test
