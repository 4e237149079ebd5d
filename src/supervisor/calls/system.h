// The machine that the process believes to be on: home's.
#ifndef SSI_SUPERVISOR_CALLS_SYSTEM_H_
#define SSI_SUPERVISOR_CALLS_SYSTEM_H_

#include "supervisor/calls/rows.h"

namespace ssi::supervisor::rows {

inline constexpr std::uint32_t kMaxHostName = 64;  // __NEW_UTS_LEN

inline constexpr CallRow kSystemCalls[] = {
    Home(63, "uname", {Out(390)}),
    Home(99, "sysinfo", {Out(112)}),
    Home(103, "syslog",
         {kInt, BytesOut(2, 512 << 10, LengthType::kInt), kLength}),
    Nothing(156, "_sysctl"),
    Home(170, "sethostname",
         {ArrayIn(1, 1, kMaxHostName, LengthType::kInt), kLength}),
    Home(171, "setdomainname",
         {ArrayIn(1, 1, kMaxHostName, LengthType::kInt), kLength}),
    Nothing(174, "create_module"),
    Nothing(177, "get_kernel_syms"),
    Nothing(178, "query_module"),
    Nothing(180, "nfsservctl"),
    Nothing(181, "getpmsg"),
    Nothing(182, "putpmsg"),
    Nothing(183, "afs_syscall"),
    Nothing(184, "tuxcall"),
    Nothing(185, "security"),
    Nothing(205, "set_thread_area"),
    Nothing(211, "get_thread_area"),
    Nothing(212, "lookup_dcookie"),
    Nothing(214, "epoll_ctl_old"),
    Nothing(215, "epoll_wait_old"),
    Nothing(236, "vserver"),
    Local(318, "getrandom"),
};

}  // namespace ssi::supervisor::rows

#endif  // SSI_SUPERVISOR_CALLS_SYSTEM_H_
