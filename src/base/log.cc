#include "base/log.h"

#include <cstdlib>
#include <string_view>

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace ssi {

namespace {

spdlog::level::level_enum SpdlogLevel(LogLevel level) {
  if (const char* wanted = std::getenv("SSI_LOG");
      wanted != nullptr && std::string_view(wanted) == "debug") {
    return spdlog::level::debug;
  }
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
  }
  return spdlog::level::info;
}

void Install(std::shared_ptr<spdlog::logger> logger, LogLevel level,
             const char* pattern) {
  logger->set_pattern(pattern);
  logger->set_level(SpdlogLevel(level));
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace

void LogToStderr(const std::string& program, LogLevel level) {
  // The _st sinks: one thread logs (design, section 3); the two helper threads
  // report to it and never log themselves.
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_st>();
  Install(std::make_shared<spdlog::logger>(program, std::move(sink)), level,
          "%n: %v");
}

Status LogToFile(const std::string& program, const std::string& path,
                 LogLevel level) {
  try {
    auto sink = std::make_shared<spdlog::sinks::basic_file_sink_st>(path);
    Install(std::make_shared<spdlog::logger>(program, std::move(sink)), level,
            "%Y-%m-%d %H:%M:%S.%e %P %n %l: %v");
  } catch (const spdlog::spdlog_ex& error) {
    return Fail(ErrorCode::kSystem, "log file: {}", error.what());
  }
  return {};
}

}  // namespace ssi
