// ssirun: runs a command whose processes can be moved to other nodes.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "command_line.h"
#include "deputy/front.h"
#include "deputy/job.h"

namespace {

constexpr int kOwnFailure = 125;
constexpr int kCannotExecute = 126;
constexpr int kNotFound = 127;

// --home: the command itself, with nothing of ours around it.
int Execute(const std::vector<std::string>& command) {
  std::vector<char*> arguments;
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

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "ssirun: run CMD on this node, its home. While it runs it can be moved "
      "to any node of the cluster and back (--on, ssictl migrate); it computes "
      "there, and everything else about it stays here: pid, terminal, files, "
      "signals, exit status.",
      "ssirun");
  ssi::JobOptions options;
  std::string stats_file;
  bool home = false;
  app.add_option("--on", options.on,
                 "Move CMD to NODE at its entry point; calls that need home "
                 "are executed here")
      ->type_name("NODE");
  app.add_flag("--home", home, "Run CMD here and never move it");
  app.add_option("--stats", stats_file,
                 "Write hops, CPU time on each node and calls to FILE (JSON) "
                 "when CMD ends")
      ->type_name("FILE");
  app.add_flag("-v,--verbose", options.verbose,
               "Say on stderr what is moved, when and why");
  app.add_flag("--debug", options.debug, "Say everything")->group("");
  app.add_option("CMD", options.command, "Command and its arguments")
      ->required();
  app.prefix_command(false);
  app.positionals_at_end(true);
  app.set_version_flag("--version", std::string("ssirun ") + SSI_VERSION);
  app.footer(
      "Exit status: that of CMD; 128+N if signal N ended it (and ssirun ends "
      "by the same signal); 125 if ssirun itself fails or the node where CMD "
      "computed is lost; 126 if CMD cannot be executed; 127 if it is not "
      "found.");
  // Options of ssirun end at the first word that is not one: what follows is
  // CMD with its own options.
  int first = 1;
  while (first < argc && argv[first][0] == '-') {
    std::string word = argv[first];
    if (word == "--") {
      break;
    }
    bool takes_value = word == "--on" || word == "--stats";
    first += takes_value ? 2 : 1;
  }
  first = std::min(first, argc);
  int command_at =
      first < argc && std::strcmp(argv[first], "--") == 0 ? first + 1 : first;
  std::vector<std::string> own(argv + 1, argv + first);
  options.command.assign(argv + command_at, argv + argc);
  if (command_at < argc) {
    own.emplace_back(argv[command_at]);  // satisfies the required positional
  }
  std::vector<std::string> command = options.command;
  std::reverse(own.begin(), own.end());  // CLI11 takes them from the back
  auto ends = ssi::ParseCommandLine(
      app, [&] { app.parse(own); }, kOwnFailure);
  if (ends) {
    return *ends;
  }
  options.command = command;
  if (home && !options.on.empty()) {
    (void)std::fprintf(stderr, "ssirun: --home and --on exclude each other\n");
    return kOwnFailure;
  }
  if (home) {
    return Execute(options.command);
  }
  // Now, not when CMD has run for hours: the file may be impossible.
  if (!stats_file.empty()) {
    int file = ::open(stats_file.c_str(),
                      O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    // Clear of 0 to 2, which the supervisor lets go; open until the end.
    options.stats_fd = file < 0 ? -1 : ::fcntl(file, F_DUPFD_CLOEXEC, 3);
    if (options.stats_fd < 0) {
      (void)std::fprintf(stderr, "ssirun: --stats: cannot write %s: %s\n",
                         stats_file.c_str(), std::strerror(errno));
      return kOwnFailure;
    }
  }
  options.front = ::getpid();
  return ssi::Front::Run([&options](ssi::UniqueFd front, const sigset_t& mask) {
    return ssi::RunHomeSupervisor(options, std::move(front), mask);
  });
}
