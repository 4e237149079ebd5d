#include "remote/notifications.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <cerrno>

namespace ssi {

namespace {

Error NotificationError(int err, const char* what) {
  // ENOENT: the caller is dead, or the call was interrupted before we had it.
  return err == ENOENT ? Error{ErrorCode::kGone, what, err}
                       : SystemError(err, what);
}

}  // namespace

Result<std::optional<Notification>> Notifications::Receive() const {
  pollfd ready{listener_, POLLIN, 0};
  if (::poll(&ready, 1, 0) <= 0 || (ready.revents & POLLIN) == 0) {
    return std::nullopt;  // RECV would block
  }
  seccomp_notif raw{};
  if (::ioctl(listener_, SECCOMP_IOCTL_NOTIF_RECV, &raw) != 0) {
    if (errno == ENOENT || errno == EINTR) {
      return std::nullopt;  // withdrawn in between
    }
    return std::unexpected(NotificationError(errno, "receive notification"));
  }
  Notification made;
  made.id = raw.id;
  made.thread = HostPid{static_cast<pid_t>(raw.pid)};
  made.number = raw.data.nr;
  for (std::size_t i = 0; i < made.args.size(); ++i) {
    made.args[i] = raw.data.args[i];
  }
  return made;
}

Status Notifications::Answer(std::uint64_t id, std::int64_t result) const {
  seccomp_notif_resp response{};
  response.id = id;
  if (result < 0 && result >= -4095) {
    response.error = static_cast<std::int32_t>(result);
  } else {
    response.val = result;
  }
  if (::ioctl(listener_, SECCOMP_IOCTL_NOTIF_SEND, &response) != 0) {
    return std::unexpected(NotificationError(errno, "answer notification"));
  }
  return {};
}

Status Notifications::Continue(std::uint64_t id) const {
  seccomp_notif_resp response{};
  response.id = id;
  response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  if (::ioctl(listener_, SECCOMP_IOCTL_NOTIF_SEND, &response) != 0) {
    return std::unexpected(NotificationError(errno, "continue a call"));
  }
  return {};
}

Status Notifications::AddFd(std::uint64_t id, int fd, int at) const {
  seccomp_notif_addfd add{};
  add.id = id;
  add.flags = SECCOMP_ADDFD_FLAG_SETFD;
  add.srcfd = static_cast<std::uint32_t>(fd);
  add.newfd = static_cast<std::uint32_t>(at);
  add.newfd_flags = O_CLOEXEC;
  if (::ioctl(listener_, SECCOMP_IOCTL_NOTIF_ADDFD, &add) < 0) {
    return std::unexpected(NotificationError(errno, "give a descriptor"));
  }
  return {};
}

}  // namespace ssi
