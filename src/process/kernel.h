// Kernel interfaces that Debian 12's headers (Linux 6.1) do not have yet, with
// the version that brought each. Whether the running kernel has one is found
// by trying (features.h), never from its version.
#ifndef SSI_PROCESS_KERNEL_H_
#define SSI_PROCESS_KERNEL_H_

#include <linux/ioctl.h>
#include <sys/ptrace.h>

#include <cstdint>

namespace ssi {

constexpr std::uint64_t kPageSize = 4096;
constexpr std::uint64_t PageDown(std::uint64_t address) {
  return address & ~(kPageSize - 1);
}
constexpr std::uint64_t PageUp(std::uint64_t address) {
  return PageDown(address + kPageSize - 1);
}

// include/linux/errno.h: what a call interrupted for a restart leaves in rax.
constexpr std::int64_t kRestartSys = -512;     // restart, or EINTR
constexpr std::int64_t kRestartNoIntr = -513;  // always restart
constexpr std::int64_t kRestartNoHand = -514;  // restart if no handler runs
constexpr std::int64_t kRestartBlock = -516;   // through restart_syscall
constexpr bool IsRestart(std::int64_t rax) {
  return rax == kRestartSys || rax == kRestartNoIntr || rax == kRestartNoHand ||
         rax == kRestartBlock;
}

// uapi/linux/fs.h, PAGEMAP_SCAN (Linux 6.7).
struct PageRegion {
  std::uint64_t start;
  std::uint64_t end;
  std::uint64_t categories;
};
struct PagemapScanArg {
  std::uint64_t size;
  std::uint64_t flags;
  std::uint64_t start;
  std::uint64_t end;
  std::uint64_t walk_end;
  std::uint64_t vec;
  std::uint64_t vec_len;
  std::uint64_t max_pages;
  std::uint64_t category_inverted;
  std::uint64_t category_mask;
  std::uint64_t category_anyof_mask;
  std::uint64_t return_mask;
};
static_assert(sizeof(PagemapScanArg) == 96);
constexpr unsigned long kPagemapScan = _IOWR('f', 16, PagemapScanArg);
constexpr std::uint64_t kPageIsFile = 1U << 2;
constexpr std::uint64_t kPageIsPresent = 1U << 3;
constexpr std::uint64_t kPageIsSwapped = 1U << 4;
constexpr std::uint64_t kPageIsPfnZero = 1U << 5;
constexpr std::uint64_t kPageIsGuard = 1U << 8;  // Linux 6.15

// madvise(2), lightweight guard pages (Linux 6.13).
constexpr int kMadvGuardInstall = 102;
// Documentation/admin-guide/mm/pagemap.rst: bit 58, the page is a guard.
constexpr std::uint64_t kPagemapGuardBit = std::uint64_t{1} << 58;

// uapi/linux/ptrace.h.
constexpr int kPtraceGetRseqConfiguration = 0x420f;  // Linux 5.13
constexpr int kPtraceGetUserDispatch = 0x4211;       // Linux 6.4
struct RseqConfiguration {
  std::uint64_t area;
  std::uint32_t size;
  std::uint32_t signature;
  std::uint32_t flags;
  std::uint32_t pad;
};
static_assert(sizeof(RseqConfiguration) == 24);
constexpr int kRseqFlagUnregister = 1;

// The kernel's struct sigaction of x86-64 (arch/x86/include/asm/signal.h);
// glibc's has another layout.
struct KernelSigaction {
  std::uint64_t handler = 0;
  std::uint64_t flags = 0;
  std::uint64_t restorer = 0;
  std::uint64_t mask = 0;
  bool operator==(const KernelSigaction&) const = default;
};
static_assert(sizeof(KernelSigaction) == 32);
constexpr std::uint64_t kSigDefault = 0;
constexpr std::uint64_t kSigIgnore = 1;
constexpr int kSignalCount = 64;
constexpr std::uint64_t SignalBit(int signal) {
  return std::uint64_t{1} << (signal - 1);
}

// stack_t of x86-64.
struct KernelStack {
  std::uint64_t sp = 0;
  std::uint32_t flags = 2;  // SS_DISABLE
  std::uint32_t pad = 0;
  std::uint64_t size = 0;
  bool operator==(const KernelStack&) const = default;
};
static_assert(sizeof(KernelStack) == 24);

}  // namespace ssi

#endif  // SSI_PROCESS_KERNEL_H_
