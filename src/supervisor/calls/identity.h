// Who the process is: credentials, capabilities, the umask.
#ifndef SSI_SUPERVISOR_CALLS_IDENTITY_H_
#define SSI_SUPERVISOR_CALLS_IDENTITY_H_

#include "supervisor/calls/rows.h"

namespace ssi::supervisor::rows {

inline constexpr Special kCreds = Special::kCredentials;
// NGROUPS_MAX groups of 4 bytes.
inline constexpr std::uint32_t kMaxGroups = 65536 * 4;

inline constexpr CallRow kIdentityCalls[] = {
    Both(95, "umask", {kFlags}, Special::kUmask),
    Known(102, "getuid", {}),
    Known(104, "getgid", {}),
    Both(105, "setuid", {kInt}, kCreds),
    Both(106, "setgid", {kInt}, kCreds),
    Known(107, "geteuid", {}),
    Known(108, "getegid", {}),
    Both(113, "setreuid", {kInt, kInt}, kCreds),
    Both(114, "setregid", {kInt, kInt}, kCreds),
    Home(115, "getgroups",
         {kLength, ArrayOut(0, 4, kMaxGroups, LengthType::kInt)}),
    Both(116, "setgroups",
         {kLength, ArrayIn(0, 4, kMaxGroups, LengthType::kInt)}, kCreds),
    Both(117, "setresuid", {kInt, kInt, kInt}, kCreds),
    Known(118, "getresuid", {Out(4), Out(4), Out(4)}),
    Both(119, "setresgid", {kInt, kInt, kInt}, kCreds),
    Known(120, "getresgid", {Out(4), Out(4), Out(4)}),
    Both(122, "setfsuid", {kInt}, kCreds),
    Both(123, "setfsgid", {kInt}, kCreds),
    // The header comes back with the kernel's version where the caller's is
    // not known; the data then is not touched.
    Home(125, "capget", {Maybe(8), Maybe(24)}),
    Both(126, "capset", {Maybe(8), Kind(ArgKind::kCapData)}, kCreds),
    Home(459, "lsm_get_self_attr",
         {kInt,
          Kind(ArgKind::kCounted, Direction::kInOut, OutRule::kChanged, 2,
               64 << 10),
          Maybe(4), kFlags}),
    Home(460, "lsm_set_self_attr",
         {kInt, ArrayIn(2, 1, kMaxSized, LengthType::kUint), kLength, kFlags}),
    Home(461, "lsm_list_modules",
         {Kind(ArgKind::kCounted, Direction::kInOut, OutRule::kChanged, 1,
               64 << 10),
          Maybe(4), kFlags}),
};

}  // namespace ssi::supervisor::rows

#endif  // SSI_SUPERVISOR_CALLS_IDENTITY_H_
