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
// Short, so that what waits for it is soon over; with the least that there is
// (migration/limits.h) a guest ends when home had no CPU for 2.6 s, as it may
// be beside other tests.
constexpr const char* kGrace = "8";
// Longer than any limit of a move and the grace period together.
constexpr auto kAnswerLimit = 45s;

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
  spawn.cpus = Cluster::AllCpus();
  Cluster::StayAtHome();
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

Spawn FaultRun::Move(int node) const {
  std::string pid = std::to_string(command_);
  auto spawn =
      Ours(node == 1 ? std::vector<std::string>{"ssictl", "home", pid}
                     : std::vector<std::string>{"ssictl", "migrate", pid,
                                                "n" + std::to_string(node)});
  spawn.out = spawn.err = folder_.path() + "/move";
  return spawn;
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
    std::optional<Child> move(std::in_place, Move(2));
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

// Refused while a call takes the process home.
pid_t FaultRun::MoveToStep(std::optional<Child>& move) {
  constexpr int kTries = 20;
  int node = scenario_.step.way == Way::kThere  ? 2
             : scenario_.step.way == Way::kBack ? 1
                                                : 3;
  pid_t paused = -1;
  for (int i = 0; i < kTries && !reached_; ++i) {
    move.emplace(Move(node));
    if (scenario_.delay >= 0ms) {
      std::this_thread::sleep_for(scenario_.delay);
      reached_ = true;
      break;
    }
    paused = AwaitStep(move);
    reached_ = paused > 0;
    missed_ = ReadAllOf(folder_.path() + "/move");
    if (missed_.find("under way already") == std::string::npos) {
      break;
    }
  }
  return paused;
}

pid_t FaultRun::AwaitStep(std::optional<Child>& move) {
  pid_t paused = -1;
  (void)Eventually([&] { return (paused = Paused()) > 0 || !move->Runs(); },
                   20s);
  if (paused > 0 || test::Describe(move->Wait(0ms)) != "exit 0") {
    return paused;
  }
  // A call of it, or what follows RUNNING, comes after the answer.
  (void)Eventually([&] { return (paused = Paused()) > 0; }, 2s);
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

std::vector<std::string> FaultRun::Run(bool must_reach) {
  bool begun = Up() && Begin();
  if (begun && scenario_.step.way != Way::kThere) {
    begun = MoveToB();
    Check(begun,
          "it did not get to n2: " + ReadAllOf(folder_.path() + "/move"));
  }
  if (begun) {
    std::optional<Child> move;
    pid_t paused = MoveToStep(move);
    Check(reached_ || !must_reach, "the step was not passed: " + missed_);
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
      move.emplace(Move(node));
      EndMove(move);
    }
    JudgeEnd();
    JudgeRest();
  }
  TakeDown();
  return wrong_;
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
      auto wrong = run.Run(all_reached);
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
