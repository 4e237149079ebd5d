// ssirun: runs a command whose processes can be moved to other nodes.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "command_line.h"
#include "deputy/explain_report.h"
#include "deputy/front.h"
#include "deputy/job.h"

namespace {

constexpr int kOwnFailure = 125;
constexpr int kCannotExecute = 126;
constexpr int kNotFound = 127;

// --home: the command itself, with nothing of ours around it.
int Execute(const std::vector<std::string>& command) {
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (const auto& argument : command) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  ::execvp(arguments[0], arguments.data());
  int err = errno;
  (void)std::fprintf(stderr, "ssirun: cannot execute %s: %s\n", arguments[0],
                     std::strerror(err));
  return err == ENOENT ? kNotFound : kCannotExecute;
}

struct CommandLine {
  ssi::JobOptions job;
  std::string stats_file;
  std::string assume;
  bool home = false;
  bool explain = false;
};

void AddOptions(CLI::App& app, CommandLine& line) {
  app.add_option("--on", line.job.on,
                 "Move CMD to NODE at its entry point; calls that need home "
                 "are executed here")
      ->type_name("NODE");
  app.add_flag("--home", line.home, "Run CMD here and never move it");
  app.add_flag("--explain", line.explain,
               "Run CMD here, and say at its end what would happen to its "
               "calls on another node, and the cost");
  app.add_option("--assume", line.assume,
                 "For --explain: call=MICROSECONDS,hop=MILLISECONDS,rate=MB/S "
                 "(one or more of them)")
      ->type_name("FIGURES");
  app.add_option("--stats", line.stats_file,
                 "Write hops, times frozen, CPU time on each node and calls by "
                 "class to FILE (JSON) when CMD ends; with --explain, what "
                 "that says")
      ->type_name("FILE");
  app.add_flag("-v,--verbose", line.job.verbose,
               "Say on stderr what is moved, when and why");
  app.add_flag("--debug", line.job.debug, "Say everything")->group("");
  app.add_option("CMD", line.job.command, "Command and its arguments")
      ->required();
  app.prefix_command(false);
  app.positionals_at_end(true);
  app.set_version_flag("--version", std::string("ssirun ") + SSI_VERSION);
  app.footer(
      "Exit status: that of CMD; 128+N if signal N ended it (and ssirun ends "
      "by the same signal); 125 if ssirun itself fails or the node where CMD "
      "computed is lost; 126 if CMD cannot be executed; 127 if it is not "
      "found.");
}

// Options of ssirun end at the first word that is not one: what follows is CMD
// with its own options. The exit status, if the program is to end now.
std::optional<int> Parse(CLI::App& app, CommandLine& line, int argc,
                         char** argv) {
  const std::set<std::string> kTakesValue = {"--on", "--stats", "--assume"};
  int first = 1;
  while (first < argc && argv[first][0] == '-') {
    std::string word = argv[first];
    if (word == "--") {
      break;
    }
    first += kTakesValue.contains(word) ? 2 : 1;
  }
  first = std::min(first, argc);
  int command_at =
      first < argc && std::strcmp(argv[first], "--") == 0 ? first + 1 : first;
  std::vector<std::string> own(argv + 1, argv + first);
  if (command_at < argc) {
    own.emplace_back(argv[command_at]);  // satisfies the required positional
  }
  std::reverse(own.begin(), own.end());  // CLI11 takes them from the back
  auto ends = ssi::ParseCommandLine(
      app, [&] { app.parse(own); }, kOwnFailure);
  line.job.command.assign(argv + command_at, argv + argc);
  return ends;
}

int Complain(const std::string& what) {
  (void)std::fprintf(stderr, "ssirun: %s\n", what.c_str());
  return kOwnFailure;
}

// What options say together. The exit status, if they cannot be.
std::optional<int> Settle(CommandLine& line) {
  if (line.home && !line.job.on.empty()) {
    return Complain("--home and --on exclude each other");
  }
  if (line.explain && (line.home || !line.job.on.empty())) {
    return Complain(
        "--explain runs CMD here: it goes with neither --on nor --home");
  }
  if (!line.assume.empty() && !line.explain) {
    return Complain("--assume is for --explain");
  }
  if (line.explain) {
    auto assumptions = ssi::ParseAssumptions(line.assume);
    if (!assumptions) {
      return Complain(assumptions.error().message);
    }
    line.job.explain = *assumptions;
  }
  return std::nullopt;
}

// Now, not when CMD has run for hours: the file may be impossible.
std::optional<int> OpenStats(CommandLine& line) {
  if (line.stats_file.empty()) {
    return std::nullopt;
  }
  int file = ::open(line.stats_file.c_str(),
                    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  // Clear of 0 to 2, which the supervisor lets go; open until the end.
  line.job.stats_fd = file < 0 ? -1 : ::fcntl(file, F_DUPFD_CLOEXEC, 3);
  if (line.job.stats_fd < 0) {
    return Complain(fmt::format("--stats: cannot write {}: {}", line.stats_file,
                                std::strerror(errno)));
  }
  return std::nullopt;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "ssirun: run CMD on this node, its home. While it runs it can be moved "
      "to any node of the cluster and back (--on, ssictl migrate); it computes "
      "there, and everything else about it stays here: pid, terminal, files, "
      "signals, exit status.",
      "ssirun");
  CommandLine line;
  AddOptions(app, line);
  if (auto ends = Parse(app, line, argc, argv)) {
    return *ends;
  }
  if (auto ends = Settle(line)) {
    return *ends;
  }
  if (line.home) {
    return Execute(line.job.command);
  }
  if (auto ends = OpenStats(line)) {
    return *ends;
  }
  ssi::JobOptions& options = line.job;
  options.front = ::getpid();
  return ssi::Front::Run([&options](ssi::UniqueFd front, const sigset_t& mask) {
    return ssi::RunHomeSupervisor(options, std::move(front), mask);
  });
}
