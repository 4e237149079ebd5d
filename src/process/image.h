// The user context of a process as plain values: everything that makes it
// compute, nothing of where it lives. Memory contents are not in here; they
// travel beside it.
#ifndef SSI_PROCESS_IMAGE_H_
#define SSI_PROCESS_IMAGE_H_

#include <signal.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "process/kernel.h"
#include "process/memory.h"
#include "process/registers.h"
#include "process/signal_state.h"
#include "process/vmas.h"

namespace ssi {

// A file of the home node that the process maps privately.
struct MappedFile {
  std::uint32_t id = 0;  // unique in the life of the process, never 0
  std::string path;      // as /proc/PID/maps shows it at home
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;
  std::int64_t ctime_ns = 0;
  std::string sha256;  // of all of it; empty where it cannot be opened
  // Mapped MAP_SHARED, read-only, while the process was away: there a snapshot.
  bool shared = false;

  bool operator==(const MappedFile&) const = default;
};

// An area of memory, and what to map there.
struct ImageArea {
  enum class Source : std::uint8_t {
    kAnonymous,
    kFile,  // MAP_PRIVATE of MappedFile `file` at `offset`
    // The stand-in keeps its own mapping at home, because its file cannot be
    // opened again or is mapped shared; away it is a private copy.
    kKept,
    kVdso,
    kVvar,
  };
  Vma vma;
  Source source = Source::kAnonymous;
  std::uint32_t file = 0;     // kFile: MappedFile::id
  std::uint64_t kept_at = 0;  // kKept: where the stand-in has it
};

struct MemoryLayout {
  std::uint64_t start_code = 0;
  std::uint64_t end_code = 0;
  std::uint64_t start_data = 0;
  std::uint64_t end_data = 0;
  std::uint64_t start_brk = 0;
  std::uint64_t brk = 0;
  std::uint64_t start_stack = 0;
  std::uint64_t arg_start = 0;
  std::uint64_t arg_end = 0;
  std::uint64_t env_start = 0;
  std::uint64_t env_end = 0;
  std::vector<std::byte> auxv;
};

// A system call that was interrupted by the freeze and has a time limit that
// began before it. `registers` of the thread show the call with kRestartBlock.
struct PendingCall {
  std::uint64_t number = 0;
  CallArgs args{};
  std::chrono::nanoseconds left{};  // of the time limit; negative: none
  // Not 0: a write that the freeze has cut short after so many bytes. Its
  // thread's registers say that it is over and gave that number.
  std::uint64_t done = 0;
};

struct CpuTime {
  std::chrono::nanoseconds user{};
  std::chrono::nanoseconds system{};
};

struct QueuedSignal {
  siginfo_t info{};
  bool of_thread = false;  // in the thread's own queue, not in the process's
};

struct ThreadImage {
  HomePid tid{};
  // The first thread of a process may end before the others; it keeps its
  // number until they do. Then nothing else of it matters.
  bool exited = false;
  Registers registers;
  std::vector<std::byte> extended_state;
  std::uint64_t signal_mask = 0;
  KernelStack alternate_stack;
  std::uint64_t robust_list = 0;
  std::uint64_t robust_list_size = 0;
  std::uint64_t clear_child_tid = 0;
  RseqConfiguration rseq{};
  std::optional<PendingCall> pending;
  // Taken from the queues at home, and not delivered where it was frozen.
  std::vector<QueuedSignal> undelivered;
  CpuTime cpu_elsewhere;  // used where it was before
  std::string name;       // comm; empty: leave alone
  // -1: leave alone.
  std::int64_t personality = -1;
  std::int64_t tsc_mode = -1;  // PR_SET_TSC
};

struct ResourceLimit {
  std::uint64_t soft = 0;
  std::uint64_t hard = 0;
};
constexpr std::size_t kLimitCount = 16;  // RLIM_NLIMITS

// Process-wide states that prctl and its kind hold. -1: not known or not on
// this kernel, leave alone.
struct ProcessStates {
  std::int64_t dumpable = -1;
  std::int64_t thp_disable = -1;
  std::int64_t timer_slack = -1;
  std::int64_t mdwe = -1;
  std::int64_t membarrier = -1;
  std::int64_t no_new_privs = -1;
  std::int64_t extended_features = -1;  // ARCH_GET_XCOMP_PERM
  std::int64_t protection_keys = -1;    // a bit for each that is allocated
};

// Values of the clocks that the process may have read: no clock may show it
// less after a move.
struct ClockFloor {
  std::chrono::nanoseconds monotonic{};
  std::chrono::nanoseconds boot{};
};

struct ProcessImage {
  HomePid pid{};
  std::vector<ImageArea> areas;  // in order of address
  std::vector<MappedFile> files;
  std::vector<MemoryRun> guards;
  MemoryLayout layout;
  SignalActions actions{};
  ProcessStates states;
  std::vector<std::uint64_t> descriptors;  // the LDT; empty: it has none
  std::vector<std::byte> vdso;             // its code, of the kernel at home
  std::array<ResourceLimit, kLimitCount> limits{};
  ClockFloor clock_floor;
  // The same of CLOCK_MONOTONIC_COARSE, which goes in steps of a tick.
  std::chrono::nanoseconds coarse_floor{};
  CpuTime cpu_elsewhere;  // used where it was before, all hops together
  // The first one first, whose tid is the pid, then in order of tid.
  std::vector<ThreadImage> threads;
};

// An image and which memory goes with it.
struct CapturedProcess {
  ProcessImage image;
  CapturedMemory memory;
};

}  // namespace ssi

#endif  // SSI_PROCESS_IMAGE_H_
