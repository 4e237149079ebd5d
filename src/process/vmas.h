// The memory areas of a process, as /proc/PID/smaps tells them.
#ifndef SSI_PROCESS_VMAS_H_
#define SSI_PROCESS_VMAS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "process/memory.h"

namespace ssi {

// Bits of Vma::flags, from the two-letter codes of VmFlags
// (Documentation/filesystems/proc.rst).
enum VmaFlag : std::uint32_t {
  kVmaGrowsDown = 1U << 0,     // gd
  kVmaLocked = 1U << 1,        // lo
  kVmaDontFork = 1U << 2,      // dc
  kVmaWipeOnFork = 1U << 3,    // wf
  kVmaDontDump = 1U << 4,      // dd
  kVmaMergeable = 1U << 5,     // mg
  kVmaHuge = 1U << 6,          // hg
  kVmaNoHuge = 1U << 7,        // nh
  kVmaSealed = 1U << 8,        // sl
  kVmaDevice = 1U << 9,        // io or pf
  kVmaHugeTlb = 1U << 10,      // ht
  kVmaMayWrite = 1U << 11,     // mw
  kVmaUserfault = 1U << 12,    // um or uw or ui
  kVmaDroppable = 1U << 13,    // dp
  kVmaNoReserve = 1U << 14,    // nr
  kVmaRandomRead = 1U << 15,   // rr
  kVmaSequential = 1U << 16,   // sr
  kVmaShadowStack = 1U << 17,  // ss
  kVmaLockOnFault = 1U << 18,  // lf
};

struct Vma {
  enum class Kind : std::uint8_t {
    kAnonymous,  // private, no file
    kFile,       // private mapping of a file
    kShared,     // MAP_SHARED of a file, a memfd or nothing
    kVdso,
    kVvar,  // [vvar] and [vvar_vclock]: time pages of the kernel
    kVsyscall,
    kOther,  // [uprobes] and what comes
  };
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  std::uint64_t offset = 0;  // in the file, bytes
  std::uint64_t inode = 0;
  std::uint32_t device_major = 0;
  std::uint32_t device_minor = 0;
  Kind kind = Kind::kAnonymous;
  std::uint8_t prot = 0;  // PROT_READ | PROT_WRITE | PROT_EXEC
  std::uint32_t flags = 0;
  int protection_key = 0;
  std::string name;  // path, [heap], [stack], [anon:…] or ""

  [[nodiscard]] std::uint64_t size() const { return end - start; }
  [[nodiscard]] bool Has(VmaFlag flag) const { return (flags & flag) != 0; }
  // The path of a file mapping whose file has been unlinked ends so.
  [[nodiscard]] bool Deleted() const { return name.ends_with(" (deleted)"); }
};

// Parses the text of /proc/PID/smaps. Pure. kProtocol for what is not smaps.
Result<std::vector<Vma>> ParseSmaps(std::string_view text);
// Of a process or thread. A group leader that has exited shows nothing: ask a
// living thread.
Result<std::vector<Vma>> ReadVmas(HostPid pid);
// The same without flags and protection keys, from /proc/PID/maps: smaps walks
// all page tables for its numbers and is ten times as dear, more for a large
// process.
Result<std::vector<Vma>> ReadVmaRanges(HostPid pid);

// The lowest address from `from` on, a multiple of the page size, where `size`
// bytes are free and no stack may grow into; nothing below `limit`.
std::optional<std::uint64_t> FindFree(const std::vector<Vma>& vmas,
                                      std::uint64_t size, std::uint64_t from,
                                      std::uint64_t limit);
// What of `vma` lies in none of `runs`, which are in order of address.
std::vector<Vma> PartsOutside(const Vma& vma,
                              const std::vector<MemoryRun>& runs);
// The area that contains `address`, or null.
const Vma* FindVma(const std::vector<Vma>& vmas, std::uint64_t address);

}  // namespace ssi

#endif  // SSI_PROCESS_VMAS_H_
