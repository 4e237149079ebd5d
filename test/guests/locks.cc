// File locks within one process: those of the process (POSIX), those of the
// open file (OFD), flock. They are held while it computes and must still be
// there afterwards. Argument: SECONDS.
#include <fcntl.h>
#include <sys/file.h>

#include "guest.h"

namespace {

int OpenFile(int flags = O_RDWR) {
  return SSI_OK(open("locked", flags | O_CREAT, 0600));
}

struct flock Range(int type, long start, long size, int whence = SEEK_SET) {
  struct flock range {};
  range.l_type = static_cast<short>(type);
  range.l_whence = static_cast<short>(whence);
  range.l_start = start;
  range.l_len = size;
  return range;
}

int Lock(int fd, int command, struct flock range) {
  return fcntl(fd, command, &range);
}

// The lock that stands in the way of `range`, asked for by another open file.
struct flock Ask(int fd, int command, struct flock range) {
  SSI_OK(fcntl(fd, command, &range));
  return range;
}

void OfTheProcess() {
  const int fd = OpenFile();
  const int other = OpenFile();
  SSI_OK(Lock(fd, F_SETLK, Range(F_WRLCK, 100, 50)));
  SSI_OK(Lock(other, F_SETLK, Range(F_WRLCK, 120, 50)));  // never with itself
  SSI_OK(Lock(fd, F_SETLKW, Range(F_RDLCK, 110, 10)));
  SSI_EQ(Ask(other, F_GETLK, Range(F_WRLCK, 0, 0)).l_type, F_UNLCK);
  guest::Compute(2);
  // An OFD lock does stand against them: it shows what is held.
  struct flock found = Ask(other, F_OFD_GETLK, Range(F_WRLCK, 0, 0));
  SSI_EQ(found.l_type, F_WRLCK);
  SSI_EQ(found.l_start, 100);
  SSI_EQ(found.l_len, 10);
  SSI_EQ(found.l_pid, getpid());
  found = Ask(other, F_OFD_GETLK, Range(F_WRLCK, 110, 1));
  SSI_EQ(found.l_type, F_RDLCK);
  SSI_EQ(found.l_start, 110);
  SSI_EQ(found.l_len, 10);
  found = Ask(other, F_OFD_GETLK, Range(F_RDLCK, 110, 10));
  SSI_EQ(found.l_type, F_UNLCK);
  SSI_OK(Lock(fd, F_SETLK, Range(F_UNLCK, 130, 10)));  // a hole
  found = Ask(other, F_OFD_GETLK, Range(F_WRLCK, 120, 100));
  SSI_EQ(found.l_start, 120);
  SSI_EQ(found.l_len, 10);
  found = Ask(other, F_OFD_GETLK, Range(F_WRLCK, 130, 100));
  SSI_EQ(found.l_start, 140);
  SSI_EQ(found.l_len, 30);
  // Any close of the file drops all of the process's locks on it.
  SSI_OK(close(OpenFile()));
  found = Ask(other, F_OFD_GETLK, Range(F_WRLCK, 0, 0));
  SSI_EQ(found.l_type, F_UNLCK);
  SSI_OK(close(fd));
  SSI_OK(close(other));
}

void OfTheOpenFile() {
  const int fd = OpenFile();
  const int other = OpenFile();
  const int copy = SSI_OK(dup(fd));
  SSI_OK(Lock(fd, F_OFD_SETLK, Range(F_WRLCK, 0, 10)));
  SSI_FAILS(Lock(other, F_OFD_SETLK, Range(F_WRLCK, 5, 10)), EAGAIN);
  SSI_FAILS(Lock(other, F_SETLK, Range(F_RDLCK, 5, 10)), EAGAIN);
  SSI_OK(Lock(other, F_OFD_SETLK, Range(F_WRLCK, 10, 10)));
  SSI_OK(Lock(copy, F_OFD_SETLKW, Range(F_RDLCK, 0, 10)));  // the same owner
  SSI_OK(Lock(other, F_OFD_SETLK, Range(F_RDLCK, 5, 5)));
  guest::Compute(2);
  const struct flock found = Ask(fd, F_OFD_GETLK, Range(F_WRLCK, 0, 0));
  SSI_EQ(found.l_type, F_RDLCK);
  SSI_EQ(found.l_start, 5);
  SSI_EQ(found.l_len, 5);
  SSI_EQ(found.l_pid, -1);
  SSI_OK(close(OpenFile()));  // a close elsewhere drops nothing
  SSI_FAILS(Lock(fd, F_OFD_SETLK, Range(F_WRLCK, 0, 0)), EAGAIN);
  SSI_OK(close(fd));  // the copy still holds it
  SSI_FAILS(Lock(other, F_OFD_SETLK, Range(F_WRLCK, 0, 5)), EAGAIN);
  SSI_OK(close(copy));
  SSI_OK(Lock(other, F_OFD_SETLK, Range(F_WRLCK, 0, 0)));
  SSI_OK(close(other));
}

void Ranges() {
  const int fd = OpenFile();
  const int other = OpenFile();
  SSI_OK(ftruncate(fd, 1000));
  SSI_OK(Lock(fd, F_SETLK, Range(F_WRLCK, -10, 5, SEEK_END)));
  struct flock found = Ask(other, F_OFD_GETLK, Range(F_WRLCK, 0, 0));
  SSI_EQ(found.l_start, 990);
  SSI_EQ(found.l_len, 5);
  SSI_EQ(lseek(fd, 500, SEEK_SET), 500);
  SSI_OK(Lock(fd, F_SETLK, Range(F_WRLCK, 3, -3, SEEK_CUR)));
  found = Ask(other, F_OFD_GETLK, Range(F_WRLCK, 0, 600));
  SSI_EQ(found.l_start, 500);
  SSI_EQ(found.l_len, 3);
  SSI_OK(Lock(fd, F_SETLK, Range(F_WRLCK, 400, 0)));  // to the end of all files
  found = Ask(other, F_OFD_GETLK, Range(F_WRLCK, 5000, 1));
  SSI_EQ(found.l_start, 400);
  SSI_EQ(found.l_len, 0);
  SSI_FAILS(Lock(fd, F_SETLK, Range(F_WRLCK, -1, 5)), EINVAL);
  SSI_FAILS(Lock(fd, F_SETLK, Range(77, 0, 5)), EINVAL);
  SSI_FAILS(Lock(fd, F_SETLK, Range(F_WRLCK, 0, 5, 9)), EINVAL);
  struct flock with_pid = Range(F_WRLCK, 0, 5);
  with_pid.l_pid = 1;
  SSI_FAILS(fcntl(fd, F_OFD_SETLK, &with_pid), EINVAL);
  SSI_FAILS(Lock(-1, F_SETLK, Range(F_WRLCK, 0, 5)), EBADF);
  const int read_only = OpenFile(O_RDONLY);
  SSI_FAILS(Lock(read_only, F_SETLK, Range(F_WRLCK, 0, 5)), EBADF);
  SSI_OK(Lock(read_only, F_SETLK, Range(F_RDLCK, 0, 5)));
  SSI_OK(close(read_only));
  SSI_OK(close(fd));
  SSI_OK(close(other));
}

void WholeFiles() {
  const int fd = OpenFile();
  const int other = OpenFile();
  const int copy = SSI_OK(dup(fd));
  SSI_OK(flock(fd, LOCK_EX));
  SSI_FAILS(flock(other, LOCK_EX | LOCK_NB), EWOULDBLOCK);
  SSI_FAILS(flock(other, LOCK_SH | LOCK_NB), EWOULDBLOCK);
  SSI_OK(flock(copy, LOCK_EX | LOCK_NB));              // the same open file
  SSI_OK(Lock(other, F_SETLK, Range(F_WRLCK, 0, 0)));  // another kind
  guest::Compute(2);
  SSI_FAILS(flock(other, LOCK_SH | LOCK_NB), EWOULDBLOCK);
  SSI_OK(flock(copy, LOCK_SH));
  SSI_OK(flock(other, LOCK_SH | LOCK_NB));
  SSI_FAILS(flock(fd, LOCK_EX | LOCK_NB), EWOULDBLOCK);
  // A conversion that fails has lost the old lock.
  SSI_OK(flock(other, LOCK_EX | LOCK_NB));
  SSI_OK(flock(other, LOCK_UN));
  SSI_OK(flock(copy, LOCK_EX));
  SSI_OK(close(fd));
  SSI_FAILS(flock(other, LOCK_EX | LOCK_NB), EWOULDBLOCK);
  SSI_OK(close(copy));
  SSI_OK(flock(other, LOCK_EX | LOCK_NB));
  SSI_FAILS(flock(other, 0), EINVAL);
  SSI_FAILS(flock(-1, LOCK_EX), EBADF);
  SSI_OK(close(other));
}

}  // namespace

int main(int argc, char** argv) {
  return guest::RunInDirectory(guest::Seconds(argc, argv),
                               {{"of the process", OfTheProcess},
                                {"of the open file", OfTheOpenFile},
                                {"ranges", Ranges},
                                {"whole files", WholeFiles}},
                               [] { SSI_OK(unlink("locked")); });
}
