#ifndef SSI_BASE_UNIQUE_FD_H_
#define SSI_BASE_UNIQUE_FD_H_

#include <utility>

#include "base/result.h"

namespace ssi {

// The one owner of a file descriptor. Move-only; does not turn into an int or
// a bool by itself, so that it cannot be mistaken for one.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    Reset(std::exchange(other.fd_, -1));
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { Reset(); }

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool valid() const { return fd_ >= 0; }
  [[nodiscard]] int Release() { return std::exchange(fd_, -1); }
  // Closes what it holds. EINTR counts as closed (close(2)); EBADF is a double
  // close, a bug of ours, and aborts.
  void Reset(int fd = -1);

 private:
  int fd_ = -1;
};

// openat(2), always with O_CLOEXEC.
Result<UniqueFd> OpenAt(int dir_fd, const char* path, int flags,
                        unsigned mode = 0);
Result<UniqueFd> Open(const std::string& path, int flags, unsigned mode = 0);
// fcntl(F_DUPFD_CLOEXEC).
Result<UniqueFd> Duplicate(int fd);
// memfd_create(2) with MFD_CLOEXEC.
Result<UniqueFd> MakeMemFd(const char* name, unsigned extra_flags = 0);
Result<UniqueFd> PidFdOpen(int pid);
// pidfd_getfd(2): a duplicate of another process's descriptor.
Result<UniqueFd> PidFdGetFd(int pid_fd, int target_fd);
Status SetNonBlocking(int fd, bool on);

// Reads or writes all of it, over EINTR and short counts. ReadAll fails with
// kGone on an early end of file.
Status ReadAll(int fd, void* data, std::size_t size);
Status WriteAll(int fd, const void* data, std::size_t size);

}  // namespace ssi

#endif  // SSI_BASE_UNIQUE_FD_H_
