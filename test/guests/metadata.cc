// What is known about a file: the stat family, owners, modes, times, access,
// file systems, special files. Argument: SECONDS.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <utime.h>

#include "guest.h"

namespace {

constexpr long kFchmodAt2 = 452;

struct stat Status(const char* name) {
  struct stat status {};
  SSI_OK(syscall(SYS_lstat, name, &status));
  return status;
}

int Fresh(const char* name) {
  return SSI_OK(open(name, O_RDWR | O_CREAT | O_EXCL, 0644));
}

bool Same(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino &&
         a.st_mode == b.st_mode && a.st_nlink == b.st_nlink &&
         a.st_uid == b.st_uid && a.st_gid == b.st_gid &&
         a.st_size == b.st_size && a.st_blocks == b.st_blocks &&
         a.st_blksize == b.st_blksize && a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
         a.st_mtim.tv_nsec == b.st_mtim.tv_nsec &&
         a.st_ctim.tv_nsec == b.st_ctim.tv_nsec;
}

// A file of the whole run: same device, same inode, in every round.
void AllForms() {
  static int fd = -1;
  static struct stat first {};
  if (guest::first_round) {
    fd = Fresh("status");
    SSI_EQ(write(fd, "123", 3), 3);
    SSI_OK(fsync(fd));
    first = Status("status");
    SSI_EQ(first.st_size, 3);
    SSI_EQ(first.st_uid, geteuid());
  }
  struct stat status {};
  SSI_OK(syscall(SYS_stat, "status", &status));
  SSI_TRUE(Same(status, first));
  SSI_OK(syscall(SYS_fstat, fd, &status));
  SSI_TRUE(Same(status, first));
  SSI_OK(syscall(SYS_newfstatat, AT_FDCWD, "status", &status, 0));
  SSI_TRUE(Same(status, first));
  SSI_OK(syscall(SYS_newfstatat, fd, "", &status, AT_EMPTY_PATH));
  SSI_TRUE(Same(status, first));
  SSI_FAILS(syscall(SYS_newfstatat, fd, "", &status, 0), ENOENT);
  SSI_FAILS(syscall(SYS_newfstatat, fd, "", &status, 1 << 30), EINVAL);
  struct statx extended {};
  SSI_OK(
      statx(AT_FDCWD, "status", 0, STATX_BASIC_STATS | STATX_BTIME, &extended));
  SSI_EQ(extended.stx_ino, first.st_ino);
  SSI_EQ(extended.stx_size, 3);
  SSI_EQ(extended.stx_uid, first.st_uid);
  SSI_EQ(makedev(extended.stx_dev_major, extended.stx_dev_minor), first.st_dev);
  SSI_EQ(extended.stx_mtime.tv_nsec, first.st_mtim.tv_nsec);
  SSI_OK(statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &extended));
  SSI_FAILS(statx(fd, "", 1 << 30, 0, &extended), EINVAL);
  SSI_FAILS(statx(fd, "", AT_EMPTY_PATH, 1U << 31, &extended), EINVAL);
  SSI_FAILS(fstat(-1, &status), EBADF);
  SSI_FAILS(stat("none", &status), ENOENT);
  SSI_OK(stat("/dev/null", &status));
  SSI_TRUE(S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3));
}

void Modes() {
  const int fd = Fresh("mode");
  SSI_OK(syscall(SYS_chmod, "mode", 0400));
  SSI_EQ(Status("mode").st_mode, S_IFREG | 0400);
  SSI_OK(fchmod(fd, 0751));
  SSI_EQ(Status("mode").st_mode, S_IFREG | 0751);
  SSI_OK(syscall(SYS_fchmodat, AT_FDCWD, "mode", 04711));
  SSI_EQ(Status("mode").st_mode, S_IFREG | 04711);
  SSI_OK(symlink("mode", "link"));
  const long link =
      syscall(kFchmodAt2, AT_FDCWD, "link", 0600, AT_SYMLINK_NOFOLLOW);
  SSI_TRUE(link == -1 && (errno == EOPNOTSUPP || errno == ENOSYS));
  SSI_OK(chmod("link", 0600));
  SSI_EQ(Status("mode").st_mode, S_IFREG | 0600);
  SSI_FAILS(fchmod(-1, 0), EBADF);
  SSI_FAILS(chmod("none", 0), ENOENT);
  const mode_t before = umask(0123);
  SSI_EQ(umask(0777), 0123);
  guest::Compute(1);  // the mask is one of the things that move
  const int closed = Fresh("closed");
  SSI_EQ(Status("closed").st_mode, S_IFREG);
  SSI_OK(close(closed));
  SSI_EQ(umask(before), 0777);
  SSI_OK(unlink("closed"));
  SSI_OK(unlink("link"));
  SSI_OK(close(fd));
  SSI_OK(unlink("mode"));
}

