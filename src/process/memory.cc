#include "process/memory.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace ssi {

namespace {

void* RemotePointer(std::uint64_t address) {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): never dereferenced here
  return reinterpret_cast<void*>(address);
}

// UIO_MAXIOV (uapi/linux/uio.h).
constexpr std::size_t kMaxPieces = 1024;

enum class Direction { kRead, kWrite };

Status MoveRuns(HostPid pid, std::span<const MemoryRun> runs,
                std::span<std::byte> local, Direction direction) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): 16 KiB for nothing
  std::array<iovec, kMaxPieces> remote;
  while (!runs.empty()) {
    std::size_t count = std::min(runs.size(), kMaxPieces);
    std::size_t total = 0;
    for (std::size_t i = 0; i < count; ++i) {
      remote[i] = {RemotePointer(runs[i].address), runs[i].size};
      total += runs[i].size;
    }
    iovec mine{local.data(), total};
    ssize_t n =
        direction == Direction::kRead
            ? ::process_vm_readv(Raw(pid), &mine, 1, remote.data(), count, 0)
            : ::process_vm_writev(Raw(pid), &mine, 1, remote.data(), count, 0);
    if (n < 0) {
      return FailErrno(errno, "memory of {} at {:#x}", Raw(pid),
                       runs[0].address);
    }
    if (static_cast<std::size_t>(n) != total) {
      return FailErrno(EFAULT, "memory of {}, {} of {} bytes from {:#x}",
                       Raw(pid), n, total, runs[0].address);
    }
    runs = runs.subspan(count);
    local = local.subspan(total);
  }
  return {};
}

}  // namespace

std::size_t ReadMemoryPrefix(HostPid pid, RemoteAddr address,
                             std::span<std::byte> out) {
  if (out.empty()) {
    return 0;
  }
  iovec mine{out.data(), out.size()};
  iovec remote{RemotePointer(Raw(address)), out.size()};
  ssize_t n = ::process_vm_readv(Raw(pid), &mine, 1, &remote, 1, 0);
  return n < 0 ? 0 : static_cast<std::size_t>(n);
}

std::size_t WriteMemoryPrefix(HostPid pid, RemoteAddr address,
                              std::span<const std::byte> data) {
  if (data.empty()) {
    return 0;
  }
  iovec mine{const_cast<std::byte*>(data.data()), data.size()};
  iovec remote{RemotePointer(Raw(address)), data.size()};
  ssize_t n = ::process_vm_writev(Raw(pid), &mine, 1, &remote, 1, 0);
  return n < 0 ? 0 : static_cast<std::size_t>(n);
}

Status ReadMemory(HostPid pid, RemoteAddr address, std::span<std::byte> out) {
  MemoryRun run{Raw(address), out.size()};
  return out.empty() ? Status()
                     : MoveRuns(pid, {&run, 1}, out, Direction::kRead);
}

Status WriteMemory(HostPid pid, RemoteAddr address,
                   std::span<const std::byte> data) {
  MemoryRun run{Raw(address), data.size()};
  return data.empty() ? Status() : WriteRuns(pid, {&run, 1}, data);
}

Status ReadRuns(HostPid pid, std::span<const MemoryRun> runs,
                std::span<std::byte> out) {
  return MoveRuns(pid, runs, out, Direction::kRead);
}

Status WriteRuns(HostPid pid, std::span<const MemoryRun> runs,
                 std::span<const std::byte> data) {
  return MoveRuns(pid, runs, {const_cast<std::byte*>(data.data()), data.size()},
                  Direction::kWrite);
}

Result<MemoryFile> MemoryFile::Open(HostPid pid) {
  SSI_ASSIGN(UniqueFd fd,
             ssi::Open(fmt::format("/proc/{}/mem", Raw(pid)), O_RDWR));
  return MemoryFile(std::move(fd));
}

Status MemoryFile::Read(RemoteAddr address, std::span<std::byte> out) const {
  while (!out.empty()) {
    ssize_t n = ::pread(fd_.get(), out.data(), out.size(),
                        static_cast<off_t>(Raw(address)));
    if (n <= 0) {
      return FailErrno(n < 0 ? errno : EIO, "/proc/PID/mem at {:#x}",
                       Raw(address));
    }
    out = out.subspan(static_cast<std::size_t>(n));
    address = address + static_cast<std::uint64_t>(n);
  }
  return {};
}

Status MemoryFile::Write(RemoteAddr address,
                         std::span<const std::byte> data) const {
  while (!data.empty()) {
    ssize_t n = ::pwrite(fd_.get(), data.data(), data.size(),
                         static_cast<off_t>(Raw(address)));
    if (n <= 0) {
      return FailErrno(n < 0 ? errno : EIO, "/proc/PID/mem at {:#x}",
                       Raw(address));
    }
    data = data.subspan(static_cast<std::size_t>(n));
    address = address + static_cast<std::uint64_t>(n);
  }
  return {};
}

}  // namespace ssi
