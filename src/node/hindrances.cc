#include "node/hindrances.h"

#include <array>
#include <string_view>

#include "base/files.h"

namespace ssi {

namespace {

std::string_view FirstWord(std::string_view text) {
  return text.substr(0, text.find_first_of(" \t\n"));
}
bool IsZero(std::string_view text) {
  return FirstWord(text) == "0";
}
bool IsOne(std::string_view text) {
  return FirstWord(text) == "1";
}
bool IsTwo(std::string_view text) {
  return FirstWord(text) == "2";
}
bool IsThree(std::string_view text) {
  return FirstWord(text) == "3";
}
bool LacksNotifications(std::string_view text) {
  return text.find("user_notif") == std::string_view::npos;
}
bool LacksTrace(std::string_view text) {
  return text.find("trace") == std::string_view::npos;
}
bool ForbidsCodeWrites(std::string_view text) {
  return text.find("proc_mem.force_override=never") != std::string_view::npos;
}
// proc(5): 0 none, 1 strict, 2 a filter.
bool HasFilter(std::string_view text) {
  constexpr std::string_view kField = "\nSeccomp:\t";
  auto at = text.find(kField);
  return at != std::string_view::npos && text[at + kField.size()] != '0';
}

struct Setting {
  unsigned concerns;
  const char* path;
  bool (*hinders)(std::string_view text);
  const char* advice;
};

constexpr std::array kSettings = {
    // Debian's own switch.
    Setting{kHindersNamespaces, "/proc/sys/kernel/unprivileged_userns_clone",
            IsZero,
            "kernel.unprivileged_userns_clone is 0: as root, "
            "sysctl kernel.unprivileged_userns_clone=1."},
    // Ubuntu 23.10 and newer: unshare works, but gives no capabilities.
    Setting{kHindersNamespaces,
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", IsOne,
            "kernel.apparmor_restrict_unprivileged_userns is 1: as root, give "
            "ssid and ssictl an AppArmor profile with the rule \"userns,\", or "
            "sysctl kernel.apparmor_restrict_unprivileged_userns=0."},
    // RHEL 7's way of forbidding them; also in hardening guides.
    Setting{kHindersNamespaces, "/proc/sys/user/max_user_namespaces", IsZero,
            "user.max_user_namespaces is 0: as root, raise it with sysctl."},
    Setting{kHindersNamespaces, "/proc/sys/user/max_pid_namespaces", IsZero,
            "user.max_pid_namespaces is 0: as root, raise it with sysctl."},
    Setting{kHindersNamespaces, "/proc/sys/user/max_mnt_namespaces", IsZero,
            "user.max_mnt_namespaces is 0: as root, raise it with sysctl."},
    Setting{kHindersNamespaces, "/proc/sys/user/max_net_namespaces", IsZero,
            "user.max_net_namespaces is 0: as root, raise it with sysctl."},
    Setting{kHindersNamespaces, "/proc/sys/user/max_ipc_namespaces", IsZero,
            "user.max_ipc_namespaces is 0: as root, raise it with sysctl."},
    Setting{kHindersNamespaces, "/proc/sys/user/max_uts_namespaces", IsZero,
            "user.max_uts_namespaces is 0: as root, raise it with sysctl."},
    Setting{kHindersNamespaces, "/proc/sys/user/max_time_namespaces", IsZero,
            "user.max_time_namespaces is 0: as root, raise it with sysctl."},
    // Documentation/admin-guide/LSM/Yama.rst.
    Setting{kHindersStrangers, "/proc/sys/kernel/yama/ptrace_scope", IsOne,
            "kernel.yama.ptrace_scope is 1, which allows only processes below "
            "the tracer; 0 allows all of the same user."},
    Setting{kHindersTracing | kHindersStrangers,
            "/proc/sys/kernel/yama/ptrace_scope", IsTwo,
            "kernel.yama.ptrace_scope is 2, for administrators only: as root, "
            "sysctl kernel.yama.ptrace_scope=1."},
    Setting{kHindersTracing | kHindersStrangers,
            "/proc/sys/kernel/yama/ptrace_scope", IsThree,
            "kernel.yama.ptrace_scope is 3, which only a reboot without it "
            "can undo."},
    Setting{kHindersTracing | kHindersStrangers,
            "/sys/fs/selinux/booleans/deny_ptrace", IsOne,
            "SELinux forbids tracing: as root, setsebool deny_ptrace 0."},
    Setting{kHindersFilters, "/proc/sys/kernel/seccomp/actions_avail",
            LacksNotifications,
            "kernel.seccomp.actions_avail has no user_notif."},
    Setting{kHindersFilters, "/proc/sys/kernel/seccomp/actions_avail",
            LacksTrace, "kernel.seccomp.actions_avail has no trace."},
    // 1 only changes the default, which we do not rely on.
    Setting{kHindersMemoryFiles, "/proc/sys/vm/memfd_noexec", IsTwo,
            "vm.memfd_noexec is 2: as root, sysctl vm.memfd_noexec=1."},
    Setting{kHindersCodeWrites, "/proc/cmdline", ForbidsCodeWrites,
            "The kernel was started with proc_mem.force_override=never: use "
            "ptrace or always."},
    Setting{~0U, "/proc/self/status", HasFilter,
            "This shell is under a seccomp filter of a container or batch "
            "system, which may refuse it: try outside, or with a profile that "
            "allows unshare, clone3, mount, pivot_root, ptrace, pidfd_getfd, "
            "process_vm_readv, userfaultfd and seccomp."}};

}  // namespace

std::string HindrancesInForce(unsigned concerns, const std::string& root) {
  std::string sentences;
  for (const auto& setting : kSettings) {
    if ((setting.concerns & concerns) == 0) {
      continue;
    }
    auto text = ReadFile(root + setting.path);
    if (text && setting.hinders(*text)) {
      sentences += sentences.empty() ? "" : " ";
      sentences += setting.advice;
    }
  }
  return sentences;
}

}  // namespace ssi
