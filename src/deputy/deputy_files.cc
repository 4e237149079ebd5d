// Files that the process maps while it is away: what the other node asks about
// them, and their bytes.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "deputy/deputy.h"
#include "migration/image_wire.h"
#include "proto/message.h"
#include "proto/session_frames.h"

namespace ssi {

namespace session = proto::session;

// ---- files mapped away ------------------------------------------------------

Status Deputy::OnMapFile(std::span<const std::byte> payload) {
  wire::MapFileRequest request;
  SSI_TRY(proto::DecodeMessage(payload, request));
  wire::MapFileReply reply =
      request.file() != 0 ? ReadFileBytes(request) : DescribeFile(request);
  reply.set_id(request.id());
  Transmit(session::kMapFileReply, reply);
  return {};
}

wire::MapFileReply Deputy::DescribeFile(const wire::MapFileRequest& request) {
  wire::MapFileReply reply;
  auto pid_fd = PidFdOpen(Raw(process_.pid));
  auto fd = pid_fd ? PidFdGetFd(pid_fd->get(), request.fd())
                   : Result<UniqueFd>(std::unexpected(pid_fd.error()));
  struct stat info {};
  if (!fd || ::fstat(fd->get(), &info) != 0) {
    reply.set_error(EBADF);
    return reply;
  }
  // The kernel's own answers (mmap(2)): not readable, and not a file.
  int flags = ::fcntl(fd->get(), F_GETFL);
  if ((flags & O_PATH) != 0) {
    reply.set_error(EBADF);
    return reply;
  }
  if ((flags & O_ACCMODE) == O_WRONLY) {
    reply.set_error(EACCES);
    return reply;
  }
  if (S_ISDIR(info.st_mode) || S_ISFIFO(info.st_mode) ||
      S_ISSOCK(info.st_mode)) {
    reply.set_error(ENODEV);
    return reply;
  }
  const dev_t kZero = makedev(1, 5);  // null(4)
  if (S_ISCHR(info.st_mode) && info.st_rdev == kZero && !request.shared()) {
    reply.set_zero(true);
    return reply;
  }
  if (!S_ISREG(info.st_mode)) {
    reply.set_come_home("only home can map what is not a regular file");
    return reply;
  }
  if (request.shared() && (flags & O_ACCMODE) != O_RDONLY) {
    reply.set_come_home("shared mappings are not rebuilt away yet");
    return reply;
  }
  std::array<char, 4096> path{};
  std::string link = fmt::format("/proc/self/fd/{}", fd->get());
  ssize_t n = ::readlink(link.c_str(), path.data(), path.size() - 1);
  auto id = process_.files.Add(
      *std::move(fd),
      std::string(path.data(), n > 0 ? static_cast<std::size_t>(n) : 0),
      request.shared());
  if (!id) {
    reply.set_error(ENOMEM);
    return reply;
  }
  constexpr std::uint64_t kMostHashed = std::uint64_t{64} << 20;
  process_.files.LearnHash(*id, places_.hashes, kMostHashed);
  migration::FileToWire(*process_.files.Get(*id), *reply.mutable_file());
  return reply;
}

wire::MapFileReply Deputy::ReadFileBytes(const wire::MapFileRequest& request) {
  wire::MapFileReply reply;
  constexpr std::uint32_t kMost = 1 << 20;
  int fd = process_.files.fd(request.file());
  std::string data(std::min(request.size(), kMost), '\0');
  ssize_t n = fd < 0 ? -1
                     : ::pread(fd, data.data(), data.size(),
                               static_cast<off_t>(request.offset()));
  if (n < 0) {
    reply.set_error(EIO);
    return reply;
  }
  data.resize(static_cast<std::size_t>(n));
  reply.set_data(std::move(data));
  return reply;
}

}  // namespace ssi
