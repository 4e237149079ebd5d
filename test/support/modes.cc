#include "support/modes.h"

#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <regex>
#include <sstream>

#include <catch2/catch.hpp>

namespace ssi::test {

namespace {

// It has ended meanwhile; or its disk was slower than the limit of a freeze.
bool IsOfTheMoment(const std::string& refusal) {
  return refusal.find("ended") != std::string::npos ||
         refusal.find("does not stop: it is in call") != std::string::npos;
}

using namespace std::chrono_literals;
using namespace std::string_view_literals;
namespace fs = std::filesystem;

std::string WithoutLines(const std::string& text, const std::string& pattern) {
  if (pattern.empty()) {
    return text;
  }
  std::regex unwanted(pattern, std::regex::extended);
  std::istringstream lines(text);
  std::string kept;
  for (std::string line; std::getline(lines, line);) {
    if (!std::regex_search(line, unwanted)) {
      kept += line + "\n";
    }
  }
  return kept;
}

// Texts may be large: only where they begin to differ is worth printing.
void CheckSameText(const std::string& what, const std::string& native,
                   const std::string& moved) {
  auto [a, b] =
      std::mismatch(native.begin(), native.end(), moved.begin(), moved.end());
  bool same = a == native.end() && b == moved.end();
  auto at = static_cast<std::size_t>(a - native.begin());
  std::size_t from = at < 80 ? 0 : at - 80;
  INFO(what << " differs at byte " << at << " of " << native.size() << " and "
            << moved.size() << "\nnatively: ..." << native.substr(from, 240)
            << "\nmoved:    ..." << moved.substr(from, 240));
  CHECK(same);
}

// One mode's folder, and the scripts around the program.
class Place {
 public:
  Place(const Program& program, const std::string& folder)
      : program_(program), path_(folder) {
    fs::create_directories(work());
    if (!program_.setup.empty()) {
      Spawn setup = Script(program_.setup);
      auto made = RunToEnd(setup, 120s);
      INFO(made.out << made.err);
      REQUIRE(Describe(made.status) == "exit 0");
    }
    for (const char* fifo : {"/feed", "/drain"}) {
      REQUIRE(::mkfifo((path_ + fifo).c_str(), 0600) == 0);
    }
  }

  [[nodiscard]] const std::string& path() const { return path_; }
  // What the program itself is started with; its neighbours run already.
  Spawn Start() {
    Spawn spawn;
    spawn.folder = work();
    spawn.out = path_ + "/out";
    spawn.err = path_ + "/err";
    if (!program_.in.empty()) {
      spawn.in = work() + "/" + program_.in;
    }
    if (!program_.feed.empty()) {
      Spawn feed = Script(program_.feed);
      feed.out = spawn.in = path_ + "/feed";
      neighbours_.emplace_back(feed);
    }
    if (!program_.drain.empty()) {
      Spawn drain = Script(program_.drain);
      drain.in = spawn.out = path_ + "/drain";
      drain.out = path_ + "/out";
      neighbours_.emplace_back(drain);
    }
    return spawn;
  }
  RunResult Result(const std::optional<int>& status,
                   std::chrono::milliseconds limit) {
    std::string all = Describe(status);
    for (auto& neighbour : neighbours_) {
      all += ", " + Describe(neighbour.Wait(limit));
    }
    return ResultOf(path_, all, program_.without_lines);
  }

 private:
  [[nodiscard]] std::string work() const { return path_ + "/work"; }
  [[nodiscard]] Spawn Script(const std::string& script) const {
    Spawn spawn;
    spawn.command = {"sh", "-ec", script};
    spawn.folder = work();
    return spawn;
  }

