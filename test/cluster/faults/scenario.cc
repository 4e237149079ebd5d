#include "cluster/faults/scenario.h"

#include <array>
#include <random>

namespace ssi::test {

using namespace std::chrono_literals;

std::span<const Step> Steps() {
  using enum Way;
  using enum Phase;
  // Home passes those of the way to B before those of another way.
  static constexpr auto kSteps = std::to_array<Step>({
      {kThere, "home.opening", 1, 1, kBefore},
      {kThere, "home.connecting", 1, 1, kBefore},
      {kThere, "home.asking", 1, 1, kBefore},
      {kThere, "guest.asked", 2, 1, kBefore},
      {kThere, "guest.accepting", 2, 1, kBefore},
      {kThere, "home.freezing", 1, 1, kBefore},
      {kThere, "home.sending", 1, 1, kBefore},
      {kThere, "guest.image", 2, 1, kBefore},
      {kThere, "guest.contents", 2, 1, kBefore},
      {kThere, "guest.rebuilt", 2, 1, kCommit},
      {kThere, "home.committing", 1, 1, kCommit},
      {kThere, "guest.starting", 2, 1, kCommit},
      {kThere, "guest.started", 2, 1, kCommit},
      {kThere, "home.emptying", 1, 1, kCommit},
      {kThere, "home.finished", 1, 1, kCommit},
      {kThere, "guest.call", 2, 1, kCommit},

      {kBack, "home.asking", 1, 2, kCommit},
      {kBack, "home.freezing", 1, 2, kCommit},
      {kBack, "guest.freezing", 2, 1, kCommit},
      {kBack, "guest.sending", 2, 1, kCommit},
      {kBack, "home.receiving", 1, 1, kCommit},
      {kBack, "guest.held", 2, 1, kCommit},
      {kBack, "home.refilled", 1, 1, kCommit},
      {kBack, "home.committing", 1, 2, kCommit},
      {kBack, "home.starting", 1, 1, kAfter},
      {kBack, "guest.destroying", 2, 1, kAfter},
      {kBack, "home.finished", 1, 2, kAfter},

      {kOnward, "home.opening", 1, 2, kBefore},
      {kOnward, "home.connecting", 1, 2, kBefore},
      {kOnward, "home.onward", 1, 1, kBefore},
      {kOnward, "guest.onward", 2, 1, kBefore},
      {kOnward, "home.asking", 1, 2, kBefore},
      {kOnward, "guest.asked", 3, 1, kBefore},
      {kOnward, "guest.accepting", 3, 1, kBefore},
      {kOnward, "home.freezing", 1, 2, kBefore},
      {kOnward, "guest.freezing", 2, 1, kBefore},
      {kOnward, "guest.sending", 2, 1, kBefore},
      {kOnward, "guest.image", 3, 1, kBefore},
      {kOnward, "guest.contents", 3, 1, kBefore},
      {kOnward, "guest.held", 2, 1, kCommit},
      {kOnward, "guest.rebuilt", 3, 1, kCommit},
      {kOnward, "home.committing", 1, 2, kCommit},
      {kOnward, "guest.starting", 3, 1, kAfter},
      {kOnward, "guest.started", 3, 1, kAfter},
      {kOnward, "guest.destroying", 2, 1, kAfter},
      {kOnward, "home.finished", 1, 2, kAfter},
      {kOnward, "guest.call", 3, 1, kAfter},
  });
  return kSteps;
}

std::span<const FaultProgram> FaultPrograms() {
  static const std::vector<FaultProgram> kPrograms = {
      {"gawk",
       {"gawk",
        "BEGIN {for (i = 0; i < 1500000; i++) {s = (s * 31 + i) % 1000003; "
        "if (i % 10000 == 0) {print i; fflush()}} "
        "while ((getline line) > 0) n++; print n + 0, s}"}},
      {"python3 threads", {"/usr/bin/python3", "-c", R"(
import hashlib, sys, threading
turn = 0
turns = threading.Condition()
def work(me):
    global turn
    digest = b'%d' % me
    for n in range(40):
        for _ in range(200):
            digest = hashlib.sha256(digest * 20).digest()
        with turns:
            assert turns.wait_for(lambda: turn % 4 == me, 100)
            print(n, me, digest.hex()[:16], flush=True)
            turn += 1
            turns.notify_all()
threads = [threading.Thread(target=work, args=(me,)) for me in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(sys.stdin.read()), turn)
)"}},
      // Processes of its own, and a pipe.
      {"sh children", {"/bin/sh", "-c", R"(
n=0
while [ $n -lt 25 ]; do
  n=$((n + 1))
  echo $n $(expr $n \* 7 | tr 0-9 a-j)
done
cat | wc -c)"}},
      // Signals to itself, timers, files in its folder.
      {"perl timers", {"perl", "-MTime::HiRes=ualarm", "-e", R"(
$| = 1; my $ticks = 0; my $got = 0;
$SIG{ALRM} = sub {$ticks++; ualarm 3000 if $ticks < 60};
$SIG{USR1} = sub {$got++};
ualarm 3000;
my $s = 0; my $told = 0;
while ($ticks < 60) {
  $s++;
  if ($ticks > $told) {
    $told = $told + 1;
    kill 'USR1', $$; open my $f, '>>', "told.$told" or die $!; print $f "x";
    close $f; my $size = -s "told.$told"; unlink "told.$told";
    print "$told $got $size\n";
  }
}
while ($told < 60) {$told++; kill 'USR1', $$; print "$told $got 1\n"}
SELECT: while (1) {
  my $n = sysread STDIN, my $b, 1; next SELECT unless defined $n; last if !$n;
}
print "end $told $got\n";)"}},
  };
  return kPrograms;
}

namespace {

constexpr std::array kWays = {"to n2", "home from n2", "from n2 to n3"};
constexpr std::array kKinds = {"kill", "stop", "stop for a while", "no memory",
                               "no descriptors"};

std::vector<Victim> VictimsOf(Way way) {
  std::vector<Victim> victims;
  for (int node = 1; node <= (way == Way::kOnward ? 3 : 2); ++node) {
    victims.push_back({node, Who::kDaemon});
    victims.push_back({node, Who::kSupervisor});
  }
  return victims;
}

// A home supervisor that stays stopped is a job that stays stopped.
bool Makes(const Victim& victim, Kind kind) {
  return kind != Kind::kStop || victim.node != 1 || victim.who == Who::kDaemon;
}

template <typename Range>
auto OneOf(const Range& range, std::mt19937_64& random) {
  return range[random() % std::size(range)];
}

}  // namespace

std::string Scenario::Describe() const {
  std::string at = delay < 0ms ? std::string(step.point)
                               : std::to_string(delay.count()) + " ms";
  std::string text = FaultPrograms()[program].name + ", " +
                     kWays[static_cast<std::size_t>(step.way)] + ", at " + at +
                     " of n" + std::to_string(step.node) + ": " +
                     kKinds[static_cast<std::size_t>(kind)] + " for the " +
                     (victim.who == Who::kDaemon ? "ssid" : "supervisor") +
                     " of n" + std::to_string(victim.node);
  if (kind == Kind::kStopForAWhile) {
    text += ", " + std::to_string(pause.count()) + " ms";
  }
  for (int node : more) {
    text += ", then to n" + std::to_string(node);
  }
  return text;
}

std::vector<Scenario> TableOf(Way way, Kind kind) {
  std::vector<Scenario> table;
  for (const auto& step : Steps()) {
    for (const auto& victim : VictimsOf(way)) {
      if (step.way == way && Makes(victim, kind)) {
        table.push_back({step, victim, kind, table.size() % 2});
      }
    }
  }
  return table;
}

Scenario RandomScenario(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Scenario scenario{OneOf(Steps(), random), {}, {}};
  constexpr auto kOften = std::to_array<Kind>(
      {Kind::kKill, Kind::kKill, Kind::kKill, Kind::kStopForAWhile,
       Kind::kStopForAWhile, Kind::kStopForAWhile, Kind::kMemory, Kind::kMemory,
       Kind::kDescriptors, Kind::kDescriptors, Kind::kStop});
  do {
    scenario.victim = OneOf(VictimsOf(scenario.step.way), random);
    scenario.kind = OneOf(kOften, random);
  } while (!Makes(scenario.victim, scenario.kind));
  scenario.program = random() % FaultPrograms().size();
  constexpr auto kPauses = std::to_array<int>({1, 30, 300, 1500, 4000, 7000});
  scenario.pause = std::chrono::milliseconds(OneOf(kPauses, random));
  if (random() % 4 == 0) {
    scenario.delay = std::chrono::milliseconds(random() % 60);
  }
  constexpr unsigned kMore = 3;
  for (auto n = random() % kMore; n > 0; --n) {
    auto nodes = static_cast<unsigned>(scenario.nodes());
    scenario.more.push_back(1 + static_cast<int>(random() % nodes));
  }
  return scenario;
}

}  // namespace ssi::test
