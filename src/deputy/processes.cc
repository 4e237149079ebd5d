#include "deputy/processes.h"

#include <algorithm>
#include <sstream>

#include <spdlog/fmt/fmt.h>

#include "base/files.h"
#include "process/stat_fields.h"

namespace ssi {

std::vector<pid_t> ChildrenOf(pid_t pid) {
  std::vector<pid_t> children;
  auto text = ReadFile(fmt::format("/proc/{0}/task/{0}/children", pid));
  std::istringstream stream(text ? *text : "");
  for (pid_t child = 0; stream >> child;) {
    children.push_back(child);
  }
  return children;
}

std::string CommandOf(pid_t pid) {
  auto text = ReadFile(fmt::format("/proc/{}/cmdline", pid));
  if (!text || text->empty()) {
    auto stat = StatFields::Read(HostPid{pid});
    return stat ? std::string(stat->name()) : "?";
  }
  while (!text->empty() && text->back() == '\0') {
    text->pop_back();
  }
  std::replace_if(
      text->begin(), text->end(),
      [](unsigned char c) { return c < ' ' || c == 0x7f; }, ' ');
  constexpr std::size_t kMost = 200;
  return text->substr(0, kMost);
}

}  // namespace ssi
