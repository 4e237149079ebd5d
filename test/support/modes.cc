#include "support/modes.h"

#include <algorithm>
#include <filesystem>
#include <regex>
#include <sstream>

#include <catch2/catch.hpp>

namespace ssi::test {

namespace {

using namespace std::chrono_literals;
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
  auto [a, b] = std::mismatch(native.begin(), native.end(), moved.begin(),
                              moved.end());
  bool same = a == native.end() && b == moved.end();
  auto at = static_cast<std::size_t>(a - native.begin());
  std::size_t from = at < 80 ? 0 : at - 80;
  INFO(what << " differs at byte " << at << " of " << native.size() << " and "
            << moved.size() << "\nnatively: ..." << native.substr(from, 240)
            << "\nmoved:    ..." << moved.substr(from, 240));
  CHECK(same);
}

class Folders {
 public:
  explicit Folders(const Program& program) : program_(program) {}

  std::string Make(const std::string& mode) {
    std::string path = folder_.path() + "/" + mode;
    fs::create_directories(path + "/work");
    if (!program_.setup.empty()) {
      Spawn setup;
      setup.command = {"sh", "-ec", program_.setup};
      setup.folder = path + "/work";
      auto made = RunToEnd(setup, 120s);
      INFO(made.out << made.err);
      REQUIRE(Describe(made.status) == "exit 0");
    }
    return path;
  }
  Spawn SpawnIn(const std::string& path) const {
    Spawn spawn;
    spawn.folder = path + "/work";
    if (!program_.in.empty()) {
      spawn.in = path + "/work/" + program_.in;
    }
    spawn.out = path + "/out";
    spawn.err = path + "/err";
    return spawn;
  }

 private:
  const Program& program_;
  TemporaryFolder folder_;
};

struct Native {
  RunResult result;
  double seconds = 0;
  double cpu = 0;
};

Native RunNatively(const Program& program, Folders& folders,
                   const Timing& timing) {
  std::string path = folders.Make("native");
  Spawn spawn = folders.SpawnIn(path);
  spawn.command = program.command;
  spawn.cpus = Cluster::HomeCpus();
  auto begin = std::chrono::steady_clock::now();
  Child child(spawn);
  auto status = child.Wait(timing.limit);
  Native native;
  native.seconds = std::chrono::duration<double>(
                       std::chrono::steady_clock::now() - begin)
                       .count();
  native.cpu = child.cpu_seconds();
  REQUIRE(status);
  native.result = ResultOf(path, Describe(status), program.without_lines);
  return native;
}

void RunOnOther(const Program& program, Folders& folders, const Native& native,
                const Cluster& cluster, const Timing& timing) {
  INFO("mode: --on n2");
  std::string path = folders.Make("on");
  Spawn spawn = folders.SpawnIn(path);
  Witness witness(cluster, "n2");
  Job job(cluster, {"--on", "n2"}, program.command, spawn);
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
  CheckSame(native.result,
            ResultOf(path, Describe(status), program.without_lines));
  double away = witness.AwaySeconds();
  double home = static_cast<double>(home_ticks) / 100;
  INFO("user time away " << away << " s, of the stand-in " << home << " s");
  if (program.kind == Program::Kind::kComputes) {
    CHECK(away >= 0.9 * (away + home));
    CHECK(home <= 0.05 * native.cpu + 0.05);
    CHECK(away >= 0.5 * native.cpu);
  } else {
    CHECK(away > 0);
  }
}

void RunHopping(const Program& program, Folders& folders, const Native& native,
                const Cluster& cluster, const Timing& timing) {
  INFO("mode: hopping");
  std::string path = folders.Make("hop");
  Spawn spawn = folders.SpawnIn(path);
  Witness witness(cluster, "n2");
  Job job(cluster, {}, program.command, spawn);
  REQUIRE(job.CommandPid() > 0);
  int hops = 0;
  std::string refused;
  auto end = std::chrono::steady_clock::now() + timing.limit;
  while (job.CommandRuns() && std::chrono::steady_clock::now() < end) {
    if (job.MoveTo(hops % 2 == 0 ? "n2" : "n1")) {
      ++hops;
    } else if (job.CommandRuns() &&
               job.last_refusal().find("ended") == std::string::npos) {
      refused = job.last_refusal();
      break;
    }
    (void)Eventually([&] { return !job.CommandRuns(); }, timing.hop_every);
  }
  auto status = job.front().Wait(timing.limit);
  INFO("log of n2:\n" << cluster.log("n2"));
  CHECK(refused.empty());
  CheckSame(native.result,
            ResultOf(path, Describe(status), program.without_lines));
  CHECK(hops >= timing.least_hops);
  CHECK(witness.AwaySeconds() > 0);
}

}  // namespace

RunResult ResultOf(const std::string& folder, const std::string& status,
                   const std::string& without_lines) {
  RunResult result;
  result.status = status;
  result.out = WithoutLines(ReadAllOf(folder + "/out"), without_lines);
  result.err = WithoutLines(ReadAllOf(folder + "/err"), without_lines);
  for (const auto& entry :
       fs::recursive_directory_iterator(folder + "/work")) {
    if (entry.is_regular_file()) {
      result.files.emplace_back(
          fs::relative(entry.path(), folder + "/work").string(),
          ReadAllOf(entry.path().string()));
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

void CheckInAllModes(const Program& program, const Timing& timing) {
  Folders folders(program);
  Native native = RunNatively(program, folders, timing);
  INFO("native: " << native.seconds << " s, " << native.cpu << " s of CPU, "
                  << native.result.status);
  Cluster cluster;
  RunOnOther(program, folders, native, cluster, timing);
  RunHopping(program, folders, native, cluster, timing);
}

}  // namespace ssi::test
