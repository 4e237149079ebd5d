// Descriptor numbers: the lowest free one, duplicates, ranges, limits, the
// order of errors. Argument: SECONDS.
#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/resource.h>

#include "guest.h"

namespace {

int Dup2(int from, int to) {
  return static_cast<int>(syscall(SYS_dup2, from, to));
}

int Null() {
  return SSI_OK(open("/dev/null", O_RDWR));
}

bool IsOpen(int fd) {
  return fcntl(fd, F_GETFD) >= 0;
}

void SetLimit(rlim_t soft) {
  rlimit limit{};
  SSI_OK(getrlimit(RLIMIT_NOFILE, &limit));
  limit.rlim_cur = soft;
  SSI_OK(setrlimit(RLIMIT_NOFILE, &limit));
}

void LowestNumber() {
  SSI_EQ(Null(), 3);
  SSI_EQ(Null(), 4);
  SSI_EQ(Null(), 5);
  SSI_OK(close(4));
  SSI_EQ(dup(5), 4);
  SSI_OK(close(3));
  int ends[2];
  SSI_OK(syscall(SYS_pipe, ends));
  SSI_EQ(ends[0], 3);
  SSI_EQ(ends[1], 6);
  SSI_OK(close(4));
  SSI_EQ(fcntl(3, F_DUPFD, 0), 4);
  SSI_EQ(fcntl(3, F_DUPFD, 5), 7);
  SSI_EQ(fcntl(3, F_DUPFD, 100), 100);
  SSI_EQ(fcntl(3, F_DUPFD_CLOEXEC, 100), 101);
  SSI_EQ(fcntl(100, F_GETFD), 0);
  SSI_EQ(fcntl(101, F_GETFD), FD_CLOEXEC);
  for (const int fd : {3, 4, 5, 6, 7, 100, 101}) {
    SSI_OK(close(fd));
  }
  SSI_FAILS(close(3), EBADF);
  SSI_EQ(Null(), 3);
  SSI_OK(close(3));
}

void Duplicates() {
  const int fd = SSI_OK(open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  SSI_EQ(write(fd, "0123456789", 10), 10);
  const int copy = SSI_OK(dup(fd));
  SSI_EQ(fcntl(copy, F_GETFD), 0);  // CLOEXEC is the number's
  SSI_EQ(lseek(fd, 2, SEEK_SET), 2);
  SSI_EQ(lseek(copy, 0, SEEK_CUR), 2);  // the position is the description's
  guest::Compute(1);
  SSI_EQ(lseek(copy, 3, SEEK_CUR), 5);
  SSI_EQ(lseek(fd, 0, SEEK_CUR), 5);
  SSI_OK(fcntl(copy, F_SETFL, O_APPEND));
  SSI_EQ(fcntl(fd, F_GETFL) & O_APPEND, O_APPEND);
  SSI_EQ(Dup2(fd, fd), fd);
  SSI_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);  // nothing happened
  SSI_EQ(Dup2(fd, 50), 50);
  SSI_EQ(fcntl(50, F_GETFD), 0);
  SSI_EQ(dup3(fd, 51, O_CLOEXEC), 51);
  SSI_EQ(fcntl(51, F_GETFD), FD_CLOEXEC);
  int ends[2];
  SSI_OK(pipe(ends));
  SSI_EQ(Dup2(fd, ends[1]), ends[1]);  // closes the pipe's only writer
  char byte = 0;
  SSI_EQ(read(ends[0], &byte, 1), 0);
  SSI_EQ(lseek(ends[1], 0, SEEK_CUR), 5);
  for (const int each : {fd, copy, 50, 51, ends[0], ends[1]}) {
    SSI_OK(close(each));
  }
  SSI_OK(unlink("file"));
}

void ErrorsOfDuplicates() {
  const int fd = Null();
  SetLimit(200);
  SSI_FAILS(dup(-1), EBADF);
  SSI_FAILS(dup(77), EBADF);
  SSI_FAILS(Dup2(77, fd), EBADF);  // and fd stays open
  SSI_TRUE(IsOpen(fd));
  SSI_FAILS(Dup2(77, 77), EBADF);
  SSI_FAILS(Dup2(fd, -1), EBADF);
  SSI_FAILS(Dup2(fd, 200), EBADF);
  SSI_FAILS(Dup2(77, 200), EBADF);
  SSI_FAILS(dup3(fd, fd, 0), EINVAL);
  SSI_FAILS(dup3(77, 77, 0), EINVAL);
  SSI_FAILS(dup3(fd, 60, O_NONBLOCK), EINVAL);
  SSI_FAILS(dup3(77, 60, O_NONBLOCK), EINVAL);
  SSI_FAILS(dup3(fd, 200, 0), EBADF);
  SSI_FAILS(fcntl(fd, F_DUPFD, 200), EINVAL);
  SSI_FAILS(fcntl(fd, F_DUPFD, -1), EINVAL);
  SSI_FAILS(fcntl(77, F_DUPFD, 200), EBADF);
  SSI_FAILS(close(-1), EBADF);
  SSI_FAILS(close(200), EBADF);
  SSI_OK(close(fd));
}

void Limit() {
  SetLimit(40);
  const int file = Null();
  SSI_EQ(Dup2(file, 39), 39);
  int last = 0;
  while (last < 38) {
    last = SSI_OK(dup(file));
  }
  SSI_FAILS(dup(file), EMFILE);
  SSI_FAILS(open("/dev/null", O_RDONLY), EMFILE);
  SSI_FAILS(open("missing", O_RDONLY), EMFILE);  // before the path is looked at
  SSI_FAILS(fcntl(file, F_DUPFD, 10), EMFILE);
  int ends[2] = {-5, -6};
  SSI_FAILS(pipe(ends), EMFILE);
  SSI_OK(close(20));
  SSI_FAILS(pipe(ends), EMFILE);  // a pipe needs two; neither is taken
  SSI_TRUE(!IsOpen(20) && ends[0] == -5 && ends[1] == -6);
  SSI_EQ(dup(file), 20);
  SetLimit(10);
  SSI_TRUE(IsOpen(39));  // those above a lowered limit live on
  SSI_EQ(write(39, "x", 1), 1);
  guest::Compute(2);
  SSI_TRUE(IsOpen(39));
  SSI_FAILS(dup(file), EMFILE);
  SSI_OK(close(5));
  SSI_EQ(dup(39), 5);
  SetLimit(200);
  SSI_OK(syscall(SYS_close_range, 3, ~0U, 0));
}

void Ranges() {
  const int fd = Null();
  for (const int at : {10, 11, 12, 14, 20, 150}) {
    SSI_EQ(Dup2(fd, at), at);
  }
  SSI_OK(syscall(SYS_close_range, 11, 14, 0));
  SSI_TRUE(IsOpen(10) && !IsOpen(11) && !IsOpen(12) && !IsOpen(14));
  SSI_TRUE(IsOpen(20));
  SSI_OK(syscall(SYS_close_range, 15, 19, 0));  // nothing there
  SSI_OK(syscall(SYS_close_range, 20, ~0U, CLOSE_RANGE_CLOEXEC));
  SSI_EQ(fcntl(20, F_GETFD), FD_CLOEXEC);
  SSI_EQ(fcntl(150, F_GETFD), FD_CLOEXEC);
  SSI_EQ(fcntl(10, F_GETFD), 0);
  SSI_OK(syscall(SYS_close_range, 150, 150, CLOSE_RANGE_UNSHARE));
  SSI_TRUE(!IsOpen(150));
  SSI_FAILS(syscall(SYS_close_range, 12, 11, 0), EINVAL);
  SSI_FAILS(syscall(SYS_close_range, 11, 12, 1U << 20), EINVAL);
  SSI_OK(syscall(SYS_close_range, 3, ~0U, 0));
  SSI_EQ(Null(), 3);
  SSI_OK(close(3));
}

// Numbers and flags stay what they are while it computes.
void Lasting() {
  for (int i = 20; i < 40; ++i) {
    const int fd = SSI_OK(open("/dev/zero", O_RDONLY));
    SSI_EQ(Dup2(fd, 3 * i), 3 * i);
    SSI_OK(fcntl(3 * i, F_SETFD, i % 2));
    SSI_OK(fcntl(3 * i, F_SETFL, i % 3 == 0 ? O_NONBLOCK : 0));
    SSI_OK(close(fd));
  }
  guest::Compute(5);
  for (int fd = 3; fd < 200; ++fd) {
    const int i = fd / 3;
    if (fd % 3 != 0 || i < 20 || i >= 40) {
      SSI_TRUE(!IsOpen(fd));
      continue;
    }
    SSI_EQ(fcntl(fd, F_GETFD), i % 2);
    SSI_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, i % 3 == 0 ? O_NONBLOCK : 0);
  }
  SSI_OK(syscall(SYS_close_range, 3, ~0U, 0));
}

}  // namespace

int main(int argc, char** argv) {
  SSI_OK(syscall(SYS_close_range, 3, ~0U, 0));
  SetLimit(200);
  return guest::RunInDirectory(guest::Seconds(argc, argv),
                               {{"lowest number", LowestNumber},
                                {"duplicates", Duplicates},
                                {"errors of duplicates", ErrorsOfDuplicates},
                                {"limit", Limit},
                                {"ranges", Ranges},
                                {"lasting", Lasting}});
}
