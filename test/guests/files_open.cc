// open, openat, openat2, creat: flags, modes, errors, directories to start
// from, resolution. Argument: SECONDS.
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>

#include <string>

#include "guest.h"

namespace {

int Open(const char* path, int flags, mode_t mode = 0) {
  return static_cast<int>(syscall(SYS_open, path, flags, mode));
}

int OpenAt(int dir, const char* path, int flags, mode_t mode = 0) {
  return static_cast<int>(syscall(SYS_openat, dir, path, flags, mode));
}

// A mount or a rename anywhere on the machine makes ".." uncertain: "the caller
// may choose to retry" (openat2(2), EAGAIN).
int OpenAt2(int dir, const char* path, int flags, std::uint64_t resolve) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags);
  how.resolve = resolve;
  long fd = -1;
  do {
    fd = syscall(SYS_openat2, dir, path, &how, sizeof how);
  } while (fd < 0 && errno == EAGAIN);
  return static_cast<int>(fd);
}

mode_t ModeOf(int fd) {
  struct stat status {};
  SSI_OK(fstat(fd, &status));
  return status.st_mode;
}

void MakeFile(const char* name, const char* text) {
  const int fd = SSI_OK(Open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644));
  SSI_EQ(write(fd, text, strlen(text)), strlen(text));
  SSI_OK(close(fd));
}

void CreateAndTruncate() {
  const mode_t old = umask(022);
  int fd = SSI_OK(Open("new", O_RDWR | O_CREAT | O_EXCL, 0666));
  SSI_EQ(ModeOf(fd), S_IFREG | 0644);
  SSI_EQ(write(fd, "hello", 5), 5);
  SSI_FAILS(Open("new", O_RDWR | O_CREAT | O_EXCL, 0666), EEXIST);
  const int same = SSI_OK(Open("new", O_RDONLY | O_CREAT, 0600));
  SSI_EQ(ModeOf(same), S_IFREG | 0644);  // the mode counts for a new file only
  SSI_EQ(lseek(same, 0, SEEK_END), 5);
  const int shorter = SSI_OK(Open("new", O_WRONLY | O_TRUNC));
  SSI_EQ(lseek(same, 0, SEEK_END), 0);
  SSI_OK(close(shorter));
  SSI_OK(close(same));
  SSI_OK(close(fd));
  MakeFile("new", "again");
  fd = SSI_OK(syscall(SYS_creat, "new", 0600));
  SSI_EQ(lseek(fd, 0, SEEK_END), 0);
  char byte = 0;
  SSI_FAILS(read(fd, &byte, 1), EBADF);
  SSI_OK(close(fd));
  SSI_OK(unlink("new"));
  umask(077);
  fd = SSI_OK(Open("private", O_RDWR | O_CREAT, 04777));
  SSI_EQ(ModeOf(fd), S_IFREG | 04700);
  SSI_OK(close(fd));
  SSI_OK(unlink("private"));
  umask(old);
}

void Append() {
  MakeFile("log", "0123456789");
  const int fd = SSI_OK(Open("log", O_RDWR | O_APPEND));
  SSI_EQ(fcntl(fd, F_GETFL), O_RDWR | O_APPEND | 0100000);  // O_LARGEFILE
  SSI_EQ(lseek(fd, 2, SEEK_SET), 2);
  SSI_EQ(write(fd, "ab", 2), 2);
  SSI_EQ(lseek(fd, 0, SEEK_CUR), 12);
  SSI_EQ(pwrite(fd, "cd", 2, 0), 2);  // Linux appends here too
  const int other = SSI_OK(Open("log", O_WRONLY | O_APPEND));
  SSI_EQ(write(other, "ef", 2), 2);
  SSI_EQ(write(fd, "gh", 2), 2);
  char text[32] = {};
  SSI_EQ(pread(fd, text, sizeof text, 0), 18);
  SSI_EQ(strcmp(text, "0123456789abcdefgh"), 0);
  SSI_OK(close(other));
  SSI_OK(close(fd));
  SSI_OK(unlink("log"));
}

