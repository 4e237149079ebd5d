// A program computes and makes calls on another node while its connection
// breaks again and again. Nobody sees anything of it.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <random>

#include <catch2/catch.hpp>

#include "cluster/channel/behind_proxy.h"

namespace ssi::test {
namespace {

using namespace std::chrono_literals;
using Catch::Contains;

// Reads a file in pieces, sends itself signals, and writes for each piece what
// it has seen so far: a call lost, doubled or answered by another's answer
// shows in all that follows. Then waits for the end of its input, and says how
// it got on with signals from others.
const char* const kProgram = R"(
$n = $u = $i = $sum = 0;
$SIG{USR1} = sub { $n++ };
$SIG{USR2} = sub { $u++ };
open F, "<", $ARGV[0] or die;
while (1) {
  $k = sysread F, $buf, 61;
  if (!defined $k) { next if $!{EINTR}; die "read: $!" }
  last if $k == 0;
  $sum = ($sum * 31 + unpack "%32C*", $buf) % 1000003;
  kill "USR1", $$ if ++$i % 5 == 0;
  $line = sprintf "%d %d %d %d\n", $i, $n, $sum, sysseek F, 0, 1;
  while (length $line) {
    $w = syswrite STDOUT, $line;
    substr $line, 0, $w, "" if $w;
  }
}
1 while !defined sysread(STDIN, $buf, 1);
kill "USR2", $$;
print "end $i $n $sum ", $u > 0 ? "signals" : "none", "\n";
)";

void MakeInput(const std::string& path, int pieces) {
  std::ofstream file(path);
  std::mt19937_64 random(7);
  for (int i = 0; i < pieces * 61; ++i) {
    file.put(static_cast<char>('a' + random() % 26));
  }
}

std::string NativeOutput(const std::string& input) {
  Spawn spawn;
  spawn.command = {"perl", "-e", kProgram, input};
  auto native = RunToEnd(spawn);
  REQUIRE(Describe(native.status) == "exit 0");
  return native.out;
}

void CheckCuts(unsigned cuts, int pieces) {
  const std::uint64_t seed = std::random_device()();
  INFO("seed " << seed);
  BehindProxy nodes;
  Cluster& cluster = nodes.cluster();
  const std::string input = cluster.folder() + "/input";
  MakeInput(input, pieces);
  Spawn spawn;
  spawn.in = cluster.folder() + "/until";
  spawn.out = cluster.folder() + "/out";
  spawn.err = cluster.folder() + "/err";
  REQUIRE(::mkfifo(spawn.in.c_str(), 0600) == 0);
  int until = ::open(spawn.in.c_str(), O_RDWR | O_CLOEXEC);
  REQUIRE(until >= 0);
  Job job(cluster, {"--on", "n2"}, {"perl", "-e", kProgram, input}, spawn);
  pid_t command = job.CommandPid();
  REQUIRE(command > 0);
  REQUIRE(Eventually(
      [&] {
        return cluster.Bodies("n2").size() == 1 &&
               !ReadAllOf(spawn.out).empty();
      },
      20s));
  const auto body = cluster.Bodies("n2");

  nodes.proxy().CutAtRandom(cuts, seed);
  std::size_t before = 0;
  bool done = Eventually(
      [&] {
        unsigned left = nodes.proxy().cuts_left();
        if (std::exchange(before, left) != left) {
          ::kill(command, SIGUSR2);
        }
        return left == 0 && ReadAllOf(spawn.out).size() > 100;
      },
      100s);
  auto why = nodes.Why(command);
  INFO(why << "\nstderr: " << ReadAllOf(spawn.err));
  REQUIRE(done);
  // The same body all the time, in the same place.
  CHECK(cluster.Bodies("n2") == body);
  CHECK_THAT(why, Contains("connection to n2 lost, reconnecting") &&
                      Contains("connection to n2 is back after"));
  // It can still move: the connection for its memory is there too.
  CHECK(Eventually([&] { return job.MoveTo("n1"); }, 20s));
  CHECK(Eventually([&] { return cluster.Bodies("n2").empty(); }, 10s));
  ::close(until);
  CHECK(Describe(job.front().Wait(60s)) == "exit 0");
  CHECK(ReadAllOf(spawn.out) == NativeOutput(input));
  CHECK(ReadAllOf(spawn.err).empty());
}

TEST_CASE("a connection cut at 20 random bytes", "[sample][channel]") {
  CheckCuts(20, 1500);
}

TEST_CASE("a connection cut at 300 random bytes", "[channel]") {
  CheckCuts(300, 6000);
}

}  // namespace
}  // namespace ssi::test
