#include "node/local_view.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/files.h"
#include "base/unique_fd.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080  // NOLINT: the kernel's name
#endif

namespace ssi {

namespace {

constexpr std::array kHidden = {"/tmp", "/home", "/var/tmp"};

Status MapUser(uid_t uid, gid_t gid) {
  SSI_TRY(WriteProcFile("/proc/self/setgroups", "deny"));
  SSI_TRY(WriteProcFile("/proc/self/gid_map", fmt::format("{0} {0} 1", gid)));
  return WriteProcFile("/proc/self/uid_map", fmt::format("{0} {0} 1", uid));
}

Status MakeFolders(const std::string& path) {
  for (std::size_t at = path.find('/', 1);; at = path.find('/', at + 1)) {
    std::string part = path.substr(0, at);
    if (::mkdir(part.c_str(), 0755) != 0 && errno != EEXIST) {
      return FailErrno(errno, "mkdir {}", part);
    }
    if (at == std::string::npos) {
      return {};
    }
  }
}

Status HideFolders(const std::vector<std::string>& keep) {
  struct Kept {
    std::string path;
    UniqueFd folder;
  };
  std::vector<Kept> kept;
  for (const auto& path : keep) {
    SSI_ASSIGN(UniqueFd folder, Open(path, O_PATH | O_DIRECTORY));
    kept.push_back({path, std::move(folder)});
  }
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return FailErrno(errno, "private mounts");
  }
  for (const char* folder : kHidden) {
    struct stat info {};
    if (::stat(folder, &info) == 0 &&
        ::mount("none", folder, "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") !=
            0) {
      return FailErrno(errno, "an empty {}", folder);
    }
  }
  for (const auto& folder : kept) {
    struct stat info {};
    if (::stat(folder.path.c_str(), &info) == 0) {
      continue;  // it was not hidden
    }
    SSI_TRY(MakeFolders(folder.path));
    std::string from = fmt::format("/proc/self/fd/{}", folder.folder.get());
    if (::mount(from.c_str(), folder.path.c_str(), nullptr, MS_BIND | MS_REC,
                nullptr) != 0) {
      return FailErrno(errno, "bind {}", folder.path);
    }
  }
  return {};
}

}  // namespace

Status EnterLocalView(const LocalView& view) {
  uid_t uid = ::geteuid();
  gid_t gid = ::getegid();
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWTIME) !=
      0) {
    return FailErrno(errno,
                     "namespaces for a second node on this machine (try "
                     "`ssictl check`)");
  }
  SSI_TRY(MapUser(uid, gid));
  SSI_TRY(WriteProcFile("/proc/self/timens_offsets",
                        fmt::format("monotonic {0} 0\nboottime {0} 0\n",
                                    view.clock_ahead.count())));
  SSI_TRY(HideFolders(view.keep));
  if (::sethostname(view.host_name.c_str(), view.host_name.size()) != 0) {
    return FailErrno(errno, "host name {}", view.host_name);
  }
  return {};
}

}  // namespace ssi
