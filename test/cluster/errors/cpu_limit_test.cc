// RLIMIT_CPU: what a program uses at home and away counts together.
#include <unistd.h>

#include <catch2/catch.hpp>

#include "cluster/errors/errors_support.h"

namespace ssi::test {
namespace {

using namespace std::chrono_literals;
using Catch::Contains;

// Limits itself, computes, and tells the CPU time at each SIGXCPU.
CommandLine Limited(int soft, int hard) {
  return {"/usr/bin/python3", "-c",
          "import resource, signal, sys, time\n"
          "def told(number, frame):\n"
          "    print('signal at', round(time.process_time(), 2), flush=True)\n"
          "    print('now', resource.getrlimit(resource.RLIMIT_CPU)[0], "
          "flush=True)\n"
          "if sys.argv[3:]: signal.signal(signal.SIGXCPU, told)\n"
          "resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[1]), "
          "int(sys.argv[2])))\n"
          "print('begun', flush=True)\n"
          "while True: sum(range(1000))\n",
          std::to_string(soft), std::to_string(hard)};
}

// The CPU times at which it was told.
std::vector<double> TimesIn(const std::string& out) {
  std::vector<double> times;
  const std::string before = "signal at ";
  for (auto at = out.find(before); at != std::string::npos;
       at = out.find(before, at + 1)) {
    times.push_back(std::stod(out.substr(at + before.size())));
  }
  return times;
}

Spawn Output(const Cluster& cluster) {
  Spawn spawn;
  spawn.out = cluster.folder() + "/out";
  spawn.err = cluster.folder() + "/err";
  return spawn;
}

TEST_CASE("CPU time away counts for RLIMIT_CPU", "[sample][errors]") {
  Cluster cluster;
  auto command = Limited(1, 2);
  command.emplace_back("handle");
  Witness witness(cluster, "n2");
  Job job(cluster, {"--on", "n2"}, command, Output(cluster));
  // Ended by the kernel's rule: at the hard limit, by SIGKILL.
  CHECK(Describe(job.front().Wait(60s)) == "signal 9");
  std::string out = ReadAllOf(cluster.folder() + "/out");
  INFO(out << ReadAllOf(cluster.folder() + "/err"));
  auto times = TimesIn(out);
  REQUIRE(times.size() == 1);
  CHECK(times[0] > 0.9);
  CHECK(times[0] < 1.3);
  CHECK_THAT(out, Contains("now 2\n"));
  CHECK(witness.AwaySeconds() > 1.5);
}

TEST_CASE("SIGXCPU ends a program away as it does at home",
          "[sample][errors]") {
  Cluster cluster;
  Witness witness(cluster, "n2");
  Job job(cluster, {"--on", "n2"}, Limited(1, -1), Output(cluster));
  CHECK(Describe(job.front().Wait(60s)) == "signal 24");
  CHECK(ReadAllOf(cluster.folder() + "/out") == "begun\n");
  CHECK(witness.AwaySeconds() > 0.5);
}

TEST_CASE("CPU time of home and away counts together", "[sample][errors]") {
  Cluster cluster;
  auto command = Limited(2, 3);
  command.emplace_back("handle");
  Job job(cluster, {}, command, Output(cluster));
  pid_t pid = job.CommandPid();
  REQUIRE(pid > 0);
  // Half a second at home, half a second away, and the rest at home.
  const auto half = static_cast<unsigned long>(::sysconf(_SC_CLK_TCK) / 2);
  REQUIRE(Eventually([&] { return UserTicks(pid) >= half; }, 30s));
  REQUIRE(job.MoveTo("n2"));
  auto bodies = cluster.Bodies("n2");
  REQUIRE(bodies.size() == 1);
  REQUIRE(Eventually([&] { return UserTicks(bodies[0]) >= half; }, 30s));
  REQUIRE(job.MoveTo("n1"));
  CHECK(Describe(job.front().Wait(60s)) == "signal 9");
  std::string out = ReadAllOf(cluster.folder() + "/out");
  INFO(out << ReadAllOf(cluster.folder() + "/err"));
  CHECK_THAT(out, Contains("signal at") && Contains("now 3\n"));
}

}  // namespace
}  // namespace ssi::test
