// Who the process is must not change with where it is: ids, parent, group,
// session, capabilities, and /proc's view of them. Argument: SECONDS.
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/fsuid.h>

#include <string>
#include <vector>

#include "guest.h"

namespace {

// All that identifies, read anew each time through the kernel.
std::vector<long> Ids() {
  unsigned ids[6] = {};
  SSI_OK(syscall(SYS_getresuid, &ids[0], &ids[1], &ids[2]));
  SSI_OK(syscall(SYS_getresgid, &ids[3], &ids[4], &ids[5]));
  std::vector<long> all(ids, ids + 6);
  for (const long number :
       {SYS_getpid, SYS_gettid, SYS_getppid, SYS_getuid, SYS_geteuid,
        SYS_getgid, SYS_getegid, SYS_getpgrp}) {
    all.push_back(syscall(number));
  }
  for (const long pid : {0L, syscall(SYS_getpid), syscall(SYS_getppid)}) {
    all.push_back(syscall(SYS_getpgid, pid));
    all.push_back(syscall(SYS_getsid, pid));
  }
  const int groups = SSI_OK(syscall(SYS_getgroups, 0, nullptr));
  std::vector<gid_t> list(static_cast<std::size_t>(groups) + 1);
  SSI_EQ(syscall(SYS_getgroups, groups, list.data()), groups);
  all.insert(all.end(), list.begin(), list.end() - 1);
  return all;
}

std::vector<unsigned> Capabilities(std::uint32_t version, pid_t pid) {
  __user_cap_header_struct header{version, pid};
  std::vector<unsigned> data(6);
  SSI_OK(syscall(SYS_capget, &header, data.data()));
  return data;
}

void Lasting() {
  static std::vector<long> ids;
  static std::vector<unsigned> capabilities;
  if (guest::first_round) {
    ids = Ids();
    capabilities = Capabilities(_LINUX_CAPABILITY_VERSION_3, 0);
  }
  guest::Compute(2);
  SSI_TRUE(Ids() == ids);
  SSI_TRUE(Capabilities(_LINUX_CAPABILITY_VERSION_3, 0) == capabilities);
  SSI_TRUE(Capabilities(_LINUX_CAPABILITY_VERSION_3, getpid()) == capabilities);
  SSI_EQ(getpid(), gettid());
  SSI_EQ(getpgid(0), getpgrp());
}

// The line `key` of /proc/self/status as numbers.
std::vector<long> StatusLine(const std::string& key) {
  static char text[8192];
  const int fd = SSI_OK(open("/proc/self/status", O_RDONLY));
  const long size = read(fd, text, sizeof text - 1);
  SSI_TRUE(size > 0);
  text[size] = '\0';
  SSI_OK(close(fd));
  const char* at = strstr(text, ("\n" + key + ":").c_str());
  SSI_TRUE(at != nullptr);
  std::vector<long> numbers;
  char* next = nullptr;
  for (at += key.size() + 2; *at != '\n' && *at != '\0'; at = next) {
    numbers.push_back(strtol(at, &next, 10));
    if (next == at) {
      numbers.pop_back();
      break;
    }
    while (*next == ' ' || *next == '\t') {
      ++next;
    }
  }
  return numbers;
}

void InProc() {
  const long pid = getpid();
  const long uid = getuid();
  const long gid = getgid();
  SSI_TRUE(StatusLine("Pid") == std::vector<long>{pid});
  SSI_TRUE(StatusLine("Tgid") == std::vector<long>{pid});
  SSI_TRUE(StatusLine("PPid") == std::vector<long>{getppid()});
  SSI_TRUE(StatusLine("Uid") == (std::vector<long>{uid, uid, uid, uid}));
  SSI_TRUE(StatusLine("Gid") == (std::vector<long>{gid, gid, gid, gid}));
  char link[32] = {};
  SSI_OK(readlink("/proc/self", link, sizeof link - 1));
  SSI_EQ(atol(link), pid);
}

// Calls that set what is set already.
void SettingTheSame() {
  const uid_t uid = getuid();
  const gid_t gid = getgid();
  SSI_OK(syscall(SYS_setgid, gid));
  SSI_OK(syscall(SYS_setregid, gid, -1));
  SSI_OK(syscall(SYS_setresgid, -1, gid, -1));
  SSI_OK(syscall(SYS_setuid, uid));
  SSI_OK(syscall(SYS_setreuid, -1, uid));
  SSI_OK(syscall(SYS_setresuid, uid, uid, uid));
  SSI_EQ(setfsuid(uid), uid);
  SSI_EQ(setfsuid(-1U), uid);  // only asks
  SSI_EQ(setfsgid(gid), gid);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::vector<unsigned> data = Capabilities(header.version, 0);
  SSI_OK(syscall(SYS_capset, &header, data.data()));
  SSI_TRUE(Capabilities(header.version, 0) == data);
}

void Errors() {
  const gid_t groups[2] = {1, 2};
  if (geteuid() != 0) {
    SSI_FAILS(setuid(0), EPERM);
    SSI_FAILS(setgid(0), EPERM);
    SSI_FAILS(setreuid(0, -1U), EPERM);
    SSI_FAILS(setresuid(-1U, -1U, 0), EPERM);
    SSI_FAILS(setresgid(-1U, 0, -1U), EPERM);
    SSI_FAILS(setgroups(2, groups), EPERM);
    SSI_EQ(setfsuid(0), getuid());  // no error, and no change
    SSI_EQ(setfsuid(-1U), getuid());
  } else {
    SSI_FAILS(syscall(SYS_setgroups, 70000, groups), EINVAL);
  }
  gid_t one[1];
  SSI_FAILS(syscall(SYS_getgroups, -1, one), EINVAL);
  __user_cap_header_struct header{0x12345, 0};
  __user_cap_data_struct data[2] = {};
  SSI_FAILS(syscall(SYS_capget, &header, data), EINVAL);
  SSI_EQ(header.version, _LINUX_CAPABILITY_VERSION_3);  // the kernel's own
  header = {_LINUX_CAPABILITY_VERSION_3, 0x7ffffffe};
  SSI_FAILS(syscall(SYS_capget, &header, data), ESRCH);
  header = {_LINUX_CAPABILITY_VERSION_3, -1};
  SSI_FAILS(syscall(SYS_capget, &header, data), EINVAL);
  SSI_FAILS(getpgid(0x7ffffffe), ESRCH);
  SSI_FAILS(getsid(0x7ffffffe), ESRCH);
  SSI_FAILS(setpgid(0, -1), EINVAL);
  SSI_FAILS(setpgid(-1, 0), EINVAL);
  SSI_FAILS(setpgid(0x7ffffffe, 0), ESRCH);
  SSI_FAILS(setpgid(0, 0x7ffffffe), EPERM);
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv),
                    {{"lasting", Lasting},
                     {"in /proc", InProc},
                     {"setting the same", SettingTheSame},
                     {"errors", Errors}});
}
