#include "base/unique_fd.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/check.h"

namespace ssi {

void UniqueFd::Reset(int fd) {
  if (fd_ >= 0 && ::close(fd_) != 0) {
    SSI_CHECK(errno != EBADF, "double close of fd {}", fd_);
  }
  fd_ = fd;
}

Result<UniqueFd> OpenAt(int dir_fd, const char* path, int flags,
                        unsigned mode) {
  int fd = ::openat(dir_fd, path, flags | O_CLOEXEC, mode);
  if (fd < 0) {
    return FailErrno(errno, "open {}", path);
  }
  return UniqueFd(fd);
}

Result<UniqueFd> Open(const std::string& path, int flags, unsigned mode) {
  return OpenAt(AT_FDCWD, path.c_str(), flags, mode);
}

Result<UniqueFd> Duplicate(int fd) {
  int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
  if (copy < 0) {
    return FailErrno(errno, "duplicate fd {}", fd);
  }
  return UniqueFd(copy);
}

Result<UniqueFd> MakeMemFd(const char* name, unsigned extra_flags) {
  int fd = ::memfd_create(name, MFD_CLOEXEC | extra_flags);
  if (fd < 0) {
    return FailErrno(errno, "memfd_create {}", name);
  }
  return UniqueFd(fd);
}

Result<UniqueFd> PidFdOpen(int pid) {
  auto fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0U));
  if (fd < 0) {
    return FailErrno(errno, "pidfd_open {}", pid);
  }
  return UniqueFd(fd);
}

Result<UniqueFd> PidFdGetFd(int pid_fd, int target_fd) {
  auto fd = static_cast<int>(::syscall(SYS_pidfd_getfd, pid_fd, target_fd, 0U));
  if (fd < 0) {
    return FailErrno(errno, "pidfd_getfd {}", target_fd);
  }
  return UniqueFd(fd);
}

Status SetNonBlocking(int fd, bool on) {
  int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0) {
    return FailErrno(errno, "fcntl F_GETFL");
  }
  int wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
  if (::fcntl(fd, F_SETFL, wanted) != 0) {
    return FailErrno(errno, "fcntl F_SETFL");
  }
  return {};
}

Status ReadAll(int fd, void* data, std::size_t size) {
  auto* at = static_cast<char*>(data);
  while (size > 0) {
    ssize_t n = ::read(fd, at, size);
    if (n < 0) {
      if (errno == EINTR) {
        continue;
      }
      return FailErrno(errno, "read");
    }
    if (n == 0) {
      return Fail(ErrorCode::kGone, "read: end of file");
    }
    at += n;
    size -= static_cast<std::size_t>(n);
  }
  return {};
}

Status WriteAll(int fd, const void* data, std::size_t size) {
  const auto* at = static_cast<const char*>(data);
  while (size > 0) {
    ssize_t n = ::write(fd, at, size);
    if (n < 0) {
      if (errno == EINTR) {
        continue;
      }
      return FailErrno(errno, "write");
    }
    at += n;
    size -= static_cast<std::size_t>(n);
  }
  return {};
}

}  // namespace ssi
