#include "cluster/explain/explained.h"

#include <catch2/catch.hpp>
#include <google/protobuf/util/json_util.h>

namespace ssi::test {

Spawn Explained(const TemporaryFolder& folder, Spawn spawn,
                const std::vector<std::string>& options) {
  std::vector<std::string> command = {std::string(SSI_BIN_DIR) + "/ssirun",
                                      "--explain"};
  command.insert(command.end(), options.begin(), options.end());
  command.emplace_back("--");
  command.insert(command.end(), spawn.command.begin(), spawn.command.end());
  spawn.command = command;
  spawn.environment["SSI_RUNTIME_DIR"] = folder.path() + "/runtime";
  return spawn;
}

ExplainedRun RunExplained(const TemporaryFolder& folder, const Spawn& spawn) {
  ExplainedRun run;
  std::string path = folder.path() + "/stats";
  run.output = RunToEnd(Explained(folder, spawn, {"--stats", path}));
  wire::JobStats stats;
  std::string json = ReadAllOf(path);
  INFO(json << run.output.err);
  REQUIRE(google::protobuf::util::JsonStringToMessage(json, &stats).ok());
  REQUIRE(stats.has_explanation());
  run.explanation = stats.explanation();
  for (const auto& call : run.explanation.calls()) {
    run.counts[call.name()] += call.count();
    run.bytes[call.name()] += call.bytes();
  }
  return run;
}

void Shell(const TemporaryFolder& folder, const std::string& script) {
  Spawn spawn;
  spawn.command = {"sh", "-c", script};
  spawn.folder = folder.path();
  REQUIRE(Describe(RunToEnd(spawn).status) == "exit 0");
}

std::vector<wire::ExplainedCall> RowsOf(const wire::Explanation& explanation,
                                        const std::string& name) {
  std::vector<wire::ExplainedCall> rows;
  for (const auto& call : explanation.calls()) {
    if (call.name() == name) {
      rows.push_back(call);
    }
  }
  return rows;
}

}  // namespace ssi::test
