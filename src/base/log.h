// The log of each program: one place that says why. Uses spdlog directly;
// this only sets it up.
#ifndef SSI_BASE_LOG_H_
#define SSI_BASE_LOG_H_

#include <string>

#include "base/result.h"

namespace ssi {

enum class LogLevel { kDebug, kInfo, kWarning };

// Log lines of `program` go to stderr as "PROGRAM: text". SSI_LOG=debug in the
// environment lowers the level.
void LogToStderr(const std::string& program, LogLevel level);
// Appends to `path`, with time and process id on each line.
Status LogToFile(const std::string& program, const std::string& path,
                 LogLevel level);

}  // namespace ssi

#endif  // SSI_BASE_LOG_H_
