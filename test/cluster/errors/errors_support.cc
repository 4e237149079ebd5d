#include "cluster/errors/errors_support.h"

#include <cstdlib>
#include <map>

namespace ssi::test {

using namespace std::chrono_literals;

const CommandLine& ComputingCommand() {
  static const CommandLine kCommand = {
      "mawk",
      "BEGIN {for (i = 0; i < 12000000; i++) s = (s * 31 + i) % 1000003; print "
      "s}"};
  return kCommand;
}

const std::string& NativeOutput(const CommandLine& command) {
  static std::map<CommandLine, std::string> outputs;
  auto [at, is_new] = outputs.try_emplace(command);
  if (is_new) {
    Spawn spawn;
    spawn.command = command;
    at->second = RunToEnd(spawn, 60s).out;
  }
  return at->second;
}

Output RunOn(const Cluster& cluster, const std::string& node,
             const CommandLine& command, const CommandLine& more) {
  CommandLine words = {std::string(SSI_BIN_DIR) + "/ssirun", "--on", node};
  words.insert(words.end(), more.begin(), more.end());
  words.insert(words.end(), command.begin(), command.end());
  return RunToEnd(cluster.Ours(words), 60s);
}

bool NothingLeftOf(pid_t ssirun, const std::vector<pid_t>& of_it) {
  return Eventually(
      [&] {
        for (pid_t pid : of_it) {
          char state = StateOf(pid);
          if (state != '-' && state != 'Z') {
            return false;
          }
        }
        return StateOf(ssirun) == '-' || StateOf(ssirun) == 'Z';
      },
      std::chrono::seconds(10));
}

Environment::Environment(const char* name, const std::string& value)
    : name_(name) {
  ::setenv(name, value.c_str(), 1);
}

Environment::~Environment() {
  ::unsetenv(name_);
}

}  // namespace ssi::test
