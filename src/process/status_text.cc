#include "process/status_text.h"

#include <algorithm>

#include "base/files.h"

namespace ssi {

std::string_view StatusField(std::string_view status, std::string_view name) {
  while (!status.empty()) {
    auto end = std::min(status.find('\n'), status.size());
    std::string_view line = status.substr(0, end);
    status.remove_prefix(std::min(end + 1, status.size()));
    if (line.size() > name.size() && line.starts_with(name) &&
        line[name.size()] == ':') {
      line.remove_prefix(name.size() + 1);
      line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
      return line;
    }
  }
  return {};
}

std::optional<std::uint64_t> StatusNumber(std::string_view status,
                                          std::string_view name, int base) {
  auto field = StatusField(status, name);
  return ParseNumber<std::uint64_t>(field.substr(0, field.find_first_of(" \t")),
                                    base);
}

}  // namespace ssi
