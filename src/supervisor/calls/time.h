// Clocks and sleeping. The clocks are those of the machine it computes on,
// with MONOTONIC and BOOTTIME continued from home's by a time namespace.
#ifndef SSI_SUPERVISOR_CALLS_TIME_H_
#define SSI_SUPERVISOR_CALLS_TIME_H_

#include "supervisor/calls/rows.h"

namespace ssi::supervisor::rows {

inline constexpr std::uint32_t kTimexSize = 208;
inline constexpr Note kRealtime = "CLOCK_REALTIME is B's";
// CPU clocks of the caller itself: clock ids -1 to -8 (pid 0 in the id).
inline constexpr std::uint32_t kOwnCpuClock = 0xfffffff8;

// Of any thread: negative, and CPUCLOCK_PERTHREAD_MASK | CPUCLOCK_SCHED.
inline constexpr std::uint32_t kThreadCpuClock = 0x80000006;
inline constexpr std::uint32_t kCpuClockKind = 7;

inline constexpr ArgRule kGetTimeRules[] = {
    If(0, 0, CallClass::kLocal),
    If(0, 1, CallClass::kLocal),
    If(0, 4, CallClass::kLocal),
    If(0, 5, CallClass::kLocal),
    If(0, 6, CallClass::kLocal),
    If(0, 7, CallClass::kLocal),
    If(0, 11, CallClass::kLocal),
    If(0, 2, CallClass::kBoth, Special::kCpuTime, 0xfffffffe, "CPU time"),
    If(0, kOwnCpuClock, CallClass::kBoth, Special::kCpuTime, kOwnCpuClock,
       "CPU time"),
    If(0, kThreadCpuClock, CallClass::kBoth, Special::kCpuTime,
       kThreadCpuClock | kCpuClockKind, "CPU time of another thread"),
};
inline constexpr ArgRule kGetResolutionRules[] = {
    If(0, 0, CallClass::kLocal, Special::kNone, 0xfffffff8, "clocks 0-7"),
    If(0, 11, CallClass::kLocal),
    If(0, kOwnCpuClock, CallClass::kLocal, Special::kNone, kOwnCpuClock),
};
// Absolute sleeps too end by the clock that the caller reads, which is B's.
inline constexpr ArgRule kSleepRules[] = {
    If(0, 0, CallClass::kLocalTold, Special::kSleep, 0xfffffffe,
       "REALTIME, MONOTONIC"),
    If(0, 7, CallClass::kLocalTold, Special::kSleep),
    If(0, 11, CallClass::kLocalTold, Special::kSleep),
    If(0, 2, CallClass::kLocalTold, Special::kSleep, 0xfffffffe, "CPU time"),
    If(0, kOwnCpuClock, CallClass::kLocalTold, Special::kSleep, kOwnCpuClock,
       "CPU time"),
};

inline constexpr CallRow kTimeCalls[] = {
    Told(35, "nanosleep", Special::kSleep),
    Local(96, "gettimeofday", kRealtime),
    Both(98, "getrusage", {kInt, Out(144)}, Special::kCpuTime,
         "CPU time of both places; faults and switches are the stand-in's"),
    Both(100, "times", {Out(32)}, Special::kCpuTime, "CPU time of both places"),
    Home(159, "adjtimex", {InOut(kTimexSize, OutRule::kAlways)}),
    Home(164, "settimeofday", {In(16), In(8)}),
    Local(201, "time", kRealtime),
    Home(227, "clock_settime", {kInt, In(16)}),
    Home(228, "clock_gettime", {kInt, Out(16)}, kRealtime).With(kGetTimeRules),
    Home(229, "clock_getres", {kInt, Out(16)}).With(kGetResolutionRules),
    Home(230, "clock_nanosleep", {kInt, kFlags, In(16), Maybe(16)},
         "sleeps by the clock that it reads: B's REALTIME")
        .With(kSleepRules),
    Home(305, "clock_adjtime", {kInt, InOut(kTimexSize)}),
};

}  // namespace ssi::supervisor::rows

#endif  // SSI_SUPERVISOR_CALLS_TIME_H_
