// Names: directories, renames, links, the current directory; and the errors
// in the order the kernel finds them. Argument: SECONDS.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>

#include <string>

#include "guest.h"

namespace {

void Make(const char* name, const char* text = "") {
  const int fd = SSI_OK(open(name, O_WRONLY | O_CREAT | O_EXCL, 0644));
  SSI_EQ(write(fd, text, strlen(text)), strlen(text));
  SSI_OK(close(fd));
}

std::string Read(const char* name) {
  char text[64] = {};
  const int fd = SSI_OK(open(name, O_RDONLY));
  SSI_OK(read(fd, text, sizeof text - 1));
  SSI_OK(close(fd));
  return text;
}

struct stat Status(const char* name) {
  struct stat status {};
  SSI_OK(lstat(name, &status));
  return status;
}

// As the kernel says it, not as libc builds it.
std::string Cwd() {
  char path[4096];
  const long size = syscall(SYS_getcwd, path, sizeof path);
  SSI_TRUE(size > 1 && path[size - 1] == '\0');
  return path;
}

int RenameAt2(const char* from, const char* to, unsigned flags) {
  return static_cast<int>(
      syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags));
}

void MakeAndRemove() {
  SSI_OK(syscall(SYS_mkdir, "dir", 0750));
  SSI_EQ(Status("dir").st_mode, S_IFDIR | 0750);
  SSI_FAILS(mkdir("dir", 0755), EEXIST);
  SSI_FAILS(mkdir("dir/a/b", 0755), ENOENT);
  const int fd = SSI_OK(open("dir", O_RDONLY | O_DIRECTORY));
  SSI_OK(mkdirat(fd, "sub", 0700));
  SSI_FAILS(rmdir("dir"), ENOTEMPTY);
  SSI_FAILS(unlink("dir/sub"), EISDIR);
  SSI_FAILS(rmdir("dir/."), EINVAL);
  SSI_FAILS(rmdir("dir/sub/.."), ENOTEMPTY);
  Make("dir/file");
  SSI_FAILS(rmdir("dir/file"), ENOTDIR);
  SSI_FAILS(mkdir("dir/file/x", 0755), ENOTDIR);
  SSI_OK(unlinkat(fd, "file", 0));
  SSI_FAILS(unlinkat(fd, "sub", 0), EISDIR);
  SSI_FAILS(unlinkat(fd, "sub", 12345), EINVAL);
  SSI_OK(unlinkat(fd, "sub", AT_REMOVEDIR));
  SSI_OK(close(fd));
  SSI_OK(syscall(SYS_rmdir, "dir"));
  SSI_FAILS(rmdir("dir"), ENOENT);
  SSI_FAILS(unlink("dir"), ENOENT);
}

void Renames() {
  Make("a", "A");
  Make("b", "B");
  SSI_OK(mkdir("d", 0755));
  SSI_OK(mkdir("e", 0755));
  Make("e/full");
  const ino_t inode = Status("a").st_ino;
  SSI_OK(syscall(SYS_rename, "a", "d/a"));
  SSI_EQ(Status("d/a").st_ino, inode);
  SSI_FAILS(rename("a", "x"), ENOENT);
  SSI_OK(rename("d/a", "b"));  // replaces
  SSI_TRUE(Read("b") == "A");
  SSI_OK(rename("b", "b"));
  SSI_FAILS(rename("b", "d"), EISDIR);
  SSI_FAILS(rename("d", "b"), ENOTDIR);
  SSI_FAILS(rename("d", "e"), ENOTEMPTY);
  SSI_FAILS(rename("d", "d/inside"), EINVAL);
  Make("c", "C");
  SSI_FAILS(RenameAt2("b", "c", RENAME_NOREPLACE), EEXIST);
  SSI_OK(RenameAt2("b", "c", RENAME_EXCHANGE));
  SSI_TRUE(Read("b") == "C" && Read("c") == "A");
  SSI_FAILS(RenameAt2("b", "none", RENAME_EXCHANGE), ENOENT);
  SSI_FAILS(RenameAt2("b", "c", RENAME_NOREPLACE | RENAME_EXCHANGE), EINVAL);
  SSI_FAILS(RenameAt2("b", "c", 64), EINVAL);
  const int from = SSI_OK(open("e", O_RDONLY | O_DIRECTORY));
  const int to = SSI_OK(open("d", O_PATH | O_DIRECTORY));
  SSI_OK(syscall(SYS_renameat, from, "full", to, "moved"));
  SSI_OK(rename("e", "f"));
  SSI_OK(renameat(to, "moved", from, "back"));
  SSI_OK(close(from));
  SSI_OK(close(to));
  SSI_OK(unlink("f/back"));
  SSI_OK(rmdir("f"));
  SSI_OK(rmdir("d"));
  SSI_OK(unlink("b"));
  SSI_OK(unlink("c"));
}

