// What ssictl ps and --stats say of a process, against what it is known to do
// and what the kernel says of it.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include <catch2/catch.hpp>
#include <google/protobuf/util/json_util.h>

#include "proto/control.pb.h"
#include "support/cluster.h"

namespace ssi::test {
namespace {

using namespace std::chrono_literals;

using Calls = google::protobuf::RepeatedPtrField<wire::CallStats>;

// How often, and how often without asking home.
struct Count {
  std::uint64_t calls = 0;
  std::uint64_t answered_there = 0;
  friend bool operator==(const Count&, const Count&) = default;
};
std::ostream& operator<<(std::ostream& out, const Count& count) {
  return out << count.calls << " (" << count.answered_there << ")";
}

Count CountOf(const Calls& calls, const std::string& name,
              const std::string& call_class) {
  for (const auto& call : calls) {
    if (call.name() == name && call.class_() == call_class) {
      return {call.count(), call.answered_there()};
    }
  }
  return {};
}

wire::ProcessStats StatsIn(const std::string& path) {
  wire::JobStats stats;
  std::string json = ReadAllOf(path);
  INFO(json);
  REQUIRE(google::protobuf::util::JsonStringToMessage(json, &stats).ok());
  REQUIRE(stats.processes_size() == 1);
  return stats.processes(0);
}

// The guest `counting`, led round by round.
class Counting {
 public:
  explicit Counting(const Cluster& cluster)
      : out_(cluster.folder() + "/out"),
        stats_(cluster.folder() + "/stats"),
        input_(MakeInput(cluster.folder() + "/in")),
        job_(cluster, {"--stats", stats_},
             {std::string(SSI_GUEST_DIR) + "/counting"}, Files(cluster)) {}
  ~Counting() { End(); }
  Counting(const Counting&) = delete;
  Counting& operator=(const Counting&) = delete;
  Counting(Counting&&) = delete;
  Counting& operator=(Counting&&) = delete;

  void Round() {
    ++rounds_;
    REQUIRE(::write(input_, "x", 1) == 1);
    REQUIRE(Eventually([this] { return ReadAllOf(out_).size() == rounds_ * 6; },
                       20s));
  }
  void End() {
    if (input_ >= 0) {
      ::close(input_);
      input_ = -1;
    }
  }
  Job& job() { return job_; }
  wire::ProcessStats Stats() { return StatsIn(stats_); }

 private:
  static int MakeInput(const std::string& path) {
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    return ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  }
  Spawn Files(const Cluster& cluster) {
    Spawn spawn;
    spawn.in = cluster.folder() + "/in";
    spawn.out = out_;
    return spawn;
  }

