// How our programs read their command lines and complain of them.
#ifndef SSI_BIN_COMMAND_LINE_H_
#define SSI_BIN_COMMAND_LINE_H_

#include <optional>
#include <string>

#include <CLI/CLI.hpp>

namespace ssi {

constexpr int kUsageStatus = 2;

inline std::string Complaint(const CLI::App* app, const CLI::Error& error) {
  return app->get_name() + ": " + error.what() + " (see " + app->get_name() +
         " --help)\n";
}

// Runs `parse`. The exit status, if the program is to end now: because help
// was asked for, or with `failure`.
template <typename Parse>
std::optional<int> ParseCommandLine(CLI::App& app, const Parse& parse,
                                    int failure = kUsageStatus) {
  app.failure_message(Complaint);
  try {
    parse();
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : failure;
  }
  return std::nullopt;
}

}  // namespace ssi

#endif  // SSI_BIN_COMMAND_LINE_H_
