// The process and its threads: ids, children, scheduling, limits, futexes.
#ifndef SSI_SUPERVISOR_CALLS_PROCESS_H_
#define SSI_SUPERVISOR_CALLS_PROCESS_H_

#include "supervisor/calls/memory.h"
#include "supervisor/calls/prctls.h"
#include "supervisor/calls/rows.h"

namespace ssi::supervisor::rows {

// A CPU mask: the kernel looks at no more than its own mask's size, 1 KiB for
// 8192 CPUs.
inline constexpr std::uint32_t kMaxCpuMask = 8192;

inline constexpr ArgRule kKnownIfPidZero[] = {
    If(0, 0, CallClass::kHomeKnown, Special::kNone, 0xffffffff, "the caller")};
inline constexpr ArgRule kPersonalityRules[] = {If(
    0, 0xffffffff, CallClass::kHome, Special::kNone, 0xffffffff, "only asks")};
inline constexpr ArgRule kPrlimitRules[] = {
    IfNull(2, CallClass::kHome, "only asks")};

// SCHED_RESET_ON_FORK (0x40000000) apart.
inline constexpr Note kRealTime = "real-time scheduling cannot be kept away";
inline constexpr std::uint32_t kPolicyMask = 0xbfffffff;
inline constexpr ArgRule kSchedulerRules[] = {
    IfComesHome(1, 1, ComesHome::kPermanent, kRealTime, kPolicyMask),
    IfComesHome(1, 2, ComesHome::kPermanent, kRealTime, kPolicyMask),
    IfComesHome(1, 6, ComesHome::kPermanent, kRealTime, kPolicyMask),
};

// States that an image does not carry: a process that had them could not be
// captured any more.
inline constexpr Note kNotCarried = "a move cannot carry this state";
inline constexpr ArgRule kArchPrctlRules[] = {
    IfComesHome(0, 0x1012, ComesHome::kForNow, kNotCarried),  // SET_CPUID
    IfComesHome(0, 0x4002, ComesHome::kForNow, kNotCarried),  // LAM
    IfComesHome(0, 0x4004, ComesHome::kForNow, kNotCarried),
    IfComesHome(0, 0x5001, ComesHome::kForNow, kNotCarried),  // SHSTK_ENABLE
    IfComesHome(0, 0x5002, ComesHome::kForNow, kNotCarried),
    IfComesHome(0, 0x5003, ComesHome::kForNow, kNotCarried),
    IfComesHome(0, 0x5004, ComesHome::kForNow, kNotCarried),
};

// FUTEX_WAIT (0) is the one operation with a relative time limit that a freeze
// interrupts without the kernel telling how much is left.
inline constexpr ArgRule kFutexRules[] = {
    IfNull(3, CallClass::kLocal, "no time limit"),
    If(1, 0, CallClass::kLocalTold, Special::kSleep, 0x7f,
       "FUTEX_WAIT with a time limit: its start is remembered"),
};

inline constexpr CallRow kProcessCalls[] = {
    Local(24, "sched_yield"),
    Local(39, "getpid"),
    Life(60, "exit", "the thread ends on both sides"),
    Home(61, "wait4",
         {kInt, Out(4, OutRule::kPositive), kFlags,
          Out(144, OutRule::kPositive)}),
    Home(97, "getrlimit", {kInt, Out(16)}),
    Home(109, "setpgid", {kInt, kInt}),
    Home(110, "getppid", {}),
    Known(111, "getpgrp", {}),
    Home(112, "setsid", {}),
    Home(121, "getpgid", {kInt}).With(kKnownIfPidZero).With(kOwnPid),
    Home(124, "getsid", {kInt}).With(kKnownIfPidZero).With(kOwnPid),
    Both(135, "personality", {kInt}, Special::kPersonality)
        .With(kPersonalityRules),
    Home(140, "getpriority", {kInt, kInt}),
    Both(141, "setpriority", {kInt, kInt, kInt}, Special::kPriority),
    Home(142, "sched_setparam", {kInt, In(4)}),
    Home(143, "sched_getparam", {kInt, Out(4)}),
    Both(144, "sched_setscheduler", {kInt, kFlags, In(4)}, Special::kPriority)
        .With(kSchedulerRules),
    Home(145, "sched_getscheduler", {kInt}),
    Home(146, "sched_get_priority_max", {kInt}),
    Home(147, "sched_get_priority_min", {kInt}),
    Home(148, "sched_rr_get_interval", {kInt, Out(16)}),
    Home(153, "vhangup", {}),
    Local(154, "modify_ldt"),
    ForNow(157, "prctl",
           {kInt, Kind(ArgKind::kPrctl), Kind(ArgKind::kPrctl),
            Kind(ArgKind::kPrctl), Kind(ArgKind::kPrctl)},
           "unknown option")
        .With(kPrctlRules),
    Local(158, "arch_prctl").With(kArchPrctlRules),
    Both(160, "setrlimit", {kInt, In(16)}, Special::kLimits),
    Local(186, "gettid"),
    Local(202, "futex").With(kFutexRules),
    Home(203, "sched_setaffinity",
         {kInt, kLength,
          ArrayIn(1, 1, kMaxCpuMask, LengthType::kUint, Overlong::kTruncate)},
         "recorded at home; away it has no effect"),
    Home(204, "sched_getaffinity",
         {kInt, kLength, BytesOut(1, kMaxCpuMask, LengthType::kUint)},
         "home's CPUs"),
    Told(218, "set_tid_address", Special::kNone),
    Life(231, "exit_group", "the stand-in ends with it"),
    Home(247, "waitid", {kInt, kInt, Maybe(128), kFlags, Maybe(144)}),
    Home(251, "ioprio_set", {kInt, kInt, kInt}),
    Home(252, "ioprio_get", {kInt, kInt}),
    Local(273, "set_robust_list"),
    Home(274, "get_robust_list", {kInt, Out(8), Out(8)})
        .With(kIfPidZero)
        .With(kOwnPid),
    Both(302, "prlimit64", {kInt, kInt, In(16), Out(16)}, Special::kLimits)
        .With(kPrlimitRules),
    Local(309, "getcpu", "B's CPU, as the vdso and rseq say"),
    Both(314, "sched_setattr",
         {kInt,
          Kind(ArgKind::kSized, Direction::kInOut, OutRule::kChangedQuietly),
          kFlags},
         Special::kPriority, "a real-time policy in it comes home"),
    Home(315, "sched_getattr",
         {kInt,
          ArrayOut(2, 1, kMaxSized, LengthType::kUint, OutRule::kSuccess,
                   Overlong::kRefuse),
          kLength, kFlags}),
    Local(324, "membarrier"),
    Local(334, "rseq"),
    Local(335, "uretprobe", "SIGILL unless the kernel's own page calls it"),
    Local(336, "uprobe", "SIGILL unless the kernel's own page calls it"),
    Life(435, "clone3", "a thread: both sides make it; a process comes home"),
    Local(449, "futex_waitv"),
    Local(454, "futex_wake"),
    Local(455, "futex_wait"),
    Local(456, "futex_requeue"),
};

}  // namespace ssi::supervisor::rows

#endif  // SSI_SUPERVISOR_CALLS_PROCESS_H_
