// Signals. Masks and dispositions are true where the process computes and
// told home; pending signals and their senders are home's.
#ifndef SSI_SUPERVISOR_CALLS_SIGNALS_H_
#define SSI_SUPERVISOR_CALLS_SIGNALS_H_

#include "supervisor/calls/rows.h"

namespace ssi::supervisor::rows {

inline constexpr std::uint32_t kSiginfoSize = 128;
inline constexpr ArgRule kSigprocmaskRules[] = {
    IfNull(1, CallClass::kLocal, "only asks")};
inline constexpr ArgRule kSigactionRules[] = {
    IfNull(1, CallClass::kLocal, "only asks")};

inline constexpr CallRow kSignalCalls[] = {
    Told(13, "rt_sigaction", Special::kSignalAction).With(kSigactionRules),
    Told(14, "rt_sigprocmask", Special::kSignalMask,
         "one that unblocks waits for home")
        .With(kSigprocmaskRules),
    Told(15, "rt_sigreturn", Special::kSignalReturn),
    Home(34, "pause", {}),
    Home(62, "kill", {kInt, kInt}),
    Home(127, "rt_sigpending",
         {ArrayOut(1, 1, kSigsetSize, LengthType::kSize, OutRule::kSuccess,
                   Overlong::kRefuse),
          kLength}),
    Home(128, "rt_sigtimedwait",
         {Sigset(3), Out(kSiginfoSize, OutRule::kPositive), In(16), kLength})
        .With(kEintrAtFreeze),
    Home(129, "rt_sigqueueinfo", {kInt, kInt, In(kSiginfoSize)}),
    Home(130, "rt_sigsuspend", {Sigset(1), kLength}).With(kTemporaryMask),
    Local(131, "sigaltstack"),
    Home(200, "tkill", {kInt, kInt}),
    Told(219, "restart_syscall", Special::kRestart,
         "the call that was interrupted goes on with the time left"),
    Home(234, "tgkill", {kInt, kInt, kInt}),
    Home(297, "rt_tgsigqueueinfo", {kInt, kInt, kInt, In(kSiginfoSize)}),
};

}  // namespace ssi::supervisor::rows

#endif  // SSI_SUPERVISOR_CALLS_SIGNALS_H_
