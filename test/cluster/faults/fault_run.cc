#include "cluster/faults/fault_run.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <sstream>

#include "support/cluster.h"

namespace ssi::test {

using namespace std::chrono_literals;

namespace {

const std::string kBin = SSI_BIN_DIR;
constexpr const char* kMark = "SSI_FAULT_RUN";
// The least that there is (migration/limits.h), so that what waits for it is
// soon over.
constexpr const char* kGrace = "5";
// Longer than any limit of a move and the grace period together.
constexpr auto kAnswerLimit = 45s;
constexpr auto kEndLimit = 60s;
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

// So that the next descriptor that it opens is one too many.
rlim_t LowestFree(pid_t pid) {
  std::string folder = "/proc/" + std::to_string(pid) + "/fd/";
  rlim_t fd = 0;
  struct stat unused {};
  while (::lstat((folder + std::to_string(fd)).c_str(), &unused) == 0) {
    ++fd;
  }
  return fd;
}

void Limit(pid_t pid, __rlimit_resource resource, rlim_t most) {
  rlimit limit{};
  ::prlimit(pid, resource, nullptr, &limit);
  limit.rlim_cur = most;
  ::prlimit(pid, resource, &limit, nullptr);
}

}  // namespace

FaultRun::FaultRun(Scenario scenario) : scenario_(std::move(scenario)) {}

std::string FaultRun::NativeOutput(std::size_t program) {
  static std::mutex mutex;
  static std::map<std::size_t, std::string> outputs;
  std::lock_guard lock(mutex);
  auto [at, is_new] = outputs.try_emplace(program);
  if (is_new) {
    TemporaryFolder folder;
    Spawn spawn;
    spawn.command = FaultPrograms()[program].command;
    spawn.folder = folder.path();
    at->second = RunToEnd(spawn).out;
  }
  return at->second;
}

void FaultRun::Check(bool good, const std::string& wrong) {
  if (!good) {
    wrong_.push_back(wrong);
  }
}

// ---- the cluster and the job ------------------------------------------------

Spawn FaultRun::Ours(std::vector<std::string> command) const {
  Spawn spawn;
  command[0] = kBin + "/" + command[0];
  spawn.command = std::move(command);
  spawn.folder = folder_.path();
  spawn.environment = {{"SSI_RUNTIME_DIR", folder_.path() + "/run"},
                       {"TMPDIR", folder_.path() + "/tmp"},
                       {kMark, folder_.path()}};
  return spawn;
}

bool FaultRun::Up() {
  ::mkdir((folder_.path() + "/tmp").c_str(), 0700);
  auto spawn = Ours({"ssictl", "local", "up", "-n",
                     std::to_string(scenario_.nodes()), "--grace", kGrace});
  if (scenario_.delay < 0ms && scenario_.step.node > 1) {
    spawn.environment["SSI_LOCAL_FAULT"] =
        "n" + std::to_string(scenario_.step.node) + ":" +
        std::string(scenario_.step.point) + "#" +
        std::to_string(scenario_.step.pass) + "=stop";
  }
  auto up = RunToEnd(spawn, kEndLimit);
  std::istringstream lines(up.out);
  std::string name;
  std::string word;
  pid_t pid = 0;
  for (std::string more; lines >> name >> word >> word >> pid >> more;) {
    daemons_[std::stoi(name.substr(1))] = pid;
  }
  Check(static_cast<int>(daemons_.size()) == scenario_.nodes(),
        "no cluster: " + up.out + up.err);
  files_before_ = Files();
  return wrong_.empty();
}

bool FaultRun::Begin() {
  std::string in = folder_.path() + "/until";
  ::mkfifo(in.c_str(), 0600);
  until_ = ::open(in.c_str(), O_RDWR | O_CLOEXEC);
  std::vector<std::string> command = {"ssirun"};
  if (std::getenv("SSI_LOG") != nullptr) {
    command.emplace_back("-v");  // for who looks at one that failed
  }
  command.emplace_back("--");
  const auto& program = FaultPrograms()[scenario_.program].command;
  command.insert(command.end(), program.begin(), program.end());
  auto spawn = Ours(command);
  spawn.in = in;
  spawn.out = folder_.path() + "/out";
  spawn.err = folder_.path() + "/err";
  if (scenario_.delay < 0ms && scenario_.step.node == 1) {
    spawn.environment["SSI_FAULT"] = std::string(scenario_.step.point) + "#" +
                                     std::to_string(scenario_.step.pass) +
                                     "=stop";
  }
  front_.emplace(spawn);
  (void)Eventually(
      [this] {
        for (pid_t supervisor : ChildrenOf(front_->pid())) {
          auto children = ChildrenOf(supervisor);
          if (!children.empty() && NameOf(children[0]) != "ssirun") {
            supervisor_ = supervisor;
            command_ = children[0];
          }
        }
        return command_ > 0;
      },
      20s);
  Check(command_ > 0, "no job");
  twice_.emplace([this] { return BodiesAnywhere(); });
  return command_ > 0;
}

std::optional<Child> FaultRun::StartMove(int node) {
  std::string pid = std::to_string(command_);
  auto spawn =
      Ours(node == 1 ? std::vector<std::string>{"ssictl", "home", pid}
                     : std::vector<std::string>{"ssictl", "migrate", pid,
                                                "n" + std::to_string(node)});
  spawn.out = spawn.err = folder_.path() + "/move";
  return std::optional<Child>(std::in_place, spawn);
}

// A step that is passed later than it was waited for is not to stop anybody.
std::optional<int> FaultRun::Await(Child& child,
                                   std::chrono::milliseconds limit) {
  (void)Eventually(
      [&] {
        pid_t paused = scenario_.delay < 0ms ? Paused() : -1;
        if (paused > 0 &&
            (paused != victim_ || scenario_.kind != Kind::kStop)) {
          ::kill(paused, SIGCONT);
        }
        return !child.Runs();
      },
      limit);
  return child.Wait(0ms);
}

void FaultRun::EndMove(std::optional<Child>& move) {
  auto status = Await(*move, kAnswerLimit);
  // Nobody answers where home's own do not run.
  Check(status || (scenario_.victim.node == 1 &&
                   (scenario_.kind == Kind::kStop ||
                    scenario_.kind == Kind::kMemory ||
                    scenario_.kind == Kind::kDescriptors)),
        "a move is not answered");
}

// Refused where the machine is busy: "it waits for a CPU".
bool FaultRun::MoveToB() {
  constexpr int kTries = 5;
  for (int i = 0; i < kTries; ++i) {
    auto move = StartMove(2);
    if (test::Describe(move->Wait(kAnswerLimit)) == "exit 0") {
      return true;
    }
  }
  return false;
}

// ---- the fault --------------------------------------------------------------

pid_t FaultRun::SupervisorOn(int node) const {
  if (node == 1) {
    return supervisor_;
  }
  auto children = ChildrenOf(daemons_.at(node));
  for (pid_t child : children) {
    if (!ChildrenOf(child).empty()) {
      return child;  // it has a watchdog: the reserve has none
    }
  }
  return children.empty() ? -1 : children[0];
}

pid_t FaultRun::Paused() {
  if (scenario_.step.node == 1) {
    return StateOf(supervisor_) == 'T' ? supervisor_ : -1;
  }
  for (pid_t child : ChildrenOf(daemons_.at(scenario_.step.node))) {
    if (StateOf(child) == 'T') {
      return child;
    }
  }
  return -1;
}

pid_t FaultRun::AwaitStep(std::optional<Child>& move) {
  if (scenario_.delay >= 0ms) {
    std::this_thread::sleep_for(scenario_.delay);
    return -1;
  }
  pid_t paused = -1;
  (void)Eventually([&] { return (paused = Paused()) > 0 || !move->Runs(); },
                   20s);
  // A call of it, or what follows RUNNING, comes after the answer.
  (void)Eventually([&] { return paused > 0 || (paused = Paused()) > 0; }, 2s);
  return paused;
}

pid_t FaultRun::VictimPid(pid_t paused) const {
  const Victim& victim = scenario_.victim;
  if (victim.who == Who::kDaemon) {
    return daemons_.at(victim.node);
  }
  return victim.node == scenario_.step.node && paused > 0
             ? paused
             : SupervisorOn(victim.node);
}

void FaultRun::Strike(pid_t victim) {
  victim_ = victim;
  switch (scenario_.kind) {
    case Kind::kKill:
      ::kill(victim, SIGKILL);
      return;
    case Kind::kStop:
    case Kind::kStopForAWhile:
      ::kill(victim, SIGSTOP);
      return;
    case Kind::kMemory:
      Limit(victim, RLIMIT_AS, 0);
      return;
    case Kind::kDescriptors:
      Limit(victim, RLIMIT_NOFILE, LowestFree(victim));
      return;
  }
}

std::vector<std::string> FaultRun::Run() {
  bool begun = Up() && Begin();
  if (begun && scenario_.step.way != Way::kThere) {
    begun = MoveToB();
    Check(begun,
          "it did not get to n2: " + ReadAllOf(folder_.path() + "/move"));
  }
  if (begun) {
    auto move = StartMove(scenario_.step.way == Way::kThere  ? 2
                          : scenario_.step.way == Way::kBack ? 1
                                                             : 3);
    pid_t paused = AwaitStep(move);
    reached_ = paused > 0 || scenario_.delay >= 0ms;
    pid_t victim = VictimPid(paused);
    Strike(victim);
    bool stops =
        scenario_.kind == Kind::kStop || scenario_.kind == Kind::kStopForAWhile;
    if (paused > 0 && (paused != victim || !stops)) {
      ::kill(paused, SIGCONT);
    }
    if (scenario_.kind == Kind::kStopForAWhile) {
      std::this_thread::sleep_for(scenario_.pause);
      ::kill(victim, SIGCONT);
    }
    EndMove(move);
    for (int node : scenario_.more) {
      auto next = StartMove(node);
      EndMove(next);
    }
    JudgeEnd();
    JudgeRest();
  }
  TakeDown();
  return wrong_;
}

// ---- the judge --------------------------------------------------------------

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
  if (scenario_.delay >= 0ms || !scenario_.more.empty() || lasts) {
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

// ---- many -------------------------------------------------------------------

Failed RunAll(const std::vector<Scenario>& scenarios,
              const std::vector<std::string>& names, bool all_reached) {
  // They wait more than they compute.
  constexpr std::size_t kBeside = 4;
  Failed failed;
  std::mutex mutex;
  std::atomic<std::size_t> next{0};
  auto work = [&] {
    for (std::size_t i = 0; (i = next++) < scenarios.size();) {
      FaultRun run(scenarios[i]);
      auto wrong = run.Run();
      if (all_reached && !run.reached()) {
        wrong.emplace_back("the step was not passed");
      }
      std::lock_guard lock(mutex);
      ++failed.runs;
      ++failed.ends[run.ended()];
      if (!wrong.empty()) {
        failed.text += names[i] + ": " + scenarios[i].Describe() + "\n";
        for (const auto& line : wrong) {
          failed.text += "    " + line + "\n";
        }
      }
    }
  };
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < std::min(kBeside, scenarios.size()); ++i) {
    threads.emplace_back(work);
  }
  for (auto& thread : threads) {
    thread.join();
  }
  return failed;
}

}  // namespace ssi::test
