// The memory of another process.
#ifndef SSI_PROCESS_MEMORY_H_
#define SSI_PROCESS_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace ssi {

// How many bytes could be read from `address` on, up to out.size(): the
// readable prefix, as the process itself could read it (process_vm_readv(2)
// keeps to the protection of the areas). 0 also where the process is gone.
std::size_t ReadMemoryPrefix(HostPid pid, RemoteAddr address,
                             std::span<std::byte> out);
std::size_t WriteMemoryPrefix(HostPid pid, RemoteAddr address,
                              std::span<const std::byte> data);
// All of it, or an error (EFAULT's text where a part cannot be reached).
Status ReadMemory(HostPid pid, RemoteAddr address, std::span<std::byte> out);
Status WriteMemory(HostPid pid, RemoteAddr address,
                   std::span<const std::byte> data);

template <typename T>
requires std::is_trivially_copyable_v<T> Result<T> ReadObject(
    HostPid pid, RemoteAddr address) {
  T value{};
  SSI_TRY(
      ReadMemory(pid, address, std::as_writable_bytes(std::span(&value, 1))));
  return value;
}
template <typename T>
requires std::is_trivially_copyable_v<T> Status WriteObject(HostPid pid,
                                                            RemoteAddr address,
                                                            const T& value) {
  return WriteMemory(pid, address, std::as_bytes(std::span(&value, 1)));
}

// /proc/PID/mem: reads and writes whatever the protection of the areas (the
// kernel's FOLL_FORCE, which a tracer has). For code pages and PROT_NONE areas.
//
// Threads: any; the file keeps the right it was opened with.
class MemoryFile {
 public:
  static Result<MemoryFile> Open(HostPid pid);
  Status Read(RemoteAddr address, std::span<std::byte> out) const;
  Status Write(RemoteAddr address, std::span<const std::byte> data) const;
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  explicit MemoryFile(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

// A run of bytes of another process, and where the bytes are in a buffer.
struct MemoryRun {
  std::uint64_t address;
  std::uint64_t size;
};

// Reads `runs` one after the other into `out`, whose size is their sum, in as
// few calls as the kernel takes (1024 pieces each).
Status ReadRuns(HostPid pid, std::span<const MemoryRun> runs,
                std::span<std::byte> out);
Status WriteRuns(HostPid pid, std::span<const MemoryRun> runs,
                 std::span<const std::byte> data);

// Which memory of a process travels; all in order of address.
struct CapturedMemory {
  std::vector<MemoryRun> contents;
  std::vector<MemoryRun> unreadable;  // parts of it without PROT_READ
  // Parts of it in mappings of files: a page of zeros there hides the file.
  std::vector<MemoryRun> over_files;
};

}  // namespace ssi

#endif  // SSI_PROCESS_MEMORY_H_
