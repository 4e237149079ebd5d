// A program computes and makes calls on another node while its connection
// breaks again and again. Nobody sees anything of it.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <optional>
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

// The program on n2, with a file of `pieces` to read.
class Reader {
 public:
  Reader(const Cluster& cluster, int pieces)
      : cluster_(cluster), spawn_(Files(cluster)) {
    MakeInput(input_, pieces);
    REQUIRE(::mkfifo(spawn_.in.c_str(), 0600) == 0);
    until_ = ::open(spawn_.in.c_str(), O_RDWR | O_CLOEXEC);
    REQUIRE(until_ >= 0);
    job_.emplace(cluster, std::vector<std::string>{"--on", "n2"},
                 std::vector<std::string>{"perl", "-e", kProgram, input_},
                 spawn_);
    REQUIRE(job_->CommandPid() > 0);
    REQUIRE(Eventually(
        [&] { return cluster.Bodies("n2").size() == 1 && !out().empty(); },
        20s));
  }

  Job& job() { return *job_; }
  pid_t pid() { return job_->CommandPid(); }
  [[nodiscard]] std::string out() const { return ReadAllOf(spawn_.out); }
  [[nodiscard]] std::string err() const { return ReadAllOf(spawn_.err); }
  // Lets it end, and compares all that it said with a native run.
  void CheckEnd() {
    ::close(until_);
    CHECK(Describe(job_->front().Wait(60s)) == "exit 0");
    CHECK(out() == NativeOutput(input_));
    CHECK(err().empty());
    CHECK(Eventually([&] { return cluster_.Bodies("n2").empty(); }, 10s));
  }

 private:
  static Spawn Files(const Cluster& cluster) {
    Spawn spawn;
    spawn.in = cluster.folder() + "/until";
    spawn.out = cluster.folder() + "/out";
    spawn.err = cluster.folder() + "/err";
    return spawn;
  }

  const Cluster& cluster_;
  Spawn spawn_;
  std::string input_ = cluster_.folder() + "/input";
  int until_ = -1;  // held open: it does not end before
  std::optional<Job> job_;
};

void CheckCuts(unsigned cuts, int pieces) {
  const std::uint64_t seed = std::random_device()();
  INFO("seed " << seed);
  BehindProxy nodes;
  Cluster& cluster = nodes.cluster();
  Reader reader(cluster, pieces);
  const auto body = cluster.Bodies("n2");

  nodes.proxy().CutAtRandom(cuts, seed);
  std::size_t before = 0;
  bool done = Eventually(
      [&] {
        unsigned left = nodes.proxy().cuts_left();
        if (std::exchange(before, left) != left) {
          ::kill(reader.pid(), SIGUSR2);
        }
        return left == 0;
      },
      100s);
  auto why = nodes.Why(reader.pid());
  INFO(why << "\nstderr: " << reader.err());
  REQUIRE(done);
  // The same body all the time, in the same place.
  CHECK(cluster.Bodies("n2") == body);
  CHECK_THAT(why, Contains("connection to n2 lost, reconnecting") &&
                      Contains("connection to n2 is back after"));
  // It can still move: the connection for its memory is there too.
  CHECK(Eventually([&] { return reader.job().MoveTo("n1"); }, 20s));
  CHECK(Eventually([&] { return cluster.Bodies("n2").empty(); }, 10s));
  reader.CheckEnd();
}

TEST_CASE("a connection cut at 20 random bytes", "[sample][channel]") {
  CheckCuts(20, 1500);
}

TEST_CASE("a connection cut at 300 random bytes", "[channel]") {
  CheckCuts(300, 6000);
}

// Where a move is under way when the connection breaks, either may win; the
// program is in one place, and nothing of it is lost.
TEST_CASE("a connection cut at random bytes of moves there and back",
          "[channel]") {
  const std::uint64_t seed = std::random_device()();
  INFO("seed " << seed);
  BehindProxy nodes;
  Reader reader(nodes.cluster(), 12000);
  nodes.proxy().CutAtRandom(100000, seed);
  int moved = 0;
  int stayed = 0;
  bool away = true;
  const auto end = std::chrono::steady_clock::now() + 90s;
  while ((moved < 40 || stayed < 20) &&
         std::chrono::steady_clock::now() < end && reader.job().CommandRuns()) {
    if (reader.job().MoveTo(away ? "n1" : "n2")) {
      away = !away;
      ++moved;
    } else {
      ++stayed;
    }
    // What a departure left there goes when the next one comes.
    CHECK(nodes.cluster().Bodies("n2").size() <= 2);
  }
  INFO("moved " << moved << ", stayed " << stayed << "\n"
                << nodes.Why(reader.pid()) << reader.job().last_refusal()
                << reader.err());
  // On a busy machine time ends it; both have come often.
  CHECK(moved >= 10);
  CHECK(stayed >= 10);
  nodes.proxy().CutAtRandom(0, seed);
  reader.CheckEnd();
}

}  // namespace
}  // namespace ssi::test
