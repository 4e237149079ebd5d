#include "node/options.h"

#include <sstream>

#include "base/files.h"

namespace ssi {

Result<std::vector<unsigned>> ParseCpuList(const std::string& text) {
  std::vector<unsigned> cpus;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) {
    auto dash = part.find('-');
    auto first = ParseNumber<unsigned>(part.substr(0, dash));
    auto last = dash == std::string::npos
                    ? first
                    : ParseNumber<unsigned>(part.substr(dash + 1));
    if (!first || !last || *last < *first || *last >= CPU_SETSIZE) {
      return Fail(ErrorCode::kInvalid, "{} is no list of CPUs (like 0,2-3)",
                  text);
    }
    for (unsigned cpu = *first; cpu <= *last; ++cpu) {
      cpus.push_back(cpu);
    }
  }
  return cpus;
}

std::string FormatCpuList(const std::vector<unsigned>& cpus) {
  std::string text;
  for (unsigned cpu : cpus) {
    text += (text.empty() ? "" : ",") + std::to_string(cpu);
  }
  return text;
}

}  // namespace ssi
