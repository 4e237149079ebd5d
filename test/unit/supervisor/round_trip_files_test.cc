// Paths, metadata, directories and descriptors against the kernel.
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <termios.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "base/unique_fd.h"
#include "unit/supervisor/round_trip.h"

namespace ssi::supervisor {
namespace {

constexpr std::uint64_t kTcgets2 = 0x802c542a;  // not in glibc
const std::string kText = "some text\n";

// A file with kText.
std::string MakeFile(const TempDir& dir, const std::string& name) {
  std::string path = dir / name;
  UniqueFd fd = Open(path, O_WRONLY | O_CREAT | O_EXCL, 0640).value();
  REQUIRE(WriteAll(fd.get(), kText.data(), kText.size()));
  return path;
}

TEST_CASE("open, create, stat, rename, unlink", "[round]") {
  TempDir dir;
  RoundTrip call;
  std::string path = dir / "file";
  std::string other = dir / "other";
  auto fd = static_cast<int>(
      call(SYS_openat, AT_FDCWD, path.c_str(), O_RDWR | O_CREAT, 0644));
  REQUIRE(fd >= 0);
  UniqueFd file(fd);
  CHECK(call(SYS_write, fd, kText.data(), kText.size()) == 10);
  struct stat native {};
  struct stat forwarded {};
  std::memset(&forwarded, 0xee, sizeof(forwarded));
  REQUIRE(::stat(path.c_str(), &native) == 0);
  for (auto [nr, args] : std::vector<std::pair<int, CallArgs>>{
           {SYS_stat, {Word(path.c_str()), Word(&forwarded)}},
           {SYS_lstat, {Word(path.c_str()), Word(&forwarded)}},
           {SYS_fstat, {Word(fd), Word(&forwarded)}},
           {SYS_newfstatat,
            {Word(AT_FDCWD), Word(path.c_str()), Word(&forwarded), 0}}}) {
    std::memset(&forwarded, 0xee, sizeof(forwarded));
    CHECK(call.Call(nr, args) == 0);
    CHECK(std::memcmp(&native, &forwarded, sizeof(native)) == 0);
  }
  CHECK(call(SYS_rename, path.c_str(), other.c_str()) == 0);
  CHECK(call(SYS_access, path.c_str(), F_OK) == -ENOENT);
  CHECK(call(SYS_link, other.c_str(), path.c_str()) == 0);
  CHECK(call(SYS_renameat2, AT_FDCWD, path.c_str(), AT_FDCWD, other.c_str(),
             RENAME_NOREPLACE) == -EEXIST);
  CHECK(call(SYS_unlink, path.c_str()) == 0);
  CHECK(call(SYS_unlinkat, AT_FDCWD, other.c_str(), 0) == 0);
}

TEST_CASE("paths that are bad are home's to refuse", "[round]") {
  EdgePage edge;
  TempDir dir;
  std::string longest(4095, 'x');
  std::string too_long(4096, 'x');
  std::string slashes = dir.path + std::string(4095 - dir.path.size(), '/');
  std::memset(edge.Last(4096), 'y', 4096);
  for (std::uint64_t path :
       {Word(longest.c_str()), Word(too_long.c_str()), Word(slashes.c_str()),
        Word(edge.Last(4)), Word(edge.Last(4096)), Word(edge.Bad()),
        std::uint64_t{0}, ~std::uint64_t{0}, Word("")}) {
    RoundTrip call;
    struct stat info {};
    for (int dir_fd : {AT_FDCWD, 999}) {
      CallArgs args{Word(dir_fd), path, Word(&info), 0};
      INFO(path);
      CHECK(call.Call(SYS_newfstatat, args) == RawCall(SYS_newfstatat, args));
    }
  }
  // A path right at the end of what is mapped is fine.
  RoundTrip call;
  std::memcpy(edge.Last(2), "/", 2);
  CHECK(call(SYS_access, edge.Last(2), R_OK) == 0);
}

TEST_CASE("links", "[round]") {
  TempDir dir;
  RoundTrip call;
  std::string link = dir / "link";
  std::string target(4095, 'z');
  CHECK(call(SYS_symlink, target.c_str(), link.c_str()) == 0);
  std::vector<char> text(20000, '#');
  CHECK(call(SYS_readlink, link.c_str(), text.data(), text.size()) == 4095);
  CHECK(std::string(text.data(), 4095) == target);
  CHECK(text[4095] == '#');
  CHECK(call(SYS_readlinkat, AT_FDCWD, link.c_str(), text.data(), 3) == 3);
  for (int size : {0, -1, -5}) {
    CallArgs args{Word(link.c_str()), Word(text.data()), Word(size)};
    CHECK(call.Call(SYS_readlink, args) == RawCall(SYS_readlink, args));
  }
}

TEST_CASE("directories", "[round]") {
  TempDir dir;
  RoundTrip call;
  CHECK(call(SYS_mkdir, (dir / "sub").c_str(), 0755) == 0);
  for (int i = 0; i < 50; ++i) {
    MakeFile(dir, "entry" + std::to_string(i));
  }
  UniqueFd folder = Open(dir.path, O_RDONLY | O_DIRECTORY).value();
  for (std::size_t size : {std::size_t{400}, std::size_t{1} << 21}) {
    std::vector<char> native(size);
    std::vector<char> forwarded(size);
    REQUIRE(::lseek(folder.get(), 0, SEEK_SET) == 0);
    std::int64_t n = RawCall(
        SYS_getdents64, {Word(folder.get()), Word(native.data()), Word(size)});
    REQUIRE(::lseek(folder.get(), 0, SEEK_SET) == 0);
    CHECK(call(SYS_getdents64, folder.get(), forwarded.data(), size) == n);
    REQUIRE(n > 0);
    CHECK(std::memcmp(native.data(), forwarded.data(),
                      static_cast<std::size_t>(n)) == 0);
  }
  char cwd[64] = {};
  char before[4096] = {};
  CHECK(call(SYS_getcwd, before, sizeof(before)) > 1);
  CHECK(call(SYS_chdir, dir.path.c_str()) == 0);
  CHECK(call(SYS_getcwd, cwd, sizeof(cwd)) ==
        static_cast<std::int64_t>(dir.path.size()) + 1);
  CHECK(std::string(cwd) == dir.path);
  CHECK(call(SYS_getcwd, cwd, 3) == -ERANGE);
  CHECK(call(SYS_fchdir, folder.get()) == 0);
  CHECK(call(SYS_rmdir, (dir / "sub").c_str()) == 0);
  REQUIRE(::chdir(before) == 0);
}

TEST_CASE("metadata is changed and read", "[round]") {
  TempDir dir;
  RoundTrip call;
  std::string path = MakeFile(dir, "file");
  CHECK(call(SYS_chmod, path.c_str(), 0600) == 0);
  CHECK(call(SYS_fchmodat, AT_FDCWD, path.c_str(), 0640) == 0);
  timespec times[2] = {{1000, 5}, {2000, 7}};
  CHECK(call(SYS_utimensat, AT_FDCWD, path.c_str(), times, 0) == 0);
  struct statx native {};
  struct statx forwarded {};
  REQUIRE(::statx(AT_FDCWD, path.c_str(), 0, STATX_ALL, &native) == 0);
  CHECK(call(SYS_statx, AT_FDCWD, path.c_str(), 0, STATX_ALL, &forwarded) == 0);
  CHECK(std::memcmp(&native, &forwarded, sizeof(native)) == 0);
  CHECK(forwarded.stx_mtime.tv_sec == 2000);
  CHECK((forwarded.stx_mode & 0777) == 0640);
  CHECK(call(SYS_truncate, path.c_str(), 4) == 0);
  UniqueFd fd = Open(path, O_RDWR).value();
  CHECK(call(SYS_lseek, fd.get(), 0, SEEK_END) == 4);
  CHECK(call(SYS_ftruncate, fd.get(), 100) == 0);
  CHECK(call(SYS_fallocate, fd.get(), 0, 0, 300) == 0);
  CHECK(call(SYS_fsync, fd.get()) == 0);
  struct statfs fs_native {};
  struct statfs fs_forwarded {};
  REQUIRE(::fstatfs(fd.get(), &fs_native) == 0);
  CHECK(call(SYS_statfs, path.c_str(), &fs_forwarded) == 0);
  CHECK(fs_forwarded.f_type == fs_native.f_type);
  CHECK(call(SYS_utimensat, fd.get(), 0, 0, 0) == 0);  // now, by descriptor
}

TEST_CASE("openat2 and other extensible structs", "[round]") {
  RoundTrip call;
  struct open_how how {};
  how.flags = O_RDONLY | O_CLOEXEC;
  how.resolve = RESOLVE_NO_SYMLINKS;
  std::int64_t fd =
      call(SYS_openat2, AT_FDCWD, "/etc/passwd", &how, sizeof(how));
  REQUIRE(fd >= 0);
  UniqueFd opened(static_cast<int>(fd));
  std::array<std::byte, 5000> larger{};
  std::memcpy(larger.data(), &how, sizeof(how));
  for (std::size_t size : {std::size_t{0}, std::size_t{8}, std::size_t{23},
                           std::size_t{5000}, ~std::size_t{0}}) {
    CallArgs args{Word(AT_FDCWD), Word("/etc/passwd"), Word(larger.data()),
                  size};
    INFO(size);
    CHECK(call.Call(SYS_openat2, args) == RawCall(SYS_openat2, args));
  }
  fd = call(SYS_openat2, AT_FDCWD, "/etc/passwd", larger.data(), 4096);
  CHECK(fd >= 0);
  ::close(static_cast<int>(fd));
  larger[4000] = std::byte{1};  // an unknown extension
  CHECK(call(SYS_openat2, AT_FDCWD, "/etc/passwd", larger.data(), 4096) ==
        -E2BIG);
}

TEST_CASE("file handles", "[round]") {
  TempDir dir;
  RoundTrip call;
  std::string path = MakeFile(dir, "file");
  alignas(8) std::array<unsigned char, 8 + 128> native{};
  alignas(8) std::array<unsigned char, 8 + 128> forwarded{};
  int native_id = 0;
  int forwarded_id = 0;
  for (unsigned bytes : {0U, 4U, 128U, 129U}) {
    std::memcpy(native.data(), &bytes, 4);
    std::memcpy(forwarded.data(), &bytes, 4);
    std::int64_t expected = RawCall(SYS_name_to_handle_at,
                                    {Word(AT_FDCWD), Word(path.c_str()),
                                     Word(native.data()), Word(&native_id), 0});
    CHECK(call(SYS_name_to_handle_at, AT_FDCWD, path.c_str(), forwarded.data(),
               &forwarded_id, 0) == expected);
    CHECK(forwarded == native);
    CHECK(forwarded_id == native_id);
  }
  for (unsigned bytes : {0U, 4U, 8U, 129U, 0x80000000U}) {
    std::memcpy(forwarded.data(), &bytes, 4);
    CallArgs args{Word(AT_FDCWD), Word(forwarded.data()), O_RDONLY};
    std::int64_t expected = RawCall(SYS_open_by_handle_at, args);
    std::int64_t result = call.Call(SYS_open_by_handle_at, args);
    CHECK((expected < 0 ? expected == result : result >= 0));
    for (std::int64_t fd : {expected, result}) {
      if (fd >= 0) {
        ::close(static_cast<int>(fd));
      }
    }
  }
}

TEST_CASE("fcntl by command", "[round]") {
  TempDir dir;
  RoundTrip call;
  UniqueFd fd = Open(MakeFile(dir, "file"), O_RDWR).value();
  std::int64_t copy = call(SYS_fcntl, fd.get(), F_DUPFD_CLOEXEC, 100);
  CHECK(copy >= 100);
  CHECK(call(SYS_fcntl, static_cast<int>(copy), F_GETFD) == FD_CLOEXEC);
  CHECK(call(SYS_close, static_cast<int>(copy)) == 0);
  CHECK(call(SYS_fcntl, fd.get(), F_GETFL) == ::fcntl(fd.get(), F_GETFL));
  CHECK(call(SYS_fcntl, fd.get(), F_SETFL, O_APPEND) == 0);
  CHECK((::fcntl(fd.get(), F_GETFL) & O_APPEND) != 0);
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_len = 5;
  CHECK(call(SYS_fcntl, fd.get(), F_SETLK, &lock) == 0);
  UniqueFd other = Open(dir / "file", O_RDWR).value();
  struct flock ask = lock;
  CHECK(call(SYS_fcntl, other.get(), F_OFD_GETLK, &ask) == 0);
  CHECK(ask.l_type == F_WRLCK);
  CHECK(ask.l_pid == ::getpid());
  lock.l_pid = 1;
  CHECK(call(SYS_fcntl, other.get(), F_OFD_SETLK, &lock) == -EINVAL);
  lock.l_pid = 0;
  CHECK(call(SYS_fcntl, other.get(), F_OFD_SETLK, &lock) == -EAGAIN);
  std::uint64_t hint = 2;
  CHECK(call(SYS_fcntl, fd.get(), F_SET_RW_HINT, &hint) == 0);
  hint = 0;
  CHECK(call(SYS_fcntl, fd.get(), F_GET_RW_HINT, &hint) == 0);
  CHECK(hint == 2);
  f_owner_ex owner{F_OWNER_PID, ::getpid()};
  CHECK(call(SYS_fcntl, fd.get(), F_SETOWN_EX, &owner) == 0);
  owner.pid = 0;
  CHECK(call(SYS_fcntl, fd.get(), F_GETOWN_EX, &owner) == 0);
  CHECK(owner.pid == ::getpid());
  CHECK(call(SYS_fcntl, fd.get(), 4711, &owner) == -EINVAL);
  EdgePage edge;
  for (int target : {fd.get(), 999}) {
    CallArgs args{Word(target), F_GETLK, Word(edge.Bad())};
    CHECK(call.Call(SYS_fcntl, args) == RawCall(SYS_fcntl, args));
  }
}

TEST_CASE("terminals", "[round]") {
  RoundTrip call;
  UniqueFd master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  REQUIRE(master.valid());
  int locked = 0;
  CHECK(call(SYS_ioctl, master.get(), TIOCSPTLCK, &locked) == 0);
  unsigned number = 0;
  CHECK(call(SYS_ioctl, master.get(), TIOCGPTN, &number) == 0);
  std::int64_t fd =
      call(SYS_ioctl, master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY);
  REQUIRE(fd >= 0);
  UniqueFd terminal(static_cast<int>(fd));
  std::array<unsigned char, 60> native{};
  std::array<unsigned char, 60> forwarded{};
  REQUIRE(::syscall(SYS_ioctl, fd, TCGETS, native.data()) == 0);
  CHECK(call(SYS_ioctl, fd, TCGETS, forwarded.data()) == 0);
  CHECK(native == forwarded);
  forwarded[12] &= static_cast<unsigned char>(~ECHO);
  CHECK(call(SYS_ioctl, fd, TCSETSW, forwarded.data()) == 0);
  CHECK(call(SYS_ioctl, fd, kTcgets2, native.data()) == 0);
  CHECK((native[12] & ECHO) == 0);
  winsize size{24, 80, 0, 0};
  CHECK(call(SYS_ioctl, master.get(), TIOCSWINSZ, &size) == 0);
  winsize read{};
  CHECK(call(SYS_ioctl, fd, TIOCGWINSZ, &read) == 0);
  CHECK(read.ws_col == 80);
  CHECK(call(SYS_write, master.get(), "ab\n", 3) == 3);
  pollfd arrived{terminal.get(), POLLIN, 0};
  REQUIRE(::poll(&arrived, 1, 5000) == 1);
  int waiting = 0;
  CHECK(call(SYS_ioctl, fd, FIONREAD, &waiting) == 0);
  CHECK(waiting == 3);
  int group = 0;
  CallArgs args{Word(fd), TIOCGPGRP, Word(&group)};
  CHECK(call.Call(SYS_ioctl, args) == RawCall(SYS_ioctl, args));
  for (int request : {TCGETS, TIOCGWINSZ, TIOCSCTTY, TCFLSH}) {
    CallArgs on_file{Word(999), Word(request), Word(&group)};
    CHECK(call.Call(SYS_ioctl, on_file) == RawCall(SYS_ioctl, on_file));
  }
}

TEST_CASE("ioctls of files", "[round]") {
  TempDir dir;
  RoundTrip call;
  UniqueFd fd = Open(MakeFile(dir, "file"), O_RDWR).value();
  for (std::uint64_t request :
       {std::uint64_t{FS_IOC_GETFLAGS}, std::uint64_t{FIGETBSZ},
        std::uint64_t{FS_IOC_FSGETXATTR}, std::uint64_t{FIONREAD},
        std::uint64_t{FIOCLEX}, std::uint64_t{BLKGETSIZE64}}) {
    std::array<unsigned char, 64> native{};
    std::array<unsigned char, 64> forwarded{};
    std::int64_t expected =
        RawCall(SYS_ioctl, {Word(fd.get()), request, Word(native.data())});
    INFO(std::hex << request);
    CHECK(call(SYS_ioctl, fd.get(), request, forwarded.data()) == expected);
    CHECK(forwarded == native);
  }
}

TEST_CASE("descriptors and pipes", "[round]") {
  RoundTrip call;
  EdgePage edge;
  int fds[2] = {-1, -1};
  CHECK(call(SYS_pipe, fds) == 0);
  UniqueFd reader(fds[0]);
  UniqueFd writer(fds[1]);
  CHECK(call(SYS_dup2, fds[0], 200) == 200);
  CHECK(call(SYS_dup3, fds[0], 201, O_CLOEXEC) == 201);
  CHECK(call(SYS_close_range, 200, 201, 0) == 0);
  CHECK(call(SYS_close, 200) == -EBADF);
  CHECK(call(SYS_flock, fds[0], LOCK_SH) == 0);
  // The guest cannot take the numbers: home closes both.
  CHECK(call(SYS_pipe, edge.Bad()) == -EFAULT);
  REQUIRE(call.undo.kind == UndoHint::Kind::kClosePair);
  CHECK(::close(call.undo.fd) == 0);
  CHECK(::close(call.undo.second_fd) == 0);
  CHECK(call(SYS_pipe, std::uint64_t{0}) == -EFAULT);
  std::int64_t memory = call(SYS_memfd_create, "name", 0);
  CHECK(memory >= 0);
  ::close(static_cast<int>(memory));
  std::string name(250, 'n');
  CHECK(call(SYS_memfd_create, name.c_str(), 0) == -EINVAL);
}

// Rows that come home for now and already have their arguments.
TEST_CASE("extended attributes are described already", "[round]") {
  CallRequest request;
  OwnMemory memory;
  std::array<char, 64> value{};
  MarshalIn(*FindCall("getxattr"),
            {Word("/tmp"), Word("user.one"), Word(value.data()), 64}, memory,
            request);
  CHECK(request.head.buffer_count == 3);
  CHECK(request.head.buffers[1].length == 9);
  CHECK(request.head.buffers[2].length == 64);
}

}  // namespace
}  // namespace ssi::supervisor
