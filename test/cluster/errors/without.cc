// without FEATURE[,FEATURE...] COMMAND...: executes COMMAND where the kernel
// seems to lack the features: a seccomp filter answers as a kernel without
// them does.
#include <linux/seccomp.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <sstream>
#include <string>

#include <seccomp.h>

namespace {

constexpr unsigned kPagemapScan = 0xc0606610;
constexpr unsigned long kWaitKillable = 1UL << 5;

int Forbid(scmp_filter_ctx filter, const std::string& feature) {
  auto masked = [](unsigned arg, unsigned long mask, unsigned long value) {
    return scmp_arg_cmp{arg, SCMP_CMP_MASKED_EQ, mask, value};
  };
  if (feature == "wait_killable") {  // before Linux 5.19
    return seccomp_rule_add(
        filter, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(seccomp), 2,
        scmp_arg_cmp{0, SCMP_CMP_EQ, SECCOMP_SET_MODE_FILTER, 0},
        masked(1, kWaitKillable, kWaitKillable));
  }
  if (feature == "time_namespace") {  // without CONFIG_TIME_NS
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(unshare),
                            1, masked(0, CLONE_NEWTIME, CLONE_NEWTIME));
  }
  if (feature == "pagemap_scan") {  // before Linux 6.7
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOTTY), SCMP_SYS(ioctl), 1,
                            masked(1, 0xffffffff, kPagemapScan));
  }
  if (feature == "futex_waitv") {  // before Linux 5.16
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS),
                            SCMP_SYS(futex_waitv), 0);
  }
  if (feature == "pidfd_getfd") {  // before Linux 5.6
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS),
                            SCMP_SYS(pidfd_getfd), 0);
  }
  if (feature == "user_namespace") {  // forbidden by a container
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3),
                            0) != 0
               ? -1
               : seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM),
                                  SCMP_SYS(unshare), 1,
                                  masked(0, CLONE_NEWUSER, CLONE_NEWUSER));
  }
  std::fprintf(stderr, "without: what is %s?\n", feature.c_str());
  return -1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: without FEATURE,... COMMAND...\n");
    return 2;
  }
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
  std::istringstream features(argv[1]);
  for (std::string feature; std::getline(features, feature, ',');) {
    if (Forbid(filter, feature) != 0) {
      return 2;
    }
  }
  if (seccomp_load(filter) != 0) {
    std::perror("without: filter");
    return 2;
  }
  ::execvp(argv[2], argv + 2);
  std::perror(argv[2]);
  return 127;
}