void Owners() {
  const int fd = Fresh("owner");
  const uid_t user = geteuid();
  const gid_t group = getegid();
  SSI_OK(syscall(SYS_chown, "owner", -1, -1));
  SSI_OK(syscall(SYS_lchown, "owner", user, group));
  SSI_OK(fchown(fd, user, -1U));
  SSI_OK(fchownat(fd, "", user, group, AT_EMPTY_PATH));
  SSI_FAILS(fchownat(fd, "", user, group, 1 << 30), EINVAL);
  if (user == 0) {
    SSI_OK(chown("owner", 12345, 23456));
    SSI_EQ(Status("owner").st_uid, 12345);
    SSI_EQ(Status("owner").st_gid, 23456);
  } else {
    SSI_FAILS(chown("owner", user + 1, -1U), EPERM);
    SSI_FAILS(fchown(fd, 0, -1U), EPERM);
    SSI_EQ(Status("owner").st_uid, user);
  }
  SSI_OK(close(fd));
  SSI_OK(unlink("owner"));
}

void CheckTimes(const char* name, timespec access, timespec change) {
  const struct stat status = Status(name);
  SSI_EQ(status.st_atim.tv_sec, access.tv_sec);
  SSI_EQ(status.st_atim.tv_nsec, access.tv_nsec);
  SSI_EQ(status.st_mtim.tv_sec, change.tv_sec);
  SSI_EQ(status.st_mtim.tv_nsec, change.tv_nsec);
}

