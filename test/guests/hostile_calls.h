// One plausible call of every forwarded number that takes a pointer or a
// descriptor, for the guests that then make one of its arguments bad.
//
// Left out, because a mistake in this table or a success would do harm or
// never end: acct, chroot, sync, vhangup, pause, exit; sethostname and
// setdomainname, settimeofday and clock_settime, setgroups, swapon and the
// like (root would succeed); set_tid_address (any pointer is good until the
// exit); quotactl, syslog (depend on the machine's state).
#ifndef SSI_TEST_GUESTS_HOSTILE_CALLS_H_
#define SSI_TEST_GUESTS_HOSTILE_CALLS_H_

#include <sys/syscall.h>

namespace hostile {

// Arguments, one word each:
//   f r t d    a file of 4096 bytes, a pipe's reader with 64 bytes in it, a
//              terminal, the current directory
//   D          AT_FDCWD
//   =N         the number N
//   "TEXT      a path: file, dir, link exist; new does not
//   bN         a buffer of N bytes, to be read or written
//   @NAME      a structure (see Prepare in hostile_table.h)
// A name that starts with ~ has a result that is not the same each time.
struct Row {
  long number;
  const char* name;
  const char* arguments;
};

constexpr Row kRows[] = {
    // Descriptors and data.
    {SYS_read, "read", "f b100 =100"},
    {SYS_read, "read pipe", "r b4 =4"},
    {SYS_write, "write", "f b100 =100"},
    {SYS_pread64, "pread64", "f b100 =100 =10"},
    {SYS_pwrite64, "pwrite64", "f b100 =100 =10"},
    {SYS_readv, "readv", "f @iov =2"},
    {SYS_writev, "writev", "f @iov =2"},
    {SYS_preadv, "preadv", "f @iov =2 =10 =0"},
    {SYS_pwritev, "pwritev", "f @iov =2 =10 =0"},
    {SYS_preadv2, "preadv2", "f @iov =2 =10 =0 =0"},
    {SYS_pwritev2, "pwritev2", "f @iov =2 =10 =0 =0"},
    {SYS_close, "close", "f"},
    {SYS_lseek, "lseek", "f =5 =0"},
    {SYS_fstat, "fstat", "f b144"},
    {SYS_fstatfs, "fstatfs", "f b120"},
    {SYS_dup, "~dup", "f"},
    {SYS_dup2, "dup2", "f =60"},
    {SYS_dup3, "dup3", "f =60 =0"},
    {SYS_pipe, "pipe", "b8"},
    {SYS_pipe2, "pipe2", "b8 =0"},
    {SYS_poll, "poll", "@poll =1 =0"},
    {SYS_ppoll, "ppoll", "@poll =1 @time @set =8"},
    {SYS_select, "select", "=20 @fds @fds @fds @time"},
    {SYS_pselect6, "pselect6", "=20 @fds @fds @fds @time @sixth"},
    {SYS_getdents, "~getdents", "d b1000 =1000"},
    {SYS_getdents64, "~getdents64", "d b1000 =1000"},
    {SYS_flock, "flock", "f =8"},
    {SYS_fsync, "fsync", "f"},
    {SYS_fdatasync, "fdatasync", "f"},
    {SYS_ftruncate, "ftruncate", "f =4096"},
    {SYS_fchdir, "fchdir", "d"},
    {SYS_fchmod, "fchmod", "f =0600"},
    {SYS_fchown, "fchown", "f =-1 =-1"},
    {SYS_fadvise64, "fadvise64", "f =0 =0 =0"},
    {SYS_readahead, "readahead", "f =0 =100"},
    {SYS_sync_file_range, "sync_file_range", "f =0 =100 =0"},
    {SYS_fallocate, "fallocate", "f =0 =0 =100"},
    {451, "cachestat", "f @range b40 =0"},
    {SYS_memfd_create, "~memfd_create", "\"name =0"},
    {SYS_ioctl, "ioctl FIONREAD", "r =0x541b b4"},
    {SYS_ioctl, "ioctl FIONBIO", "r =0x5421 b4"},
    {SYS_ioctl, "ioctl FIOCLEX", "r =0x5451"},
    {SYS_ioctl, "ioctl TCGETS", "t =0x5401 b36"},
    {SYS_ioctl, "ioctl TCSETS", "t =0x5402 @termios"},
    {SYS_ioctl, "ioctl TCGETS2", "t =0x802c542a b44"},
    {SYS_ioctl, "ioctl TIOCGWINSZ", "t =0x5413 b8"},
    {SYS_ioctl, "ioctl TIOCSWINSZ", "t =0x5414 b8"},
    {SYS_ioctl, "ioctl TIOCOUTQ", "t =0x5411 b4"},
    {SYS_ioctl, "ioctl TIOCGETD", "t =0x5424 b4"},
    {SYS_ioctl, "ioctl TIOCGPGRP", "t =0x540f b4"},
    {SYS_ioctl, "ioctl FS_IOC_GETFLAGS", "f =0x80086601 b4"},
    {SYS_ioctl, "ioctl FIGETBSZ", "f =2 b4"},
    {SYS_fcntl, "fcntl F_GETFD", "f =1"},
    {SYS_fcntl, "fcntl F_GETFL", "f =3"},
    {SYS_fcntl, "~fcntl F_DUPFD", "f =0 =40"},
    {SYS_fcntl, "fcntl F_GETLK", "f =5 @lock"},
    {SYS_fcntl, "fcntl F_SETLK", "f =6 @lock"},
    {SYS_fcntl, "fcntl F_OFD_GETLK", "f =36 @lock"},
    {SYS_fcntl, "fcntl F_SETOWN_EX", "f =15 b8"},
    {SYS_fcntl, "fcntl F_GETOWN_EX", "f =16 b8"},
    {SYS_fcntl, "fcntl F_GETPIPE_SZ", "r =1032"},
    {SYS_fcntl, "fcntl F_GET_RW_HINT", "f =1035 b8"},
    {SYS_fcntl, "fcntl F_SET_RW_HINT", "f =1036 b8"},
    // Paths.
    {SYS_open, "~open", "\"file =0 =0"},
    {SYS_openat, "~openat", "d \"file =0 =0"},
    {SYS_openat2, "~openat2", "d \"file @how =24"},
    {SYS_creat, "~creat", "\"new =0600"},
    {SYS_stat, "stat", "\"file b144"},
    {SYS_lstat, "lstat", "\"link b144"},
    {SYS_newfstatat, "newfstatat", "d \"file b144 =0"},
    {SYS_statx, "statx", "d \"file =0 =0x7ff b256"},
    {SYS_access, "access", "\"file =4"},
    {SYS_faccessat, "faccessat", "d \"file =4"},
    {SYS_faccessat2, "faccessat2", "d \"file =4 =0"},
    {SYS_truncate, "truncate", "\"file =4096"},
    {SYS_getcwd, "~getcwd", "b4096 =4096"},
    {SYS_chdir, "chdir", "\"."},
    {SYS_rename, "rename", "\"file \"new"},
    {SYS_renameat, "renameat", "d \"file d \"new"},
    {SYS_renameat2, "renameat2", "d \"file d \"new =0"},
    {SYS_mkdir, "mkdir", "\"new =0700"},
    {SYS_mkdirat, "mkdirat", "d \"new =0700"},
    {SYS_rmdir, "rmdir", "\"dir"},
    {SYS_link, "link", "\"file \"new"},
    {SYS_linkat, "linkat", "d \"file d \"new =0"},
    {SYS_unlink, "unlink", "\"file"},
    {SYS_unlinkat, "unlinkat", "d \"file =0"},
    {SYS_symlink, "symlink", "\"file \"new"},
    {SYS_symlinkat, "symlinkat", "\"file d \"new"},
    {SYS_readlink, "readlink", "\"link b100 =100"},
    {SYS_readlinkat, "readlinkat", "d \"link b100 =100"},
    {SYS_chmod, "chmod", "\"file =0600"},
    {SYS_fchmodat, "fchmodat", "d \"file =0600"},
    {452, "fchmodat2", "d \"file =0600 =0"},
    {SYS_chown, "chown", "\"file =-1 =-1"},
    {SYS_lchown, "lchown", "\"file =-1 =-1"},
    {SYS_fchownat, "fchownat", "d \"file =-1 =-1 =0"},
    {SYS_utime, "utime", "\"file @two"},
    {SYS_utimes, "utimes", "\"file @two"},
    {SYS_futimesat, "futimesat", "d \"file @two"},
    {SYS_utimensat, "utimensat", "d \"file @two =0"},
    {SYS_mknod, "mknod", "\"new =4480 =0"},
    {SYS_mknodat, "mknodat", "d \"new =4480 =0"},
    {SYS_statfs, "statfs", "\"file b120"},
    {SYS_ustat, "ustat", "=0 b32"},
    {SYS_sysfs, "~sysfs", "=1 \"proc"},
    {SYS_name_to_handle_at, "name_to_handle_at", "d \"file @handle b4 =0"},
    {SYS_open_by_handle_at, "open_by_handle_at", "d @handle =0"},
    {457, "~statmount", "@mount b512 =512 =0"},
    {458, "~listmount", "@mounts b800 =100 =0"},
    {468, "~file_getattr", "d \"file b24 =24 =0"},
    // Who and what it is.
    {SYS_getresuid, "getresuid", "b4 b4 b4"},
    {SYS_getresgid, "getresgid", "b4 b4 b4"},
    {SYS_getgroups, "~getgroups", "=65536 b262144"},
    {SYS_capget, "capget", "@caphead b24"},
    {SYS_capset, "capset", "@caphead @caps"},
    {SYS_prctl, "prctl PR_SET_NAME", "=15 \"name"},
    {SYS_prctl, "prctl PR_GET_NAME", "=16 b16"},
    {SYS_prctl, "prctl PR_GET_PDEATHSIG", "=2 b4"},
    {SYS_prctl, "prctl PR_GET_CHILD_SUBREAPER", "=37 b4"},
    {SYS_getrlimit, "getrlimit", "=4 b16"},
    {SYS_setrlimit, "setrlimit", "=4 @limit"},
    {SYS_prlimit64, "prlimit64", "=0 =4 @limit b16"},
    {SYS_sched_setparam, "sched_setparam", "=0 b4"},
    {SYS_sched_getparam, "sched_getparam", "=0 b4"},
    {SYS_sched_setscheduler, "sched_setscheduler", "=0 =0 b4"},
    {SYS_sched_rr_get_interval, "sched_rr_get_interval", "=0 b16"},
    {SYS_sched_setaffinity, "sched_setaffinity", "=0 =128 @cpus"},
    {SYS_sched_getaffinity, "sched_getaffinity", "=0 =128 b128"},
    {SYS_sched_setattr, "sched_setattr", "=0 @attribute =0"},
    {SYS_sched_getattr, "sched_getattr", "=0 b48 =48 =0"},
    {SYS_get_robust_list, "get_robust_list", "=0 b8 b8"},
    {SYS_wait4, "wait4", "=-1 b4 =1 b144"},
    {SYS_waitid, "waitid", "=0 =0 b128 =5 b144"},
    {SYS_uname, "uname", "b390"},
    {SYS_sysinfo, "sysinfo", "b112"},
    {SYS_getrandom, "getrandom", "b64 =64 =0"},
    {461, "~lsm_list_modules", "b64 @size =0"},
    // Time.
    {SYS_gettimeofday, "gettimeofday", "b16 b8"},
    {SYS_time, "~time", "b8"},
    {SYS_times, "~times", "b32"},
    {SYS_getrusage, "getrusage", "=0 b144"},
    {SYS_clock_gettime, "clock_gettime", "=1 b16"},
    {SYS_clock_gettime, "clock_gettime of CPU", "=2 b16"},
    {SYS_clock_getres, "clock_getres", "=1 b16"},
    {SYS_nanosleep, "nanosleep", "@time b16"},
    {SYS_clock_nanosleep, "clock_nanosleep", "=1 =0 @time b16"},
    {SYS_adjtimex, "~adjtimex", "b208"},
    {SYS_clock_adjtime, "~clock_adjtime", "=0 b208"},
    // Signals. SIGUSR1 is blocked and pending before each call.
    {SYS_rt_sigaction, "rt_sigaction", "=12 @action b32 =8"},
    {SYS_rt_sigprocmask, "rt_sigprocmask", "=0 @set b8 =8"},
    {SYS_rt_sigpending, "rt_sigpending", "b8 =8"},
    {SYS_rt_sigtimedwait, "rt_sigtimedwait", "@set b128 @time =8"},
    {SYS_rt_sigqueueinfo, "rt_sigqueueinfo", "@pid =10 @info"},
    {SYS_rt_tgsigqueueinfo, "rt_tgsigqueueinfo", "@pid @pid =10 @info"},
    {SYS_rt_sigsuspend, "rt_sigsuspend", "@none =8"},
};

}  // namespace hostile

#endif  // SSI_TEST_GUESTS_HOSTILE_CALLS_H_
