#include "process/threads.h"

#include <dirent.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include <fmt/format.h>

#include "base/files.h"
#include "process/stat_fields.h"

namespace ssi {

Result<std::vector<HostPid>> ThreadsOf(HostPid pid) {
  std::string path = fmt::format("/proc/{}/task", Raw(pid));
  std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(path.c_str()), &::closedir);
  if (!dir) {
    return FailErrno(errno == ENOENT ? ESRCH : errno, "threads of {}",
                     Raw(pid));
  }
  std::vector<HostPid> found;
  while (const dirent* entry = ::readdir(dir.get())) {
    if (auto number = ParseNumber<pid_t>(entry->d_name)) {
      found.push_back(HostPid{*number});
    }
  }
  std::sort(found.begin(), found.end(), [pid](HostPid a, HostPid b) {
    return (a != pid) != (b != pid) ? a == pid : Raw(a) < Raw(b);
  });
  return found;
}

bool IsProcess(HostPid pid) {
  auto status = ReadFile(fmt::format("/proc/{}/status", Raw(pid)));
  return status && status->find(fmt::format("\nTgid:\t{}\n", Raw(pid))) !=
                       std::string::npos;
}

HostPid LivingThread(HostPid pid) {
  if (HasExited(pid)) {
    auto threads = ThreadsOf(pid);
    for (HostPid thread : threads.value_or(std::vector<HostPid>())) {
      if (!HasExited(thread)) {
        return thread;
      }
    }
  }
  return pid;
}

bool HasExited(HostPid thread) {
  auto stat = StatFields::Read(thread);
  return !stat || stat->state() == 'Z' || stat->state() == 'X';
}

}  // namespace ssi