void Links() {
  Make("file", "text");
  SSI_OK(syscall(SYS_link, "file", "second"));
  SSI_EQ(Status("file").st_nlink, 2);
  SSI_EQ(Status("second").st_ino, Status("file").st_ino);
  SSI_FAILS(link("file", "second"), EEXIST);
  SSI_FAILS(link("missing", "third"), ENOENT);
  SSI_OK(mkdir("dir", 0755));
  SSI_FAILS(link("dir", "third"), EPERM);
  SSI_FAILS(linkat(AT_FDCWD, "file", AT_FDCWD, "third", 4), EINVAL);
  SSI_OK(syscall(SYS_unlink, "file"));
  SSI_TRUE(Read("second") == "text");
  SSI_OK(syscall(SYS_symlink, "../to/nowhere", "link"));
  SSI_EQ(Status("link").st_mode & S_IFMT, S_IFLNK);
  SSI_EQ(Status("link").st_size, 13);
  SSI_FAILS(symlink("x", "link"), EEXIST);
  SSI_FAILS(symlink("", "empty"), ENOENT);
  char target[64];
  memset(target, '#', sizeof target);
  SSI_EQ(syscall(SYS_readlink, "link", target, sizeof target), 13);
  SSI_EQ(memcmp(target, "../to/nowhere#", 14), 0);
  memset(target, '#', sizeof target);
  SSI_EQ(readlink("link", target, 5), 5);  // cut, no error
  SSI_EQ(memcmp(target, "../to#", 6), 0);
  SSI_FAILS(readlink("second", target, 5), EINVAL);
  SSI_FAILS(syscall(SYS_readlink, "link", target, 0), EINVAL);
  const int fd = SSI_OK(open("dir", O_RDONLY | O_DIRECTORY));
  const std::string longest(255, 'l');
  SSI_OK(symlinkat(std::string(4000, 't').c_str(), fd, longest.c_str()));
  static char all[5000];
  SSI_EQ(readlinkat(fd, longest.c_str(), all, sizeof all), 4000);
  SSI_OK(linkat(AT_FDCWD, "link", fd, "hard", 0));  // the link itself
  SSI_EQ(Status("dir/hard").st_ino, Status("link").st_ino);
  SSI_FAILS(linkat(AT_FDCWD, "link", fd, "x", AT_SYMLINK_FOLLOW), ENOENT);
  SSI_OK(unlinkat(fd, longest.c_str(), 0));
  SSI_OK(unlinkat(fd, "hard", 0));
  SSI_OK(close(fd));
  SSI_OK(rmdir("dir"));
  SSI_OK(unlink("link"));
  SSI_OK(unlink("second"));
}

void CurrentDirectory() {
  const std::string start = Cwd();
  const int back = SSI_OK(open(".", O_RDONLY | O_DIRECTORY));
  SSI_OK(mkdir("one", 0755));
  SSI_OK(mkdir("one/two", 0755));
  Make("file");
  SSI_OK(chdir("one/two"));
  SSI_TRUE(Cwd() == start + "/one/two");
  SSI_OK(chdir(".."));
  SSI_TRUE(Cwd() == start + "/one");
  SSI_FAILS(chdir("missing"), ENOENT);
  SSI_FAILS(chdir("../file"), ENOTDIR);
  char small[4];
  SSI_FAILS(syscall(SYS_getcwd, small, sizeof small), ERANGE);
  SSI_OK(rename("../one", "../renamed"));  // of the directory one is in
  SSI_TRUE(Cwd() == start + "/renamed");
  SSI_OK(chdir("two"));
  SSI_OK(rmdir("../two"));
  char gone[4096];
  SSI_FAILS(syscall(SYS_getcwd, gone, sizeof gone), ENOENT);
  SSI_FAILS(mkdir("new", 0755), ENOENT);
  SSI_OK(chdir("."));
  guest::Compute(1);
  SSI_OK(chdir(".."));  // an unlinked directory still knows its parent
  SSI_TRUE(Cwd() == start + "/renamed");
  SSI_OK(fchdir(back));
  SSI_TRUE(Cwd() == start);
  const int file = SSI_OK(open("file", O_RDONLY));
  SSI_FAILS(fchdir(file), ENOTDIR);
  SSI_FAILS(fchdir(-1), EBADF);
  SSI_OK(close(file));
  char link[4096] = {};
  SSI_OK(readlink("/proc/self/cwd", link, sizeof link - 1));
  SSI_TRUE(start == link);
  SSI_OK(close(back));
  SSI_OK(rmdir("renamed"));
  SSI_OK(unlink("file"));
}

}  // namespace

int main(int argc, char** argv) {
  umask(022);
  return guest::RunInDirectory(guest::Seconds(argc, argv),
                               {{"make and remove", MakeAndRemove},
                                {"renames", Renames},
                                {"links", Links},
                                {"current directory", CurrentDirectory}});
}
