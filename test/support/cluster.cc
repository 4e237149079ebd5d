#include "support/cluster.h"

#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include <catch2/catch.hpp>

namespace ssi::test {

namespace {

using namespace std::chrono_literals;

const std::string kBin = SSI_BIN_DIR;

std::vector<std::string> With(std::string program,
                              const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {kBin + "/" + std::move(program)};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

}  // namespace

Cluster::Cluster(unsigned nodes, std::vector<std::string> options)
    : runtime_dir_(folder_.path() + "/run") {
  std::vector<std::string> arguments = {"local", "up", "-n",
                                        std::to_string(nodes)};
  arguments.insert(arguments.end(), options.begin(), options.end());
  auto spawn = Ours(With("ssictl", arguments));
  spawn.cpus = AllCpus();
  StayAtHome();
  auto up = RunToEnd(spawn);
  INFO(up.out << up.err);
  REQUIRE(Describe(up.status) == "exit 0");
  std::istringstream lines(up.out);
  std::string name;
  std::string state;
  std::string word;
  pid_t pid = 0;
  for (std::string address; lines >> name >> state >> word >> pid >> address;) {
    daemons_[name] = pid;
    addresses_[name] = address;
  }
  REQUIRE(daemons_.size() == nodes);
}

Cluster::~Cluster() {
  (void)Ssictl({"local", "down"});
  for (const auto& [name, pid] : daemons_) {
    if (StateOf(pid) != '-' && StateOf(pid) != 'Z') {
      ::kill(pid, SIGKILL);
    }
  }
}

std::map<std::string, std::string> Cluster::environment() const {
  return {{"SSI_RUNTIME_DIR", runtime_dir_}};
}

Spawn Cluster::Ours(std::vector<std::string> command) const {
  Spawn spawn;
  spawn.command = std::move(command);
  spawn.environment = environment();
  spawn.folder = folder_.path();
  return spawn;
}

Output Cluster::Ssictl(std::vector<std::string> arguments,
                       std::chrono::milliseconds limit) const {
  return RunToEnd(Ours(With("ssictl", arguments)), limit);
}

pid_t Cluster::daemon(const std::string& node) const {
  return daemons_.at(node);
}

std::string Cluster::address(const std::string& node) const {
  return addresses_.at(node);
}

std::string Cluster::log(const std::string& node) const {
  return ReadAllOf(runtime_dir_ + "/local/" + node + ".log");
}

const std::vector<unsigned>& Cluster::AllCpus() {
  static const std::vector<unsigned> all = [] {
    cpu_set_t set;
    CPU_ZERO(&set);
    ::sched_getaffinity(0, sizeof set, &set);
    std::vector<unsigned> cpus;
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &set)) {
        cpus.push_back(cpu);
      }
    }
    return cpus;
  }();
  return all;
}

std::vector<unsigned> Cluster::HomeCpus() {
  auto cpus = AllCpus();
  cpus.resize(std::max<std::size_t>(1, cpus.size() / 2));
  return cpus;
}

void Cluster::StayAtHome() {
  KeepTo(HomeCpus());
}

std::vector<pid_t> Cluster::BodiesBelow(pid_t daemon) {
  std::vector<pid_t> bodies;
  for (pid_t supervisor : ChildrenOf(daemon)) {
    for (pid_t child : ChildrenOf(supervisor)) {
      // The init of a sandbox, not the watchdog.
      if (NameOf(child).starts_with("memfd:ssi") ||
          NameOf(child).starts_with("ssi-sandbox") || NameOf(child) == "3") {
        auto inside = ChildrenOf(child);
        bodies.insert(bodies.end(), inside.begin(), inside.end());
      }
    }
  }
  return bodies;
}

bool Cluster::SeenComputing(const std::string& node) const {
  constexpr unsigned long kTicks = 3;
  std::map<pid_t, unsigned long> first;
  return Eventually(
      [&] {
        auto bodies = Bodies(node);
        if (bodies.size() != 1) {
          return false;
        }
        unsigned long ticks = UserTicks(bodies[0]);
        auto [seen, is_new] = first.try_emplace(bodies[0], ticks);
        return !is_new && ticks >= seen->second + kTicks;
      },
      15s);
}

Job::Job(const Cluster& cluster, std::vector<std::string> options,
         std::vector<std::string> command, Spawn rest)
    : cluster_(cluster), front_([&] {
        Spawn spawn = std::move(rest);
        if (spawn.folder == ".") {
          spawn.folder = cluster.folder();
        }
        spawn.environment.merge(cluster.environment());
        spawn.command = With("ssirun", options);
        spawn.command.emplace_back("--");
        spawn.command.insert(spawn.command.end(), command.begin(),
                             command.end());
        return spawn;
      }()) {}

pid_t Job::CommandPid() {
  (void)Eventually(
      [this] {
        for (pid_t supervisor : ChildrenOf(front_.pid())) {
          auto children = ChildrenOf(supervisor);
          // Until it has executed CMD it still has ssirun's name.
          if (!children.empty() && NameOf(children[0]) != "ssirun") {
            command_ = children[0];
          }
        }
        return command_ > 0 || !front_.Runs();
      },
      10s);
  return command_;
}

bool Job::CommandRuns() {
  char state = StateOf(command_);
  return state != '-' && state != 'Z' && front_.Runs();
}

bool Job::MoveTo(const std::string& node) {
  auto moved = cluster_.Ssictl(
      node == "n1" ? std::vector<std::string>{"home", std::to_string(command_)}
                   : std::vector<std::string>{"migrate",
                                              std::to_string(command_), node});
  refusal_ = moved.err;
  return Describe(moved.status) == "exit 0";
}

Witness::Witness(const Cluster& cluster, std::string node)
    : cluster_(cluster), node_(std::move(node)), thread_([this] {
        while (!stop_) {
          Look();
          PauseBriefly();
        }
      }) {}

Witness::~Witness() {
  stop_ = true;
  thread_.join();
}

void Witness::Look() {
  for (pid_t body : cluster_.Bodies(node_)) {
    unsigned long ticks = UserTicks(body);
    std::lock_guard lock(mutex_);
    ticks_[body] = std::max(ticks_[body], ticks);
  }
}

double Witness::AwaySeconds() {
  Look();
  std::lock_guard lock(mutex_);
  unsigned long sum = 0;
  for (const auto& [body, ticks] : ticks_) {
    sum += ticks;
  }
  return static_cast<double>(sum) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

}  // namespace ssi::test
