// Calls on paths, metadata and file systems. Home's names and rights count:
// all run in the stand-in.
#ifndef SSI_SUPERVISOR_CALLS_FILES_H_
#define SSI_SUPERVISOR_CALLS_FILES_H_

#include "supervisor/calls/rows.h"

namespace ssi::supervisor::rows {

inline constexpr std::uint32_t kStatSize = 144;
inline constexpr std::uint32_t kStatfsSize = 120;
inline constexpr std::uint32_t kStatxSize = 256;
inline constexpr Note kProcSelf =
    "/proc/self/{maps,smaps,mem,pagemap,auxv} show where it computes";

inline constexpr CallRow kFileCalls[] = {
    Home(2, "open", {kPath, kFlags, kFlags}, kProcSelf).With(kMakesFd),
    Home(4, "stat", {kPath, Out(kStatSize)}),
    Home(6, "lstat", {kPath, Out(kStatSize)}),
    Home(21, "access", {kPath, kFlags}),
    Home(76, "truncate", {kPath, kInt}),
    Known(79, "getcwd", {BytesOut(1, kMaxPathBuffer), kLength}),
    Home(80, "chdir", {kPath}),
    Home(82, "rename", {kPath, kPath}),
    Home(83, "mkdir", {kPath, kFlags}),
    Home(84, "rmdir", {kPath}),
    Home(85, "creat", {kPath, kFlags}).With(kMakesFd),
    Home(86, "link", {kPath, kPath}),
    Home(87, "unlink", {kPath}),
    Home(88, "symlink", {kPath, kPath}),
    Home(89, "readlink",
         {kPath, BytesOut(2, kMaxPathBuffer, LengthType::kInt), kLength}),
    Home(90, "chmod", {kPath, kFlags}),
    Home(92, "chown", {kPath, kInt, kInt}),
    Home(94, "lchown", {kPath, kInt, kInt}),
    Home(132, "utime", {kPath, In(16)}),
    Home(133, "mknod", {kPath, kFlags, kInt}),
    Nothing(134, "uselib"),
    Home(136, "ustat", {kInt, Out(32)}),
    Home(137, "statfs", {kPath, Out(kStatfsSize)}),
    Home(139, "sysfs", {kInt, Kind(ArgKind::kSysfs), Kind(ArgKind::kSysfs)}),
    Home(161, "chroot", {kPath}),
    Home(162, "sync", {}),
    Home(163, "acct", {kPath}),
    Home(179, "quotactl",
         {kInt, kPath, kInt,
          Kind(ArgKind::kQuota, Direction::kIn, OutRule::kNone, 0)}),
    Home(235, "utimes", {kPath, In(32)}),
    Home(257, "openat", {kDirFd, kPath, kFlags, kFlags}, kProcSelf)
        .With(kMakesFd),
    Home(258, "mkdirat", {kDirFd, kPath, kFlags}),
    Home(259, "mknodat", {kDirFd, kPath, kFlags, kInt}),
    Home(260, "fchownat", {kDirFd, kPath, kInt, kInt, kFlags}),
    Home(261, "futimesat", {kDirFd, kPath, In(32)}),
    Home(262, "newfstatat", {kDirFd, kPath, Out(kStatSize), kFlags}),
    Home(263, "unlinkat", {kDirFd, kPath, kFlags}),
    Home(264, "renameat", {kDirFd, kPath, kDirFd, kPath}),
    Home(265, "linkat", {kDirFd, kPath, kDirFd, kPath, kFlags}),
    Home(266, "symlinkat", {kPath, kDirFd, kPath}),
    Home(267, "readlinkat",
         {kDirFd, kPath, BytesOut(3, kMaxPathBuffer, LengthType::kInt),
          kLength}),
    Home(268, "fchmodat", {kDirFd, kPath, kFlags}),
    Home(269, "faccessat", {kDirFd, kPath, kFlags}),
    Home(280, "utimensat", {kDirFd, kPath, In(32), kFlags}),
    // The mount id is 4 bytes, or 8 with AT_HANDLE_MNT_ID_UNIQUE (6.12).
    Home(303, "name_to_handle_at",
         {kDirFd, kPath,
          Kind(ArgKind::kHandle, Direction::kInOut, OutRule::kChanged),
          Maybe(8), kFlags}),
    Home(304, "open_by_handle_at", {kDirFd, Kind(ArgKind::kHandle), kFlags})
        .With(kMakesFd),
    Home(316, "renameat2", {kDirFd, kPath, kDirFd, kPath, kFlags}),
    Home(332, "statx", {kDirFd, kPath, kFlags, kFlags, Out(kStatxSize)}),
    Home(437, "openat2",
         {kDirFd, kPath, ArrayIn(3, 1, kMaxSized, LengthType::kSize), kLength},
         kProcSelf)
        .With(kMakesFd),
    Home(439, "faccessat2", {kDirFd, kPath, kFlags, kFlags}),
    Home(443, "quotactl_fd",
         {kFd, kInt, kInt,
          Kind(ArgKind::kQuota, Direction::kIn, OutRule::kNone, 1)}),
    Home(452, "fchmodat2", {kDirFd, kPath, kFlags, kFlags}),
    Home(457, "statmount",
         {Kind(ArgKind::kSized),
          ArrayInOut(2, 1, 256 << 10, LengthType::kSize, OutRule::kChanged),
          kLength, kFlags},
         "a buffer above 256 KiB is EFAULT"),
    Home(458, "listmount",
         {Kind(ArgKind::kSized), ArrayOut(2, 8, 512 << 10, LengthType::kSize),
          kLength, kFlags},
         "at most 65536 mounts a call"),
    Home(468, "file_getattr",
         {kDirFd, kPath,
          ArrayOut(3, 1, kMaxSized, LengthType::kSize, OutRule::kSuccess,
                   Overlong::kRefuse),
          kLength, kFlags}),
    Home(469, "file_setattr",
         {kDirFd, kPath, ArrayIn(3, 1, kMaxSized, LengthType::kSize), kLength,
          kFlags}),
};

}  // namespace ssi::supervisor::rows

#endif  // SSI_SUPERVISOR_CALLS_FILES_H_
