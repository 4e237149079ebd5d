// Calls on descriptors: data, positions, duplicates, locks, terminals, pipes,
// waiting for several.
#ifndef SSI_SUPERVISOR_CALLS_DESCRIPTORS_H_
#define SSI_SUPERVISOR_CALLS_DESCRIPTORS_H_

#include "supervisor/calls/files.h"
#include "supervisor/calls/ioctls.h"
#include "supervisor/calls/rows.h"

namespace ssi::supervisor::rows {

// The most that a directory read or a poll array takes of the window.
inline constexpr std::uint32_t kMaxBulk = 768 << 10;
inline constexpr Note kInPieces =
    "above kMaxCallData bytes in pieces, each atomic by itself";
inline constexpr Note kOneVector =
    "home sees one buffer: a driver that takes each iovec as a call of its "
    "own sees one call";
inline constexpr Note kManyFds = "more than 98304 descriptors are EFAULT";

// struct epoll_event, which is packed on x86-64.
inline constexpr Arg kEpollEvents = ArrayOut(2, 12, kMaxBulk, LengthType::kInt);

inline constexpr CallRow kDescriptorCalls[] = {
    Home(0, "read", {kFd, DataOut(2), kLength}, kInPieces)
        .With(kConsumes)
        .With(kEintrAtFreeze),
    Home(1, "write", {kFd, DataIn(2), kLength}, kInPieces).With(kEintrAtFreeze),
    Home(3, "close", {kFd}),
    Home(5, "fstat", {kFd, Out(kStatSize)}),
    Home(7, "poll",
         {ArrayInOut(1, 8, kMaxBulk, LengthType::kUint, OutRule::kAlways),
          kLength, kInt},
         kManyFds),
    Home(8, "lseek", {kFd, kInt, kFlags}),
    ForNow(16, "ioctl", {kFd, kInt, Kind(ArgKind::kIoctl)}, "unknown request")
        .With(kIoctlRules),
    Home(17, "pread64", {kFd, DataOut(2), kLength, kInt}, kInPieces)
        .With(kPositioned),
    Home(18, "pwrite64", {kFd, DataIn(2), kLength, kInt}, kInPieces)
        .With(kPositioned),
    Home(19, "readv", {kFd, VectorOut(2), kLength}, kOneVector)
        .With(kConsumes)
        .With(kEintrAtFreeze),
    Home(20, "writev", {kFd, VectorIn(2), kLength}, kOneVector)
        .With(kEintrAtFreeze),
    Home(22, "pipe", {Out(8)}).With(kMakesFdPair),
    Home(23, "select", {kLength, FdSet(0), FdSet(0), FdSet(0), TimeLimit()}),
    Home(32, "dup", {kFd}).With(kMakesFd),
    Home(33, "dup2", {kFd, kFd}).With(kMakesFd),
    Home(72, "fcntl", {kFd, kInt, Kind(ArgKind::kFcntl)}),
    Home(73, "flock", {kFd, kFlags}),
    Home(74, "fsync", {kFd}),
    Home(75, "fdatasync", {kFd}),
    Home(77, "ftruncate", {kFd, kInt}),
    Home(78, "getdents",
         {kFd, BytesOut(2, kMaxBulk, LengthType::kInt), kLength}),
    Home(81, "fchdir", {kFd}),
    Home(91, "fchmod", {kFd, kFlags}),
    Home(93, "fchown", {kFd, kInt, kInt}),
    Home(138, "fstatfs", {kFd, Out(kStatfsSize)}),
    Home(187, "readahead", {kFd, kInt, kInt}),
    Home(213, "epoll_create", {kInt}).With(kMakesFd),
    Home(217, "getdents64",
         {kFd, BytesOut(2, kMaxBulk, LengthType::kInt), kLength}),
    Home(221, "fadvise64", {kFd, kInt, kInt, kFlags}),
    Home(232, "epoll_wait", {kFd, kEpollEvents, kLength, kInt})
        .With(kEintrAtFreeze),
    Home(233, "epoll_ctl", {kFd, kInt, kFd, In(12)}),
    Home(270, "pselect6",
         {kLength, FdSet(0), FdSet(0), FdSet(0), TimeLimit(),
          Kind(ArgKind::kSigsetPair)})
        .With(kTemporaryMask),
    Home(271, "ppoll",
         {ArrayInOut(1, 8, kMaxBulk, LengthType::kUint, OutRule::kAlways),
          kLength, TimeLimit(), Sigset(4), kLength},
         kManyFds)
        .With(kTemporaryMask),
    Home(277, "sync_file_range", {kFd, kInt, kInt, kFlags}),
    Home(281, "epoll_pwait",
         {kFd, kEpollEvents, kLength, kInt, Sigset(5), kLength})
        .With(kEintrAtFreeze)
        .With(kTemporaryMask),
    Home(282, "signalfd", {kFd, Sigset(2), kLength}).With(kMakesFd),
    Home(283, "timerfd_create", {kInt, kFlags}).With(kMakesFd),
    Home(284, "eventfd", {kInt}).With(kMakesFd),
    Home(285, "fallocate", {kFd, kFlags, kInt, kInt}),
    Home(286, "timerfd_settime", {kFd, kFlags, In(32), Out(32)}),
    Home(287, "timerfd_gettime", {kFd, Out(32)}),
    Home(289, "signalfd4", {kFd, Sigset(2), kLength, kFlags}).With(kMakesFd),
    Home(290, "eventfd2", {kInt, kFlags}).With(kMakesFd),
    Home(291, "epoll_create1", {kFlags}).With(kMakesFd),
    Home(292, "dup3", {kFd, kFd, kFlags}).With(kMakesFd),
    Home(293, "pipe2", {Out(8), kFlags}).With(kMakesFdPair),
    Home(295, "preadv", {kFd, VectorOut(2), kLength, kInt, kInt}, kOneVector)
        .With(kPositioned),
    Home(296, "pwritev", {kFd, VectorIn(2), kLength, kInt, kInt}, kOneVector)
        .With(kPositioned),
    Home(306, "syncfs", {kFd}),
    Home(319, "memfd_create", {String(250), kFlags},
         "mapping it shared comes home")
        .With(kMakesFd),
    Home(327, "preadv2", {kFd, VectorOut(2), kLength, kInt, kInt, kFlags},
         kOneVector)
        .With(kPositioned)
        .With(kConsumes)
        .With(kPositionMinusOne),
    Home(328, "pwritev2", {kFd, VectorIn(2), kLength, kInt, kInt, kFlags},
         kOneVector)
        .With(kPositioned)
        .With(kPositionMinusOne),
    Home(436, "close_range", {kInt, kInt, kFlags}),
    Home(441, "epoll_pwait2",
         {kFd, kEpollEvents, kLength, In(16), Sigset(5), kLength})
        .With(kEintrAtFreeze)
        .With(kTemporaryMask),
    Home(447, "memfd_secret", {kFlags}, "mapping it shared comes home")
        .With(kMakesFd),
    Home(451, "cachestat", {kFd, In(16), Out(40), kFlags}),
};

}  // namespace ssi::supervisor::rows

#endif  // SSI_SUPERVISOR_CALLS_DESCRIPTORS_H_