void Times() {
  const int fd = Fresh("times");
  const timespec both[2] = {{1'000'000'000, 123'456'789}, {2, 1}};
  SSI_OK(utimensat(AT_FDCWD, "times", both, 0));
  CheckTimes("times", both[0], both[1]);
  const timespec one[2] = {{7, UTIME_OMIT}, {77, 7}};
  SSI_OK(syscall(SYS_utimensat, fd, nullptr, one, 0));
  CheckTimes("times", both[0], one[1]);
  const timespec bad[2] = {{0, 1'000'000'000}, {0, 0}};
  SSI_FAILS(utimensat(AT_FDCWD, "times", bad, 0), EINVAL);
  const utimbuf seconds{3, 4};
  SSI_OK(syscall(SYS_utime, "times", &seconds));
  CheckTimes("times", {3, 0}, {4, 0});
  const timeval micro[2] = {{5, 6}, {7, 8}};
  SSI_OK(syscall(SYS_utimes, "times", micro));
  CheckTimes("times", {5, 6000}, {7, 8000});
  const timeval other[2] = {{9, 10}, {11, 12}};
  SSI_OK(syscall(SYS_futimesat, AT_FDCWD, "times", other));
  CheckTimes("times", {9, 10000}, {11, 12000});
  SSI_OK(utimensat(AT_FDCWD, "times", nullptr, 0));  // now, by home's clock
  const std::int64_t now = guest::Nanoseconds(CLOCK_REALTIME) / 1'000'000'000;
  const std::int64_t late = now - Status("times").st_mtim.tv_sec;
  SSI_TRUE(late >= -5 && late <= 10);
  SSI_OK(symlink("times", "link"));
  SSI_OK(utimensat(AT_FDCWD, "link", both, AT_SYMLINK_NOFOLLOW));
  SSI_EQ(Status("link").st_mtim.tv_sec, 2);
  SSI_TRUE(Status("times").st_mtim.tv_sec != 2);
  SSI_OK(close(fd));
  SSI_OK(unlink("link"));
  SSI_OK(unlink("times"));
}

void Access() {
  const int fd = Fresh("access");
  SSI_OK(fchmod(fd, 0400));
  SSI_OK(syscall(SYS_access, "access", F_OK));
  SSI_OK(syscall(SYS_access, "access", R_OK));
  SSI_OK(syscall(SYS_faccessat2, AT_FDCWD, "access", R_OK, AT_EACCESS));
  SSI_OK(syscall(SYS_faccessat2, fd, "", R_OK, AT_EMPTY_PATH));
  SSI_FAILS(syscall(SYS_access, "access", X_OK), EACCES);
  if (geteuid() == 0) {
    SSI_OK(syscall(SYS_faccessat, AT_FDCWD, "access", W_OK));
  } else {
    SSI_FAILS(syscall(SYS_faccessat, AT_FDCWD, "access", W_OK), EACCES);
  }
  SSI_FAILS(syscall(SYS_access, "none", F_OK), ENOENT);
  SSI_FAILS(syscall(SYS_access, "access", 64), EINVAL);
  SSI_FAILS(syscall(SYS_faccessat2, AT_FDCWD, "access", 0, 1 << 30), EINVAL);
  SSI_OK(close(fd));
  SSI_OK(unlink("access"));
}

void FileSystems() {
  static long type = 0;
  struct statfs by_name {};
  struct statfs by_fd {};
  const int fd = SSI_OK(open(".", O_RDONLY | O_DIRECTORY));
  SSI_OK(syscall(SYS_statfs, ".", &by_name));
  SSI_OK(syscall(SYS_fstatfs, fd, &by_fd));
  SSI_EQ(by_name.f_type, by_fd.f_type);
  SSI_EQ(by_name.f_bsize, by_fd.f_bsize);
  SSI_EQ(by_name.f_blocks, by_fd.f_blocks);
  SSI_EQ(by_name.f_namelen, by_fd.f_namelen);
  type = guest::first_round ? by_name.f_type : type;
  SSI_EQ(by_name.f_type, type);
  SSI_OK(statfs("/proc", &by_name));
  SSI_EQ(by_name.f_type, 0x9fa0);
  SSI_FAILS(statfs("none", &by_name), ENOENT);
  SSI_FAILS(fstatfs(-1, &by_fd), EBADF);
  SSI_OK(close(fd));
}

void SpecialFiles() {
  SSI_OK(syscall(SYS_mknod, "fifo", S_IFIFO | 0600, 0));
  SSI_EQ(Status("fifo").st_mode, S_IFIFO | 0600);
  SSI_OK(mknodat(AT_FDCWD, "regular", S_IFREG | 0640, 0));
  SSI_EQ(Status("regular").st_mode, S_IFREG | 0640);
  SSI_OK(mknod("socket", S_IFSOCK | 0600, 0));
  SSI_EQ(Status("socket").st_mode & S_IFMT, S_IFSOCK);
  SSI_FAILS(open("socket", O_RDONLY), ENXIO);
  SSI_FAILS(mknod("fifo", S_IFIFO | 0600, 0), EEXIST);
  SSI_FAILS(mknod("dir", S_IFDIR | 0700, 0), EPERM);
  if (geteuid() != 0) {
    SSI_FAILS(mknod("null", S_IFCHR | 0600, makedev(1, 3)), EPERM);
  }
  SSI_OK(unlink("fifo"));
  SSI_OK(unlink("regular"));
  SSI_OK(unlink("socket"));
}

}  // namespace

int main(int argc, char** argv) {
  umask(022);
  return guest::RunInDirectory(guest::Seconds(argc, argv),
                               {{"all forms of stat", AllForms},
                                {"modes", Modes},
                                {"owners", Owners},
                                {"times", Times},
                                {"access", Access},
                                {"file systems", FileSystems},
                                {"special files", SpecialFiles}},
                               [] { SSI_OK(unlink("status")); });
}
