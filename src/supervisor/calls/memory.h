// Calls on the process's own memory: native where it computes.
#ifndef SSI_SUPERVISOR_CALLS_MEMORY_H_
#define SSI_SUPERVISOR_CALLS_MEMORY_H_

#include "supervisor/calls/rows.h"

namespace ssi::supervisor::rows {

inline constexpr Note kNuma =
    "nodes are those of the machine it computes on; not carried by a move";

// MAP_TYPE (15) and MAP_ANONYMOUS (32) decide; the kernel ignores the flags'
// upper half. Type 0 is EINVAL, but EBADF for a bad fd comes before that.
inline constexpr std::uint32_t kMapMask = 0x2f;
inline constexpr ArgRule kMmapRules[] = {
    If(3, 0x22, CallClass::kLocal, Special::kNone, kMapMask,
       "private anonymous"),
    If(3, 0x02, CallClass::kBoth, Special::kMapFile, kMapMask,
       "private, of a file: B maps home's bytes"),
    If(3, 0x01, CallClass::kBoth, Special::kMapFile, kMapMask,
       "shared, of a file: read-only a snapshot of it, else it comes home"),
    If(3, 0x28, CallClass::kLocal, Special::kNone, kMapMask,
       "MAP_DROPPABLE, always anonymous"),
    If(3, 0x20, CallClass::kLocal, Special::kNone, kMapMask,
       "no type: EINVAL anywhere"),
};
// MADV_HWPOISON and MADV_SOFT_OFFLINE act on a page of the machine.
inline constexpr Note kPoisons =
    "takes a page of home's machine out of service";
inline constexpr ArgRule kMadviseRules[] = {
    IfComesHome(2, 100, ComesHome::kPermanent, kPoisons),
    IfComesHome(2, 101, ComesHome::kPermanent, kPoisons),
};
inline constexpr ArgRule kIfPidZero[] = {
    If(0, 0, CallClass::kLocal, Special::kNone, 0xffffffff, "the caller")};

inline constexpr CallRow kMemoryCalls[] = {
    ForNow(9, "mmap", {}, "shared mappings are not rebuilt away yet")
        .With(kMmapRules),
    Local(10, "mprotect"),
    Local(11, "munmap"),
    Local(12, "brk"),
    Told(25, "mremap", Special::kRemap,
         "a private file mapping that grows needs more of home's bytes"),
    Local(26, "msync", "no mapping away is shared: nothing to write back"),
    Local(27, "mincore"),
    Local(28, "madvise", "an advice that B's kernel does not know is EINVAL")
        .With(kMadviseRules),
    Local(149, "mlock"),
    Local(150, "munlock"),
    Local(151, "mlockall"),
    Local(152, "munlockall"),
    Local(216, "remap_file_pages",
          "no mapping away is shared: EINVAL as for every private one"),
    Local(237, "mbind", kNuma),
    Local(238, "set_mempolicy", kNuma),
    Local(239, "get_mempolicy", kNuma),
    Home(256, "migrate_pages",
         {kInt, kLength, BitsIn(1, 4104), BitsIn(1, 4104)}, kNuma)
        .With(kIfPidZero)
        .With(kOwnPid),
    Home(279, "move_pages",
         {kInt, kLength, ArrayIn(1, 8, 256 << 10, LengthType::kSize),
          ArrayIn(1, 4, 256 << 10, LengthType::kSize),
          ArrayInOut(1, 4, 256 << 10, LengthType::kSize, OutRule::kChanged),
          kFlags},
         kNuma)
        .With(kIfPidZero)
        .With(kOwnPid),
    Local(325, "mlock2"),
    Local(329, "pkey_mprotect"),
    Local(330, "pkey_alloc"),
    Local(331, "pkey_free"),
    Local(450, "set_mempolicy_home_node", kNuma),
    ForNow(453, "map_shadow_stack", {},
           "a move cannot carry a shadow stack: made away, it would keep the "
           "process from ever coming home"),
    Local(462, "mseal"),
};

}  // namespace ssi::supervisor::rows

#endif  // SSI_SUPERVISOR_CALLS_MEMORY_H_
