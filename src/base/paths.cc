#include "base/paths.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace ssi {

namespace {

std::string FromEnvironment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

std::string RuntimeDir() {
  if (auto dir = FromEnvironment("SSI_RUNTIME_DIR"); !dir.empty()) {
    return dir;
  }
  if (auto dir = FromEnvironment("XDG_RUNTIME_DIR"); !dir.empty()) {
    return dir + "/ssi";
  }
  return fmt::format("/tmp/ssi-{}", ::getuid());
}

std::string ControlSocketPath() {
  if (auto path = FromEnvironment("SSI_CONTROL"); !path.empty()) {
    return path;
  }
  return RuntimeDir() + "/control";
}

std::string DefaultKeyPath() {
  if (auto path = FromEnvironment("SSI_KEY"); !path.empty()) {
    return path;
  }
  if (auto dir = FromEnvironment("XDG_CONFIG_HOME"); !dir.empty()) {
    return dir + "/ssi/key";
  }
  return FromEnvironment("HOME") + "/.config/ssi/key";
}

Status MakePrivateDir(const std::string& path) {
  for (std::size_t at = path.find('/', 1); at != std::string::npos;
       at = path.find('/', at + 1)) {
    std::string parent = path.substr(0, at);
    if (::mkdir(parent.c_str(), 0755) != 0 && errno != EEXIST) {
      return FailErrno(errno, "mkdir {}", parent);
    }
  }
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return FailErrno(errno, "mkdir {}", path);
  }
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) {
    return FailErrno(errno, "stat {}", path);
  }
  if (!S_ISDIR(info.st_mode) || info.st_uid != ::getuid() ||
      (info.st_mode & 0077) != 0) {
    return Fail(ErrorCode::kDenied,
                "{} must be a folder of yours that nobody else can enter "
                "(chmod 700 {})",
                path, path);
  }
  return {};
}

}  // namespace ssi