  std::string out_;
  std::string stats_;
  int input_;
  Job job_;
  std::size_t rounds_ = 0;
};

wire::ProcessStatus Listed(const Cluster& cluster, pid_t pid) {
  wire::ProcessesResponse list;
  std::string json = cluster.Ssictl({"ps", "--json"}).out;
  INFO(json);
  REQUIRE(google::protobuf::util::JsonStringToMessage(json, &list).ok());
  for (const auto& process : list.processes()) {
    if (process.pid() == pid && !process.guest()) {
      return process;
    }
  }
  FAIL("not listed");
  return {};
}

void CheckHops(const wire::ProcessStats& stats, unsigned hops) {
  REQUIRE(static_cast<unsigned>(stats.hops_size()) == hops);
  double total = 0;
  double longest = 0;
  double shortest = 1e9;
  for (const auto& hop : stats.hops()) {
    CHECK(hop.moved());
    CHECK(hop.frozen_ms() > 0);
    CHECK(hop.whole_ms() >= hop.frozen_ms());
    CHECK(hop.bytes() > 10000);
    total += hop.frozen_ms();
    longest = std::max(longest, hop.frozen_ms());
    shortest = std::min(shortest, hop.frozen_ms());
  }
  CHECK(stats.freeze().count() == hops);
  CHECK(stats.freeze().total_ms() == Approx(total));
  CHECK(stats.freeze().max_ms() == Approx(longest));
  CHECK(stats.freeze().min_ms() == Approx(shortest));
  CHECK(stats.freeze().median_ms() >= shortest);
  CHECK(stats.freeze().median_ms() <= longest);
  CHECK(stats.freeze().last_ms() ==
        Approx(stats.hops(static_cast<int>(hops) - 1).frozen_ms()));
}

// Of `rounds` rounds away, in `visits`.
void CheckCalls(const wire::ProcessStats& stats, std::uint64_t rounds,
                std::uint64_t visits, bool ended_there) {
  std::uint64_t last = ended_there ? 1 : 0;
  const auto& calls = stats.calls();
  CHECK(CountOf(calls, "read", "home") == Count{rounds * 101 + last, 0});
  CHECK(CountOf(calls, "write", "home") == Count{rounds, 0});
  CHECK(CountOf(calls, "getppid", "home") == Count{rounds * 50, 0});
  CHECK(CountOf(calls, "getuid", "home, known") ==
        Count{rounds * 25, rounds * 25 - visits});
  CHECK(CountOf(calls, "rt_sigprocmask", "local, told") ==
        Count{rounds * 4, rounds * 4});
  CHECK(CountOf(calls, "exit_group", "life").calls == last);
  // What was asked of home was made there.
  CHECK(CountOf(stats.home_calls(), "read", "home").calls ==
        rounds * 101 + last);
  CHECK(CountOf(stats.home_calls(), "getppid", "home").calls == rounds * 50);
  CHECK(CountOf(stats.home_calls(), "getuid", "home, known").calls == visits);
  // The classes are their sums, and nothing is left over.
  std::map<std::string, Count> sums;
  for (const auto& call : calls) {
    sums[call.class_()].calls += call.count();
    sums[call.class_()].answered_there += call.answered_there();
  }
  CHECK(static_cast<std::size_t>(stats.classes_size()) == sums.size());
  for (const auto& sum : stats.classes()) {
    INFO(sum.class_());
    CHECK(sums[sum.class_()] == Count{sum.count(), sum.answered_there()});
  }
}

// User time, which is what UserTicks and the witness look at.
double CpuOn(const wire::ProcessStats& stats, const std::string& node) {
  double sum = 0;
  for (const auto& cpu : stats.cpu()) {
    CHECK(cpu.system() >= 0);
    sum += cpu.node() == node ? cpu.user() : 0;
  }
  return sum;
}

double HomeSeconds(pid_t pid) {
  return static_cast<double>(UserTicks(pid)) /
         static_cast<double>(::sysconf(_SC_CLK_TCK));
}

TEST_CASE("hops, CPU time and calls of a process that moves", "[sample]") {
  Cluster cluster;
  Witness witness(cluster, "n2");
  Counting counting(cluster);
  pid_t pid = counting.job().CommandPid();
  counting.Round();  // at home: native, uncounted
  REQUIRE(counting.job().MoveTo("n2"));
  counting.Round();
  counting.Round();
  REQUIRE(counting.job().MoveTo("n1"));
  counting.Round();
  REQUIRE(counting.job().MoveTo("n2"));
  counting.Round();
  double at_home = HomeSeconds(pid);

  auto listed = Listed(cluster, pid);
  CHECK(listed.state() == "away");
  CHECK(listed.hops() == 3);
  CheckHops(listed.stats(), 3);
  // It counts what has been reported: once a second.
  CHECK(Eventually(
      [&] {
        return CountOf(Listed(cluster, pid).stats().calls(), "getppid", "home")
                   .calls == 150;
      },
      5s));
  CheckCalls(Listed(cluster, pid).stats(), 3, 2, false);

  auto text = cluster.Ssictl({"ps", "-v"}).out;
  INFO(text);
  CHECK(text.find("    3 hops, frozen ") != std::string::npos);
  CHECK(text.find("    calls away: ") != std::string::npos);
  CHECK(text.find("home, known 75") != std::string::npos);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    CHECK((line.size() < 80 || line.find('/') != std::string::npos));
  }

