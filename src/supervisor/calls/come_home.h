// Calls before which the process is brought home: those that a later delivery
// forwards (their arguments stand here already; a row changes by its class
// alone), and those that can only ever run at home.
#ifndef SSI_SUPERVISOR_CALLS_COME_HOME_H_
#define SSI_SUPERVISOR_CALLS_COME_HOME_H_

#include "supervisor/calls/rows.h"

namespace ssi::supervisor::rows {

inline constexpr Note kShm = "System V IPC: its memory is shared";
inline constexpr Note kSem = "System V IPC";
inline constexpr Note kMq = "POSIX message queues";
inline constexpr Note kTimers = "timers";
inline constexpr Note kSocket = "sockets";
inline constexpr Note kNewTask = "new processes";
inline constexpr Note kExec = "the new program starts at home";
inline constexpr Note kXattr = "extended attributes";
inline constexpr Note kSplice = "moves data between descriptors";
inline constexpr Note kAio = "asynchronous I/O";
inline constexpr Note kKeys = "keyrings";
inline constexpr Note kInotify = "inotify";
inline constexpr Note kFanotify = "fanotify";
inline constexpr Note kPidFds = "pidfd";
inline constexpr Note kOtherProcess = "looks into another process";

// CLONE_THREAD.
inline constexpr ArgRule kCloneRules[] = {If(0, 0x10000, CallClass::kLife,
                                             Special::kNone, 0x10000,
                                             "a thread: both sides make it")};

inline constexpr Arg kXattrName = String(256);  // XATTR_NAME_MAX and its NUL
inline constexpr Arg kXattrIn = ArrayIn(3, 1, 64 << 10, LengthType::kSize);
inline constexpr Arg kXattrOut = BytesOut(3, 64 << 10);
inline constexpr Arg kXattrList = BytesOut(2, 64 << 10);

inline constexpr CallRow kComesHomeForNow[] = {
    ForNow(29, "shmget", {}, kShm),
    ForNow(30, "shmat", {}, kShm),
    ForNow(31, "shmctl", {}, kShm),
    ForNow(36, "getitimer", {kInt, Out(32)}, kTimers),
    ForNow(37, "alarm", {kInt}, kTimers),
    ForNow(38, "setitimer", {kInt, In(32), Out(32)}, kTimers),
    ForNow(40, "sendfile", {kFd, kFd, InOut(8), kInt}, kSplice),
    ForNow(41, "socket", {}, kSocket),
    ForNow(42, "connect", {}, kSocket).With(kEintrAtFreeze),
    ForNow(43, "accept", {}, kSocket).With(kEintrAtFreeze),
    ForNow(44, "sendto", {}, kSocket).With(kEintrAtFreeze),
    ForNow(45, "recvfrom", {}, kSocket).With(kEintrAtFreeze),
    ForNow(46, "sendmsg", {}, kSocket).With(kEintrAtFreeze),
    ForNow(47, "recvmsg", {}, kSocket).With(kEintrAtFreeze),
    ForNow(48, "shutdown", {}, kSocket),
    ForNow(49, "bind", {}, kSocket),
    ForNow(50, "listen", {}, kSocket),
    ForNow(51, "getsockname", {}, kSocket),
    ForNow(52, "getpeername", {}, kSocket),
    ForNow(53, "socketpair", {}, kSocket),
    ForNow(54, "setsockopt", {}, kSocket),
    ForNow(55, "getsockopt", {}, kSocket),
    ForNow(56, "clone", {}, kNewTask).With(kCloneRules),
    ForNow(57, "fork", {}, kNewTask),
    ForNow(58, "vfork", {}, kNewTask),
    ForNow(59, "execve", {}, kExec),
    ForNow(64, "semget", {}, kSem),
    ForNow(65, "semop", {}, kSem).With(kEintrAtFreeze),
    ForNow(66, "semctl", {}, kSem),
    ForNow(67, "shmdt", {}, kShm),
    ForNow(68, "msgget", {}, kSem),
    ForNow(69, "msgsnd", {}, kSem),
    ForNow(70, "msgrcv", {}, kSem),
    ForNow(71, "msgctl", {}, kSem),
    ForNow(188, "setxattr", {kPath, kXattrName, kXattrIn, kLength, kFlags},
           kXattr),
    ForNow(189, "lsetxattr", {kPath, kXattrName, kXattrIn, kLength, kFlags},
           kXattr),
    ForNow(190, "fsetxattr", {kFd, kXattrName, kXattrIn, kLength, kFlags},
           kXattr),
    ForNow(191, "getxattr", {kPath, kXattrName, kXattrOut, kLength}, kXattr),
    ForNow(192, "lgetxattr", {kPath, kXattrName, kXattrOut, kLength}, kXattr),
    ForNow(193, "fgetxattr", {kFd, kXattrName, kXattrOut, kLength}, kXattr),
    ForNow(194, "listxattr", {kPath, BytesOut(2, 64 << 10), kLength}, kXattr),
    ForNow(195, "llistxattr", {kPath, BytesOut(2, 64 << 10), kLength}, kXattr),
    ForNow(196, "flistxattr", {kFd, BytesOut(2, 64 << 10), kLength}, kXattr),
    ForNow(197, "removexattr", {kPath, kXattrName}, kXattr),
    ForNow(198, "lremovexattr", {kPath, kXattrName}, kXattr),
    ForNow(199, "fremovexattr", {kFd, kXattrName}, kXattr),
    ForNow(206, "io_setup", {}, kAio),
    ForNow(207, "io_destroy", {}, kAio),
    ForNow(208, "io_getevents", {}, kAio).With(kEintrAtFreeze),
    ForNow(209, "io_submit", {}, kAio),
    ForNow(210, "io_cancel", {}, kAio),
    ForNow(220, "semtimedop", {}, kSem).With(kEintrAtFreeze),
    ForNow(222, "timer_create", {}, kTimers),
    ForNow(223, "timer_settime", {}, kTimers),
    ForNow(224, "timer_gettime", {}, kTimers),
    ForNow(225, "timer_getoverrun", {}, kTimers),
    ForNow(226, "timer_delete", {}, kTimers),
    ForNow(240, "mq_open", {}, kMq),
    ForNow(241, "mq_unlink", {}, kMq),
    ForNow(242, "mq_timedsend", {}, kMq),
    ForNow(243, "mq_timedreceive", {}, kMq),
    ForNow(244, "mq_notify", {}, kMq),
    ForNow(245, "mq_getsetattr", {}, kMq),
    ForNow(248, "add_key", {}, kKeys),
    ForNow(249, "request_key", {}, kKeys),
    ForNow(250, "keyctl", {}, kKeys),
    ForNow(253, "inotify_init", {}, kInotify),
    ForNow(254, "inotify_add_watch", {kFd, kPath, kFlags}, kInotify),
    ForNow(255, "inotify_rm_watch", {kFd, kInt}, kInotify),
    ForNow(275, "splice", {kFd, InOut(8), kFd, InOut(8), kInt, kFlags},
           kSplice),
    ForNow(276, "tee", {kFd, kFd, kInt, kFlags}, kSplice),
    ForNow(278, "vmsplice", {}, kSplice),
    ForNow(288, "accept4", {}, kSocket).With(kEintrAtFreeze),
    ForNow(294, "inotify_init1", {kFlags}, kInotify),
    ForNow(299, "recvmmsg", {}, kSocket).With(kEintrAtFreeze),
    ForNow(300, "fanotify_init", {}, kFanotify),
    ForNow(301, "fanotify_mark", {}, kFanotify),
    ForNow(307, "sendmmsg", {}, kSocket).With(kEintrAtFreeze),
    ForNow(310, "process_vm_readv", {}, kOtherProcess),
    ForNow(311, "process_vm_writev", {}, kOtherProcess),
    ForNow(312, "kcmp", {}, kOtherProcess),
    ForNow(322, "execveat", {}, kExec),
    ForNow(326, "copy_file_range", {kFd, InOut(8), kFd, InOut(8), kInt, kFlags},
           kSplice),
    ForNow(333, "io_pgetevents", {}, kAio)
        .With(kEintrAtFreeze)
        .With(kTemporaryMask),
    ForNow(424, "pidfd_send_signal", {}, kPidFds),
    ForNow(434, "pidfd_open", {kInt, kFlags}, kPidFds),
    ForNow(438, "pidfd_getfd", {kFd, kFd, kFlags}, kPidFds),
    ForNow(440, "process_madvise", {}, kPidFds),
    ForNow(448, "process_mrelease", {kFd, kFlags}, kPidFds),
    ForNow(463, "setxattrat", {}, kXattr),
    ForNow(464, "getxattrat", {}, kXattr),
    ForNow(465, "listxattrat",
           {kDirFd, kPath, kFlags, BytesOut(4, 64 << 10), kLength}, kXattr),
    ForNow(466, "removexattrat", {kDirFd, kPath, kFlags, kXattrName}, kXattr),
};

inline constexpr Note kMounts = "changes home's mounts";
inline constexpr Note kModules = "changes home's kernel";
inline constexpr Note kSwap = "changes home's swap";
inline constexpr Note kReboot = "restarts home's machine";
inline constexpr Note kNamespaces = "enters or makes namespaces at home";
inline constexpr Note kFilters =
    "a filter of its own: it would judge our calls, and away two filters "
    "would stack";
inline constexpr Note kIoUring =
    "a ring is shared with home's kernel and would bypass the traps";
inline constexpr Note kPorts = "I/O ports are a device of home's machine";

inline constexpr CallRow kComesHomeAlways[] = {
    Permanent(101, "ptrace", "traces processes at home"),
    Permanent(155, "pivot_root", kMounts),
    Permanent(165, "mount", kMounts),
    Permanent(166, "umount2", kMounts),
    Permanent(167, "swapon", kSwap),
    Permanent(168, "swapoff", kSwap),
    Permanent(169, "reboot", kReboot),
    Permanent(172, "iopl", kPorts),
    Permanent(173, "ioperm", kPorts),
    Permanent(175, "init_module", kModules),
    Permanent(176, "delete_module", kModules),
    Permanent(246, "kexec_load", kReboot),
    Permanent(272, "unshare", kNamespaces),
    Permanent(298, "perf_event_open", "measures a task at home"),
    Permanent(308, "setns", kNamespaces),
    Permanent(313, "finit_module", kModules),
    Permanent(317, "seccomp", kFilters),
    Permanent(320, "kexec_file_load", kReboot),
    Permanent(321, "bpf", "runs programs in home's kernel"),
    Permanent(323, "userfaultfd", "handles faults of the memory at home"),
    Permanent(425, "io_uring_setup", kIoUring),
    Permanent(426, "io_uring_enter", kIoUring),
    Permanent(427, "io_uring_register", kIoUring),
    Permanent(428, "open_tree", kMounts),
    Permanent(429, "move_mount", kMounts),
    Permanent(430, "fsopen", kMounts),
    Permanent(431, "fsconfig", kMounts),
    Permanent(432, "fsmount", kMounts),
    Permanent(433, "fspick", kMounts),
    Permanent(442, "mount_setattr", kMounts),
    Permanent(444, "landlock_create_ruleset", kFilters),
    Permanent(445, "landlock_add_rule", kFilters),
    Permanent(446, "landlock_restrict_self", kFilters),
    Permanent(467, "open_tree_attr", kMounts),
};

}  // namespace ssi::supervisor::rows

#endif  // SSI_SUPERVISOR_CALLS_COME_HOME_H_
