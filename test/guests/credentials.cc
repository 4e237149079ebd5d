// root becomes somebody else and back: ids, groups, capabilities, and what
// they open. As an ordinary user all parts are skipped. Not for hops: while
// it is somebody else it may not be moved. Argument: SECONDS.
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/stat.h>

#include <vector>

#include "guest.h"

namespace {

constexpr uid_t kOther = 54321;

bool IsRoot() {
  if (getuid() == 0 && geteuid() == 0) {
    return true;
  }
  guest::skip_reason = "not root";
  return false;
}

// The owner that a file made now gets.
struct stat MakeFile() {
  const int fd = SSI_OK(open("made", O_WRONLY | O_CREAT | O_EXCL, 0600));
  struct stat status {};
  SSI_OK(fstat(fd, &status));
  SSI_OK(close(fd));
  SSI_OK(unlink("made"));
  return status;
}

void Groups() {
  if (!IsRoot()) {
    return;
  }
  std::vector<gid_t> before(65536);
  before.resize(
      static_cast<std::size_t>(SSI_OK(getgroups(65536, before.data()))));
  std::vector<gid_t> many;
  for (gid_t group = 1000; group < 1000 + 3 * 500; group += 3) {
    many.push_back(group);
  }
  SSI_OK(syscall(SYS_setgroups, many.size(), many.data()));
  std::vector<gid_t> got(many.size() + 1);
  SSI_EQ(syscall(SYS_getgroups, got.size(), got.data()), many.size());
  got.resize(many.size());
  SSI_TRUE(got == many);
  SSI_FAILS(syscall(SYS_getgroups, 10, got.data()), EINVAL);
  SSI_OK(syscall(SYS_setgroups, 0, nullptr));
  SSI_EQ(syscall(SYS_getgroups, 0, nullptr), 0);
  SSI_OK(syscall(SYS_setgroups, before.size(), before.data()));
}

void Users() {
  if (!IsRoot()) {
    return;
  }
  SSI_OK(close(SSI_OK(open("roots", O_WRONLY | O_CREAT, 0600))));
  SSI_OK(syscall(SYS_setresgid, -1, kOther + 1, -1));
  SSI_OK(syscall(SYS_setresuid, -1, kOther, -1));
  SSI_EQ(syscall(SYS_geteuid), kOther);
  SSI_EQ(syscall(SYS_getegid), kOther + 1);
  SSI_EQ(syscall(SYS_getuid), 0);
  SSI_EQ(MakeFile().st_uid, kOther);
  SSI_EQ(MakeFile().st_gid, kOther + 1);
  SSI_FAILS(open("roots", O_RDONLY), EACCES);
  SSI_OK(syscall(SYS_access, "roots", R_OK));  // by the real ids
  SSI_FAILS(syscall(SYS_faccessat2, AT_FDCWD, "roots", R_OK, AT_EACCESS),
            EACCES);
  SSI_FAILS(chown("roots", kOther, kOther), EPERM);
  SSI_OK(syscall(SYS_setreuid, -1, 0));
  SSI_OK(syscall(SYS_setregid, -1, 0));
  SSI_OK(close(SSI_OK(open("roots", O_RDONLY))));
  SSI_OK(unlink("roots"));
}

void FileSystemIds() {
  if (!IsRoot()) {
    return;
  }
  SSI_EQ(setfsgid(kOther), 0);
  SSI_EQ(setfsuid(kOther), 0);
  SSI_EQ(setfsuid(-1U), kOther);
  const struct stat status = MakeFile();
  SSI_EQ(status.st_uid, kOther);
  SSI_EQ(status.st_gid, kOther);
  SSI_EQ(geteuid(), 0);
  SSI_EQ(setfsuid(0), kOther);
  SSI_EQ(setfsgid(0), kOther);
  SSI_EQ(MakeFile().st_uid, 0);
}

void Capabilities() {
  if (!IsRoot()) {
    return;
  }
  SSI_OK(close(SSI_OK(open("closed", O_WRONLY | O_CREAT, 0))));
  SSI_OK(chown("closed", kOther, kOther));
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct all[2] = {};
  SSI_OK(syscall(SYS_capget, &header, all));
  if ((all[0].effective & (1U << CAP_DAC_OVERRIDE)) == 0) {
    guest::skip_reason = "root without its capabilities";
  } else {
    SSI_OK(close(SSI_OK(open("closed", O_RDONLY))));
    __user_cap_data_struct less[2] = {all[0], all[1]};
    less[0].effective &=
        ~((1U << CAP_DAC_OVERRIDE) | (1U << CAP_DAC_READ_SEARCH));
    SSI_OK(syscall(SYS_capset, &header, less));
    SSI_FAILS(open("closed", O_RDONLY), EACCES);
    __user_cap_data_struct got[2] = {};
    SSI_OK(syscall(SYS_capget, &header, got));
    SSI_EQ(memcmp(got, less, sizeof got), 0);
    SSI_OK(syscall(SYS_capset, &header, all));
    SSI_OK(close(SSI_OK(open("closed", O_RDONLY))));
    less[0].effective = ~all[0].permitted;  // more than is permitted
    if (less[0].effective != 0) {
      SSI_FAILS(syscall(SYS_capset, &header, less), EPERM);
    }
  }
  SSI_OK(unlink("closed"));
}

}  // namespace

int main(int argc, char** argv) {
  const mode_t old = umask(0);
  SSI_OK(old);
  return guest::RunInDirectory(guest::Seconds(argc, argv),
                               {{"open the directory",
                                 [] {
                                   SSI_OK(chmod(".", 0777));
                                 }},
                                {"groups", Groups},
                                {"users", Users},
                                {"file system ids", FileSystemIds},
                                {"capabilities", Capabilities}});
}