  double away = witness.AwaySeconds();
  counting.End();
  CHECK(Describe(counting.job().front().Wait(10s)) == "exit 0");
  auto stats = counting.Stats();
  CheckHops(stats, 3);
  CheckCalls(stats, 3, 2, true);
  CHECK(stats.came_home_size() == 0);
  // 0.2 s a round. Looks at /proc are in ticks of 10 ms, and miss a body's last
  // moments.
  CHECK(away > 0.3);
  CHECK(CpuOn(stats, "n2") == Approx(away).margin(0.15));
  CHECK(at_home > 0.2);
  CHECK(CpuOn(stats, "n1") == Approx(at_home).margin(0.1));
}

TEST_CASE("a call that a move takes back counts once", "[sample]") {
  Cluster cluster;
  std::string stats = cluster.folder() + "/stats";
  Job job(
      cluster, {"--stats", stats},
      {"perl", "-e",
       "until (-e 'go') { kill 0, $$ } for (1..60) { kill 0, $$; -e 'go' }"});
  REQUIRE(job.CommandPid() > 0);
  constexpr int kMoves = 17;
  for (int i = 0; i < kMoves; ++i) {
    bool moved = job.MoveTo(i % 2 == 0 ? "n2" : "n1");
    INFO(job.last_refusal());
    REQUIRE(moved);
  }
  std::ofstream(cluster.folder() + "/go") << "";
  CHECK(Describe(job.front().Wait(20s)) == "exit 0");
  auto process = StatsIn(stats);
  CHECK(process.freeze().count() == kMoves);
  for (const char* name : {"kill", "newfstatat"}) {
    INFO(name);
    CHECK(CountOf(process.calls(), name, "home").calls > 50);
    CHECK(CountOf(process.calls(), name, "home").calls ==
          CountOf(process.home_calls(), name, "home").calls);
  }
}

// Of a file that only home has, once to each node, from wherever; of those that
// all nodes have (the interpreter's own) never.
TEST_CASE("bytes of a mapped file go to a node once", "[sample]") {
  constexpr std::uint64_t kSize = 12 << 20;
  Cluster cluster(3);
  std::string stats = cluster.folder() + "/stats";
  std::string data = cluster.folder() + "/data";
  std::ofstream(data) << std::string(kSize, 'x');
  Job job(cluster, {"--stats", stats},
          {"/usr/bin/python3", "-I", "-c",
           "import mmap, os, sys, time\n"
           "f = open(sys.argv[1] + '/data', 'rb')\n"
           "m = mmap.mmap(f.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ)\n"
           "while not os.path.exists(sys.argv[1] + '/go'):\n"
           "  assert m[::4096] == b'x' * (len(m) // 4096)\n",
           cluster.folder()});
  pid_t pid = job.CommandPid();
  REQUIRE(Eventually(
      [pid, &data] {
        return ReadAllOf("/proc/" + std::to_string(pid) + "/maps").find(data) !=
               std::string::npos;
      },
      10s));
  std::map<std::string, int> visits;
  for (const char* node :
       {"n2", "n3", "n2", "n3", "n1", "n3", "n2", "n1", "n2"}) {
    bool moved = job.MoveTo(node);
    INFO(job.last_refusal());
    REQUIRE(moved);
  }
  std::ofstream(cluster.folder() + "/go") << "";
  CHECK(Describe(job.front().Wait(20s)) == "exit 0");
  auto process = StatsIn(stats);
  for (const auto& hop : process.hops()) {
    INFO(hop.from() << " -> " << hop.to() << ": " << hop.bytes());
    bool first = hop.to() != "n1" && visits[hop.to()]++ == 0;
    CHECK((hop.bytes() > kSize) == first);
    CHECK(hop.bytes() < kSize + (6 << 20));
  }
  CHECK(visits == std::map<std::string, int>{{"n2", 4}, {"n3", 3}});
}

TEST_CASE("a call that is notified and then comes home", "[sample]") {
  Cluster cluster;
  std::string stats = cluster.folder() + "/stats";
  Job job(cluster, {"--stats", stats, "--on", "n2"},
          {"/usr/bin/python3", "-I", "-c",
           "import mmap, os\n"
           "f = os.open('f', os.O_RDWR | os.O_CREAT)\n"
           "os.ftruncate(f, 4096)\n"
           "mmap.mmap(f, 4096)\n"});
  CHECK(Describe(job.front().Wait(20s)) == "exit 0");
  auto process = StatsIn(stats);
  REQUIRE(process.came_home_size() == 1);
  CHECK(process.came_home(0).name() == "mmap");
  CHECK(process.came_home(0).reason() ==
        "shared mappings are not rebuilt away yet");
  CHECK(CountOf(process.calls(), "mmap", "come home").calls == 1);
}

TEST_CASE("what came home and why", "[sample]") {
  Cluster cluster;
  std::string stats = cluster.folder() + "/stats";
  Job job(cluster, {"--stats", stats, "--on", "n2"},
          {"sh", "-c", "(exit 3); (exit 4); getppid=1"});
  CHECK(Describe(job.front().Wait(20s)) == "exit 0");
  wire::JobStats parsed;
  REQUIRE(google::protobuf::util::JsonStringToMessage(ReadAllOf(stats), &parsed)
              .ok());
  REQUIRE(parsed.processes_size() >= 1);
  const auto& process = parsed.processes(0);
  bool found = false;
  for (const auto& call : process.came_home()) {
    if (call.name() == "clone" || call.name() == "fork") {
      found = true;
      CHECK(call.count() >= 1);
      CHECK(call.reason() == "new processes");
    }
  }
  CHECK(found);
  CHECK(CountOf(process.calls(), "clone", "come home").calls +
            CountOf(process.calls(), "fork", "come home").calls >=
        1);
}

TEST_CASE("a process that never moves has its CPU time at home", "[sample]") {
  Cluster cluster;
  Counting counting(cluster);
  counting.Round();
  counting.End();
  CHECK(Describe(counting.job().front().Wait(10s)) == "exit 0");
  auto stats = counting.Stats();
  CHECK(stats.command().find("counting") != std::string::npos);
  CHECK(stats.hops_size() == 0);
  CHECK(stats.calls_size() == 0);
  REQUIRE(stats.cpu_size() == 1);
  CHECK(stats.cpu(0).node() == "n1");
  CHECK(CpuOn(stats, "n1") > 0.1);
  CHECK(CpuOn(stats, "n1") < 1);
}

}  // namespace
}  // namespace ssi::test
