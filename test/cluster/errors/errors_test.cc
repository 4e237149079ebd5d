// What users see when something is wrong: clear words, the right exit status,
// and nothing lost.
#include <signal.h>

#include <catch2/catch.hpp>

#include "cluster/errors/errors_support.h"

namespace ssi::test {
namespace {

using namespace std::chrono_literals;
using Catch::Contains;

const CommandLine& kCompute = ComputingCommand();
const std::vector<std::string> kComputeLong = {
    "mawk",
    "BEGIN {for (i = 0; i < 600000000; i++) s = (s * 31 + i) % 1000003; "
    "print s}"};

// Something has been computed on n2 already.
bool Computes(const Cluster& cluster) {
  auto bodies = cluster.Bodies("n2");
  return bodies.size() == 1 && UserTicks(bodies[0]) > 2;
}

TEST_CASE("without a daemon ssirun says how to start one", "[sample][errors]") {
  TemporaryFolder folder;
  Spawn spawn;
  spawn.environment = {{"SSI_RUNTIME_DIR", folder.path() + "/none"}};
  spawn.command = {std::string(SSI_BIN_DIR) + "/ssirun", "--on", "n2", "true"};
  auto run = RunToEnd(spawn);
  CHECK(Describe(run.status) == "exit 125");
  CHECK_THAT(run.err, Contains("no ssid runs") && Contains("ssictl local up"));
  // Without --on the program runs all the same.
  spawn.command = {std::string(SSI_BIN_DIR) + "/ssirun", "echo", "ran"};
  run = RunToEnd(spawn);
  CHECK(Describe(run.status) == "exit 0");
  CHECK(run.out == "ran\n");
  CHECK_THAT(run.err, Contains("runs at home"));
  spawn.command = {std::string(SSI_BIN_DIR) + "/ssictl", "nodes"};
  run = RunToEnd(spawn);
  CHECK(Describe(run.status) == "exit 1");
  CHECK_THAT(run.err, Contains("start one with"));
}

TEST_CASE("an unknown node is named, with those that there are",
          "[sample][errors]") {
  Cluster cluster;
  auto run = RunOn(cluster, "n7", {"true"});
  CHECK(Describe(run.status) == "exit 125");
  CHECK_THAT(run.err, Contains("no node n7") && Contains("n1, n2"));
  auto migrate = cluster.Ssictl({"migrate", "1", "n2"});
  CHECK(Describe(migrate.status) == "exit 1");
  CHECK_THAT(migrate.err, Contains("not of a job of this node"));
}

TEST_CASE("a node that takes no guests is told, and CMD runs at home",
          "[sample][errors]") {
  Cluster cluster(2, {"--ssid-option", "--no-guests"});
  auto run = RunOn(cluster, "n2", kCompute);
  CHECK(Describe(run.status) == "exit 0");
  CHECK(run.out == NativeOutput(kCompute));
  CHECK_THAT(run.err,
             Contains("n2 takes no guests") && Contains("runs at home"));
}

TEST_CASE("a node without the CPU's features refuses, and names one",
          "[sample][errors]") {
  Environment probe("SSI_LOCAL_PROBE", "-sse2");
  Cluster cluster;
  auto run = RunOn(cluster, "n2", kCompute);
  CHECK(Describe(run.status) == "exit 0");
  CHECK(run.out == NativeOutput(kCompute));
  CHECK_THAT(run.err, Contains("the CPU of n2 lacks sse2"));
}

TEST_CASE("a process that is too large for a node is refused",
          "[sample][errors]") {
  Cluster cluster(2, {"--ssid-option", "--memory", "--ssid-option", "4M"});
  Job job(cluster, {},
          {"perl", "-e",
           "$x = 'x' x 30_000_000; print length $x, qq(\\n); "
           "sleep 60"});
  REQUIRE(job.CommandPid() > 0);
  REQUIRE(Eventually(
      [&] {
        return UserTicks(job.CommandPid()) + 1 > 0 &&
               StateOf(job.CommandPid()) == 'S';
      },
      10s));
  CHECK_FALSE(job.MoveTo("n2"));
  CHECK_THAT(job.last_refusal(), Contains("it needs") && Contains("n2 gives"));
}

// What it has set goes with no move, and its memory is read for each call, the
// runtime's too: a freeze must leave it alone.
TEST_CASE("a process that dispatches its own calls stays at home",
          "[sample][errors]") {
  Cluster cluster;
  Spawn spawn;
  spawn.out = cluster.folder() + "/out";
  spawn.folder = cluster.folder();
  Job job(cluster, {},
          {"/usr/bin/python3", "-c",
           "import ctypes, os, time\n"
           "libc = ctypes.CDLL(None)\n"
           "allow = ctypes.c_char(0)\n"
           "def dispatch(mode, at):\n"
           "  print(libc.prctl(59, mode, 0, 0, at), flush=True)\n"
           "def wait(name):\n"
           "  while not os.path.exists(name): time.sleep(0.01)\n"
           "dispatch(1, ctypes.byref(allow))\n"
           "wait('off')\n"
           "dispatch(0, None)\n"
           "wait('over')\n"},
          spawn);
  auto said = [&](const std::string& text) {
    return Eventually([&] { return ReadAllOf(spawn.out) == text; }, 10s);
  };
  auto make = [&](const std::string& name) {
    std::ofstream(cluster.folder() + "/" + name);
  };
  REQUIRE(job.CommandPid() > 0);
  REQUIRE(said("0\n"));
  CHECK_FALSE(job.MoveTo("n2"));
  CHECK_THAT(job.last_refusal(), Contains("dispatches its own system calls"));
  make("off");
  REQUIRE(said("0\n0\n"));
  CHECK(job.MoveTo("n2"));
  CHECK(cluster.Bodies("n2").size() == 1);
  make("over");
  CHECK(Describe(job.front().Wait(10s)) == "exit 0");
}

TEST_CASE("another cluster's key does not get in", "[sample][errors]") {
  Cluster cluster;
  std::string key = cluster.folder() + "/other.key";
  Spawn init;
  init.command = {std::string(SSI_BIN_DIR) + "/ssictl", "init", "--key", key};
  REQUIRE(Describe(RunToEnd(init).status) == "exit 0");
  Spawn stranger;
  stranger.command = {std::string(SSI_BIN_DIR) + "/ssid",
                      "--foreground",
                      "--name",
                      "stranger",
                      "--listen",
                      "127.0.0.1:0",
                      "--key",
                      key,
                      "--join",
                      cluster.address("n1")};
  stranger.environment = {{"SSI_RUNTIME_DIR", cluster.folder() + "/stranger"}};
  stranger.out = stranger.err = cluster.folder() + "/stranger.log";
  Child daemon(stranger);
  CHECK(Eventually(
      [&] {
        return ReadAllOf(stranger.err).find("another cluster key") !=
               std::string::npos;
      },
      10s));
  auto nodes = cluster.Ssictl({"nodes"});
  CHECK(nodes.out.find("stranger") == std::string::npos);
  // A key that others can read is refused before anything is done with it.
  daemon.Kill(SIGKILL);
  Spawn chmod;
  chmod.command = {"chmod", "644", key};
  (void)RunToEnd(chmod);
  stranger.out.clear();
  stranger.err.clear();
  auto open = RunToEnd(stranger);
  CHECK(Describe(open.status) == "exit 1");
  CHECK_THAT(open.err, Contains("chmod 600"));
}

TEST_CASE("garbage on the port changes nothing", "[sample][errors]") {
  Cluster cluster;
  std::string address = cluster.address("n2");
  std::string port = address.substr(address.rfind(':') + 1);
  Spawn garbage;
  garbage.command = {
      "/usr/bin/python3", "-c",
      "import socket, os, random, sys\n"
      "random.seed(5)\n"
      "for i in range(60):\n"
      "    s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n"
      "    data = [os.urandom(random.randrange(1, 5000)), b'GET / "
      "HTTP/1.0\\r\\n"
      "\\r\\n', b'', b'\\x16\\x03\\x01' + bytes(500), b'ssi' * 100][i % 5]\n"
      "    try:\n"
      "        s.sendall(data)\n"
      "        s.shutdown(socket.SHUT_WR)\n"
      "        while s.recv(4096): pass\n"
      "    except OSError: pass\n"
      "    s.close()\n",
      port};
  CHECK(Describe(RunToEnd(garbage, 60s).status) == "exit 0");
  auto run = RunOn(cluster, "n2", kCompute);
  CHECK(Describe(run.status) == "exit 0");
  CHECK(run.out == NativeOutput(kCompute));
  CHECK(run.err == "");
  CHECK_THAT(cluster.log("n2"), Contains("refused"));
}

TEST_CASE("a command that is missing or cannot be executed",
          "[sample][errors]") {
  Cluster cluster;
  for (const auto& more : {std::vector<std::string>{}, {"--on", "n2"}}) {
    std::vector<std::string> words = {std::string(SSI_BIN_DIR) + "/ssirun"};
    words.insert(words.end(), more.begin(), more.end());
    words.emplace_back("no-such-command");
    auto run = RunToEnd(cluster.Ours(words));
    CHECK(Describe(run.status) == "exit 127");
    CHECK_THAT(run.err, Contains("cannot execute no-such-command"));
    words.back() = "/etc/passwd";
    CHECK(Describe(RunToEnd(cluster.Ours(words)).status) == "exit 126");
  }
}

TEST_CASE("the node dies while the program computes there",
          "[sample][errors]") {
  Cluster cluster;
  Spawn spawn;
  spawn.err = cluster.folder() + "/err";
  Job job(cluster, {"--on", "n2"}, kComputeLong, spawn);
  REQUIRE(job.CommandPid() > 0);
  REQUIRE(Eventually([&] { return Computes(cluster); }, 10s));
  auto of_it = DescendantsOf(job.front().pid());
  auto bodies = cluster.Bodies("n2");
  SECTION("its daemon is killed") {
    ::kill(cluster.daemon("n2"), SIGKILL);
  }
  SECTION("the guest supervisor is killed") {
    for (pid_t child : ChildrenOf(cluster.daemon("n2"))) {
      if (!ChildrenOf(child).empty()) {
        ::kill(child, SIGKILL);
      }
    }
  }
  CHECK(Describe(job.front().Wait(20s)) == "exit 125");
  CHECK_THAT(ReadAllOf(spawn.err), Contains("node n2") && Contains("lost"));
  CHECK(NothingLeftOf(job.front().pid(), of_it));
  CHECK(NothingLeftOf(job.front().pid(), bodies));
}

TEST_CASE("either half of ssirun is killed: nothing is left anywhere",
          "[sample][errors]") {
  Cluster cluster;
  std::vector<std::string> options;
  SECTION("away") {
    options = {"--on", "n2"};
  }
  SECTION("at home, with children") {}
  std::vector<std::string> command =
      options.empty()
          ? std::vector<std::string>{"sh", "-c",
                                     "sleep 1000 & (sleep 1000 & sleep 1000)"}
          : kComputeLong;
  for (bool front : {true, false}) {
    Spawn spawn;
    spawn.err = cluster.folder() + "/err";
    Job job(cluster, options, command, spawn);
    REQUIRE(job.CommandPid() > 0);
    if (options.empty()) {
      REQUIRE(Eventually(
          [&] { return DescendantsOf(job.CommandPid()).size() >= 3; }, 10s));
    } else {
      REQUIRE(Eventually([&] { return Computes(cluster); }, 10s));
    }
    auto of_it = DescendantsOf(job.front().pid());
    auto bodies = cluster.Bodies("n2");
    pid_t supervisor = ChildrenOf(job.front().pid()).at(0);
    ::kill(front ? job.front().pid() : supervisor, SIGKILL);
    auto status = job.front().Wait(10s);
    CHECK(Describe(status) == (front ? "signal 9" : "exit 125"));
    CHECK(NothingLeftOf(job.front().pid(), of_it));
    CHECK(NothingLeftOf(job.front().pid(), bodies));
  }
}

}  // namespace
}  // namespace ssi::test