void Flags() {
  MakeFile("file", "x");
  SSI_OK(mkdir("dir", 0755));
  SSI_OK(symlink("file", "link"));
  SSI_OK(symlink("loop", "loop"));
  char byte = 0;
  int fd = SSI_OK(Open("file", O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  SSI_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
  SSI_EQ(fcntl(fd, F_GETFL), O_RDONLY | O_NONBLOCK | 0100000);
  SSI_FAILS(write(fd, "x", 1), EBADF);
  SSI_OK(close(fd));
  fd = SSI_OK(Open("file", O_RDWR | O_SYNC));
  SSI_EQ(fcntl(fd, F_GETFL), O_RDWR | O_SYNC | 0100000);
  SSI_EQ(fcntl(fd, F_GETFD), 0);
  SSI_OK(close(fd));
  SSI_FAILS(Open("file", O_RDONLY | O_DIRECTORY), ENOTDIR);
  SSI_FAILS(Open("link", O_RDONLY | O_NOFOLLOW), ELOOP);
  SSI_FAILS(Open("loop", O_RDONLY), ELOOP);
  SSI_FAILS(Open("dir", O_WRONLY), EISDIR);
  SSI_FAILS(Open("dir", O_RDONLY | O_CREAT, 0644), EISDIR);
  SSI_FAILS(Open("missing", O_RDONLY), ENOENT);
  SSI_FAILS(Open("missing/file", O_WRONLY | O_CREAT, 0644), ENOENT);
  SSI_FAILS(Open("", O_RDONLY), ENOENT);
  SSI_FAILS(Open("file/below", O_RDONLY), ENOTDIR);
  SSI_FAILS(Open("file/", O_RDONLY), ENOTDIR);
  SSI_FAILS(Open(std::string(256, 'n').c_str(), O_RDONLY), ENAMETOOLONG);
  SSI_FAILS(Open(std::string(5000, '/').c_str(), O_RDONLY), ENAMETOOLONG);
  const std::string longest = std::string(4091, '/') + "file";  // 4096 with NUL
  SSI_FAILS(Open(longest.c_str(), O_RDONLY), ENOENT);           // that is /file
  const int here = SSI_OK(Open("dir", O_RDONLY | O_DIRECTORY));
  SSI_FAILS(read(here, &byte, 1), EISDIR);
  SSI_OK(close(here));
  fd = SSI_OK(Open("file", O_RDONLY | O_NOATIME));
  SSI_EQ(read(fd, &byte, 1), 1);
  SSI_OK(close(fd));
  fd = SSI_OK(Open("link", O_PATH | O_NOFOLLOW));
  SSI_EQ(ModeOf(fd) & S_IFMT, S_IFLNK);
  char target[16] = {};
  SSI_EQ(readlinkat(fd, "", target, sizeof target), 4);
  SSI_EQ(strcmp(target, "file"), 0);
  SSI_FAILS(read(fd, &byte, 1), EBADF);
  SSI_FAILS(fchmod(fd, 0600), EBADF);
  SSI_EQ(fcntl(fd, F_GETFL) & O_PATH, O_PATH);
  SSI_OK(close(fd));
  SSI_OK(chmod("file", 0));
  if (geteuid() == 0) {
    fd = SSI_OK(Open("file", O_RDWR));
    SSI_OK(close(fd));
  } else {
    SSI_FAILS(Open("file", O_RDWR), EACCES);
  }
  SSI_OK(rmdir("dir"));
  SSI_OK(unlink("file"));
  SSI_OK(unlink("link"));
  SSI_OK(unlink("loop"));
}

void Unnamed() {
  const int fd = Open(".", O_TMPFILE | O_RDWR, 0600);
  if (fd < 0 && errno == EOPNOTSUPP) {
    guest::skip_reason = "no O_TMPFILE on this file system";
    return;
  }
  SSI_OK(fd);
  struct stat status {};
  SSI_OK(fstat(fd, &status));
  SSI_EQ(status.st_nlink, 0);
  SSI_EQ(write(fd, "hidden", 6), 6);
  const std::string self = "/proc/self/fd/" + std::to_string(fd);
  SSI_OK(linkat(AT_FDCWD, self.c_str(), AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
  SSI_OK(fstat(fd, &status));
  SSI_EQ(status.st_nlink, 1);
  struct stat named {};
  SSI_OK(stat("named", &named));
  SSI_EQ(named.st_ino, status.st_ino);
  SSI_EQ(named.st_size, 6);
  SSI_OK(close(fd));
  SSI_OK(unlink("named"));
}

// O_DIRECT wants memory, position and length aligned.
void Direct() {
  MakeFile("direct", "");
  const int fd = Open("direct", O_RDWR | O_DIRECT);
  if (fd < 0 && errno == EINVAL) {
    guest::skip_reason = "no O_DIRECT on this file system";
  } else {
    SSI_OK(fd);
    alignas(4096) static unsigned char block[16384];
    guest::Fill(block, sizeof block, 1);
    SSI_EQ(write(fd, block, sizeof block), sizeof block);
    memset(block, 0, sizeof block);
    SSI_EQ(pread(fd, block, 8192, 4096), 8192);
    SSI_TRUE(guest::Holds(block, 8192, 1, 4096));
    SSI_EQ(fcntl(fd, F_GETFL) & O_DIRECT, O_DIRECT);
    SSI_OK(close(fd));
  }
  SSI_OK(unlink("direct"));
}

void FromDirectories() {
  SSI_OK(mkdir("a", 0755));
  MakeFile("a/inner", "in");
  MakeFile("outer", "out");
  const int dir = SSI_OK(Open("a", O_RDONLY | O_DIRECTORY));
  const int path_only = SSI_OK(Open("a", O_PATH | O_DIRECTORY));
  const int file = SSI_OK(Open("outer", O_RDONLY));
  SSI_OK(close(SSI_OK(OpenAt(dir, "inner", O_RDONLY))));
  SSI_OK(close(SSI_OK(OpenAt(path_only, "inner", O_RDONLY))));
  SSI_OK(close(SSI_OK(OpenAt(dir, "../outer", O_RDONLY))));
  SSI_OK(close(SSI_OK(OpenAt(AT_FDCWD, "outer", O_RDONLY))));
  SSI_OK(close(SSI_OK(OpenAt(-5, "/", O_RDONLY))));  // absolute: no matter
  SSI_FAILS(OpenAt(dir, "outer", O_RDONLY), ENOENT);
  SSI_FAILS(OpenAt(file, "inner", O_RDONLY), ENOTDIR);
  SSI_FAILS(OpenAt(999, "inner", O_RDONLY), EBADF);
  SSI_FAILS(OpenAt(-1, "inner", O_RDONLY), EBADF);
  SSI_OK(rename("a", "b"));
  SSI_OK(close(SSI_OK(OpenAt(dir, "inner", O_RDONLY))));
  SSI_OK(unlink("b/inner"));
  SSI_OK(rmdir("b"));
  SSI_FAILS(OpenAt(dir, "inner", O_RDONLY | O_CREAT, 0644), ENOENT);
  SSI_OK(close(dir));
  SSI_OK(close(path_only));
  SSI_OK(close(file));
  SSI_OK(unlink("outer"));
}

void Resolution() {
  SSI_OK(mkdir("root", 0755));
  MakeFile("root/file", "f");
  SSI_OK(symlink("file", "root/link"));
  SSI_OK(symlink("/file", "root/absolute"));
  const int dir = SSI_OK(Open("root", O_PATH | O_DIRECTORY));
  const int ro = O_RDONLY;
  SSI_OK(close(SSI_OK(OpenAt2(dir, "link", ro, RESOLVE_BENEATH))));
  SSI_FAILS(OpenAt2(dir, "../root/file", ro, RESOLVE_BENEATH), EXDEV);
  SSI_FAILS(OpenAt2(dir, "absolute", ro, RESOLVE_BENEATH), EXDEV);
  SSI_OK(close(SSI_OK(OpenAt2(dir, "absolute", ro, RESOLVE_IN_ROOT))));
  SSI_OK(close(SSI_OK(OpenAt2(dir, "../../file", ro, RESOLVE_IN_ROOT))));
  SSI_FAILS(OpenAt2(dir, "link", ro, RESOLVE_NO_SYMLINKS), ELOOP);
  SSI_OK(close(SSI_OK(OpenAt2(dir, "link", ro, RESOLVE_NO_MAGICLINKS))));
  const std::string magic = "/proc/self/fd/" + std::to_string(dir);
  SSI_FAILS(OpenAt2(dir, magic.c_str(), ro, RESOLVE_NO_MAGICLINKS), ELOOP);
  SSI_FAILS(OpenAt2(dir, "/proc/self/stat", ro, RESOLVE_NO_XDEV), EXDEV);
  SSI_FAILS(OpenAt2(dir, "file", ro, 1U << 20), EINVAL);
  struct {
    open_how how;
    std::uint64_t later;
  } longer{};
  SSI_OK(
      close(SSI_OK(syscall(SYS_openat2, dir, "file", &longer, sizeof longer))));
  longer.later = 1;
  SSI_FAILS(syscall(SYS_openat2, dir, "file", &longer, sizeof longer), E2BIG);
  SSI_FAILS(syscall(SYS_openat2, dir, "file", &longer, 8), EINVAL);
  longer.how.mode = 0644;  // a mode without O_CREAT
  SSI_FAILS(syscall(SYS_openat2, dir, "file", &longer, sizeof(open_how)),
            EINVAL);
  SSI_OK(close(dir));
  SSI_OK(unlink("root/file"));
  SSI_OK(unlink("root/link"));
  SSI_OK(unlink("root/absolute"));
  SSI_OK(rmdir("root"));
}

}  // namespace

int main(int argc, char** argv) {
  return guest::RunInDirectory(guest::Seconds(argc, argv),
                               {{"create and truncate", CreateAndTruncate},
                                {"append", Append},
                                {"flags and errors", Flags},
                                {"unnamed", Unnamed},
                                {"direct", Direct},
                                {"from directories", FromDirectories},
                                {"resolution", Resolution}});
}