  const Program& program_;
  std::string path_;
  std::vector<Child> neighbours_;
};

struct Native {
  RunResult result;
  double seconds = 0;
  double cpu = 0;
};

Native RunNatively(const Program& program, const std::string& folder,
                   const Timing& timing) {
  Place place(program, folder);
  Spawn spawn = place.Start();
  spawn.command = program.command;
  spawn.cpus = Cluster::HomeCpus();
  auto begin = std::chrono::steady_clock::now();
  Child child(spawn);
  auto status = child.Wait(timing.limit);
  Native native;
  native.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin)
          .count();
  native.cpu = child.cpu_seconds();
  REQUIRE(status);
  native.result = place.Result(status, timing.limit);
  return native;
}

void RunOnOther(const Program& program, const std::string& folder,
                const Native& native, const Cluster& cluster,
                const Timing& timing) {
  INFO("mode: --on n2");
  Place place(program, folder);
  Witness witness(cluster, "n2");
  Job job(cluster, {"--on", "n2"}, program.command, place.Start());
  pid_t stand_in = job.CommandPid();
  unsigned long home_ticks = 0;
  (void)Eventually(
      [&] {
        home_ticks = std::max(home_ticks, UserTicks(stand_in));
        return !job.front().Runs();
      },
      timing.limit);
  auto status = job.front().Wait(0ms);
  INFO("log of n2:\n" << cluster.log("n2"));
  CheckSame(native.result, place.Result(status, timing.limit));
  double away = witness.AwaySeconds();
  double home = static_cast<double>(home_ticks) / 100;
  INFO("user time away " << away << " s, of the stand-in " << home << " s");
  if (program.kind == Program::Kind::kComputes) {
    CHECK(home < 0.05 * native.cpu);
    CHECK(away >= 0.5 * native.cpu);
    CHECK(away >= 0.9 * (away + home));
  }
  CHECK(away > 0);
}

// The program's calls at home, told by the kernel: what its stand-in is in
// while it is away is a call for it, or the agent's futex.
bool CallInFlight(pid_t stand_in) {
  std::string call =
      ReadAllOf("/proc/" + std::to_string(stand_in) + "/syscall");
  return !call.empty() && call != "running\n" &&
         !call.starts_with(std::to_string(SYS_futex) + " ");
}

void RunHopping(const Program& program, const std::string& folder,
                const Native& native, const Cluster& cluster,
                const Timing& timing) {
  INFO("mode: hopping");
  Place place(program, folder);
  Witness second(cluster, "n2");
  Witness third(cluster, "n3");
  Job job(cluster, {}, program.command, place.Start());
  pid_t stand_in = job.CommandPid();
  REQUIRE(stand_in > 0);
  bool waits = program.kind == Program::Kind::kWaits;
  std::size_t hops = 0;
  int in_flight = 0;
  std::string refused;
  auto end = std::chrono::steady_clock::now() + timing.limit;
  while (job.CommandRuns() && std::chrono::steady_clock::now() < end) {
    // Two of four are from one node away straight to another.
    static constexpr std::array kRoute = {"n2", "n3", "n2", "n1"};
    bool leaves_home = hops % kRoute.size() == 0;
    // One that waits may have come while it did.
    Witness& witness =
        kRoute.at((hops + 3) % kRoute.size()) == "n3"sv ? third : second;
    if (!leaves_home) {
      (void)Eventually([&] { return witness.AwaySeconds() > 0; }, 1s);
    }
    bool waited = !leaves_home && waits &&
                  Eventually([&] { return CallInFlight(stand_in); }, 500ms);
    if (job.MoveTo(kRoute.at(hops % kRoute.size()))) {
      ++hops;
      in_flight += waited ? 1 : 0;
    } else if (job.CommandRuns() && !IsOfTheMoment(job.last_refusal())) {
      refused = job.last_refusal();
      break;
    }
    // Not in step with what the program does.
    auto pause = timing.hop_every * (50 + hops * 38 % 100) / 100;
    (void)Eventually([&] { return !job.CommandRuns(); }, pause);
  }
  auto status = job.front().Wait(timing.limit);
  INFO("log of n2:\n" << cluster.log("n2"));
  CHECK(refused.empty());
  CheckSame(native.result, place.Result(status, timing.limit));
  CHECK(hops >= timing.least_hops);
  CHECK(second.AwaySeconds() > 0);
  CHECK(third.AwaySeconds() > 0);
  if (waits) {
    CHECK(in_flight >= 1);
  }
}

}  // namespace

RunResult ResultOf(const std::string& folder, const std::string& status,
                   const std::string& without_lines) {
  RunResult result;
  result.status = status;
  result.out = WithoutLines(ReadAllOf(folder + "/out"), without_lines);
  result.err = WithoutLines(ReadAllOf(folder + "/err"), without_lines);
  for (const auto& entry : fs::recursive_directory_iterator(folder + "/work")) {
    if (entry.is_regular_file()) {
      std::ostringstream name;
      name << fs::relative(entry.path(), folder + "/work").string() << " "
           << std::oct << static_cast<unsigned>(entry.status().permissions());
      result.files.emplace_back(name.str(), ReadAllOf(entry.path().string()));
    }
  }
  std::sort(result.files.begin(), result.files.end());
  return result;
}

void CheckSame(const RunResult& native, const RunResult& moved) {
  CHECK(moved.status == native.status);
  CheckSameText("stdout", native.out, moved.out);
  CheckSameText("stderr", native.err, moved.err);
  REQUIRE(moved.files.size() == native.files.size());
  for (std::size_t i = 0; i < native.files.size(); ++i) {
    CHECK(moved.files[i].first == native.files[i].first);
    CheckSameText(native.files[i].first, native.files[i].second,
                  moved.files[i].second);
  }
}

void CheckInAllModes(const MakeProgram& make, const Timing& timing) {
  TemporaryFolder folder;
  Program program = make(1);
  Native native = RunNatively(program, folder.path() + "/native", timing);
  // More than once, where other work slowed down the run before.
  double scale = 1;
  for (int again = 1; again <= 3 && native.seconds < timing.least_seconds;
       ++again) {
    constexpr double kMargin = 1.3;
    scale *= kMargin * timing.least_seconds / native.seconds;
    program = make(scale);
    native = RunNatively(
        program, folder.path() + "/native-" + std::to_string(again), timing);
  }
  INFO("native: " << native.seconds << " s, " << native.cpu << " s of CPU, "
                  << native.result.status);
  CHECK(native.seconds >= timing.least_seconds);
  Cluster cluster(3);
  RunOnOther(program, folder.path() + "/on", native, cluster, timing);
  if (timing.least_hops > 0) {
    RunHopping(program, folder.path() + "/hop", native, cluster, timing);
  }
}

}  // namespace ssi::test
