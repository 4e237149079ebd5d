#include "deputy/processes.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

#include <spdlog/fmt/fmt.h>

#include "base/files.h"
#include "process/stat_fields.h"
#include "process/threads.h"

namespace ssi {

namespace {

bool IsEnd(const siginfo_t& info) {
  return info.si_code == CLD_EXITED || info.si_code == CLD_KILLED ||
         info.si_code == CLD_DUMPED;
}

}  // namespace

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

// The kernel tells of the stops of traced children too, whatever is asked for
// (kernel/exit.c, wait_task_stopped), and such a one can hide another that has
// ended. Its deputy takes the stop later.
std::optional<pid_t> EndedChild() {
  constexpr int kLook = WEXITED | WNOHANG | WNOWAIT | __WALL;
  siginfo_t info{};
  if (::waitid(P_ALL, 0, &info, kLook) != 0 || info.si_pid == 0) {
    return std::nullopt;
  }
  // A thread of one that we trace is for its deputy, too.
  if (IsEnd(info) && IsProcess(HostPid{info.si_pid})) {
    return info.si_pid;
  }
  for (pid_t child : ChildrenOf(::getpid())) {
    info = {};
    if (::waitid(P_PID, static_cast<id_t>(child), &info, kLook) == 0 &&
        info.si_pid == child && IsEnd(info)) {
      return child;
    }
  }
  return std::nullopt;
}

}  // namespace ssi
