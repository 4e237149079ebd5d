#include "process/threads.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include <fmt/format.h>

#include "base/files.h"
#include "base/reserve.h"
#include "process/stat_fields.h"

namespace ssi {

Result<std::vector<HostPid>> ThreadsOf(HostPid pid) {
  std::string path = fmt::format("/proc/{}/task", Raw(pid));
  auto folder = OpenBriefly(path, O_RDONLY | O_DIRECTORY);
  if (!folder) {
    int error = folder.error().sys_errno;
    return FailErrno(error == ENOENT ? ESRCH : error, "threads of {}",
                     Raw(pid));
  }
  std::unique_ptr<DIR, int (*)(DIR*)> dir(::fdopendir(folder->get()),
                                          &::closedir);
  if (!dir) {
    return FailErrno(errno, "threads of {}", Raw(pid));
  }
  (void)folder->Release();
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
  // A process is the first thread of itself, also when it has ended (tgkill(2)
  // looks for a thread in a group, then at the permission).
  return ::tgkill(Raw(pid), Raw(pid), 0) == 0 || errno == EPERM;
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
