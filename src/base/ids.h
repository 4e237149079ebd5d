// Numbers that cross a boundary have types of their own, which do not turn
// into each other.
#ifndef SSI_BASE_IDS_H_
#define SSI_BASE_IDS_H_

#include <sys/types.h>

#include <cstdint>

namespace ssi {

// An address in another process: cannot be dereferenced here.
enum class RemoteAddr : std::uint64_t {};

constexpr std::uint64_t Raw(RemoteAddr address) {
  return static_cast<std::uint64_t>(address);
}
constexpr RemoteAddr operator+(RemoteAddr address, std::uint64_t offset) {
  return RemoteAddr{Raw(address) + offset};
}

// A process id as this process sees it (the "host" of a sandbox).
enum class HostPid : pid_t {};
// The pid of the job's process on its home node, which is also what it sees
// of itself wherever it runs.
enum class HomePid : pid_t {};

constexpr pid_t Raw(HostPid pid) {
  return static_cast<pid_t>(pid);
}
constexpr pid_t Raw(HomePid pid) {
  return static_cast<pid_t>(pid);
}

// Random, unique in the cluster.
enum class JobId : std::uint64_t {};
enum class MoveId : std::uint64_t {};
constexpr std::uint64_t Raw(JobId id) {
  return static_cast<std::uint64_t>(id);
}
constexpr std::uint64_t Raw(MoveId id) {
  return static_cast<std::uint64_t>(id);
}

}  // namespace ssi

#endif  // SSI_BASE_IDS_H_
