#include "process/file_kind.h"

#include <string>

#include <fmt/format.h>

namespace ssi {

mode_t FileKind(HostPid thread, int fd) {
  struct stat info {};
  std::string path = fmt::format("/proc/{}/fd/{}", Raw(thread), fd);
  return ::stat(path.c_str(), &info) == 0 ? info.st_mode : 0;
}

}  // namespace ssi
