// Holes, truncation, reserved space, flushing, copies: what a file is beyond
// its bytes. Argument: SECONDS.
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>

#include "guest.h"

namespace {

constexpr long kMib = 1 << 20;

long SizeOf(int fd) {
  struct stat status {};
  SSI_OK(fstat(fd, &status));
  return status.st_size;
}

int Fresh(const char* name) {
  return SSI_OK(open(name, O_RDWR | O_CREAT | O_TRUNC, 0600));
}

bool IsZeroAt(int fd, long at, long size) {
  static unsigned char buffer[64 << 10];
  while (size > 0) {
    const long want = size < 64 << 10 ? size : 64 << 10;
    SSI_EQ(pread(fd, buffer, static_cast<std::size_t>(want), at), want);
    if (!guest::IsZero(buffer, static_cast<std::size_t>(want))) {
      return false;
    }
    at += want;
    size -= want;
  }
  return true;
}

void Seeking() {
  const int fd = Fresh("seek");
  SSI_EQ(write(fd, "0123456789", 10), 10);
  SSI_EQ(lseek(fd, 4, SEEK_SET), 4);
  SSI_EQ(lseek(fd, -3, SEEK_CUR), 1);
  SSI_EQ(lseek(fd, -2, SEEK_END), 8);
  SSI_EQ(lseek(fd, 5 * kMib * kMib, SEEK_SET), 5 * kMib * kMib);
  SSI_FAILS(lseek(fd, -1, SEEK_SET), EINVAL);
  SSI_FAILS(lseek(fd, 0, 77), EINVAL);
  SSI_FAILS(lseek(fd, 10, SEEK_DATA), ENXIO);
  SSI_EQ(lseek(fd, 0, SEEK_DATA), 0);
  SSI_EQ(lseek(fd, 0, SEEK_HOLE), 10);
  SSI_FAILS(lseek(-1, 0, SEEK_SET), EBADF);
  int ends[2];
  SSI_OK(pipe(ends));
  SSI_FAILS(lseek(ends[0], 0, SEEK_CUR), ESPIPE);
  SSI_OK(close(ends[0]));
  SSI_OK(close(ends[1]));
  SSI_OK(close(fd));
  SSI_OK(unlink("seek"));
}

void Holes() {
  const int fd = Fresh("holes");
  unsigned char block[4096];
  guest::Fill(block, sizeof block, 5);
  SSI_EQ(pwrite(fd, block, sizeof block, kMib), sizeof block);
  SSI_EQ(pwrite(fd, block, sizeof block, 3 * kMib), sizeof block);
  SSI_EQ(SizeOf(fd), 3 * kMib + 4096);
  SSI_TRUE(IsZeroAt(fd, 0, kMib));
  SSI_TRUE(IsZeroAt(fd, kMib + 4096, 2 * kMib - 4096));
  // A file system may have larger blocks, or know of no holes at all.
  const long data = lseek(fd, 0, SEEK_DATA);
  SSI_TRUE(data >= 0 && data <= kMib);
  const long hole = lseek(fd, kMib, SEEK_HOLE);
  SSI_TRUE(hole >= kMib + 4096 && hole <= 3 * kMib + 4096);
  if (data == kMib) {
    SSI_EQ(lseek(fd, hole, SEEK_DATA), 3 * kMib);
  }
  SSI_EQ(lseek(fd, 3 * kMib, SEEK_HOLE), 3 * kMib + 4096);
  SSI_OK(close(fd));
  SSI_OK(unlink("holes"));
}

void Truncating() {
  const int fd = Fresh("cut");
  unsigned char block[10000];
  guest::Fill(block, sizeof block, 6);
  SSI_EQ(write(fd, block, sizeof block), sizeof block);
  SSI_OK(ftruncate(fd, 5000));
  SSI_EQ(SizeOf(fd), 5000);
  SSI_OK(truncate("cut", 9000));
  SSI_EQ(SizeOf(fd), 9000);
  SSI_TRUE(IsZeroAt(fd, 5000, 4000));
  memset(block, 0, sizeof block);
  SSI_EQ(pread(fd, block, 9000, 0), 9000);
  SSI_TRUE(guest::Holds(block, 5000, 6));
  SSI_EQ(lseek(fd, 0, SEEK_CUR), 10000);  // truncation does not move it
  SSI_FAILS(ftruncate(fd, -1), EINVAL);
  SSI_FAILS(truncate("cut", -1), EINVAL);
  SSI_FAILS(truncate("missing", 0), ENOENT);
  SSI_FAILS(truncate(".", 0), EISDIR);
  const int read_only = SSI_OK(open("cut", O_RDONLY));
  SSI_FAILS(ftruncate(read_only, 0), EINVAL);
  SSI_OK(close(read_only));
  SSI_OK(close(fd));
  SSI_OK(unlink("cut"));
}

void Reserving() {
  const int fd = Fresh("space");
  if (fallocate(fd, 0, 0, kMib) != 0 && errno == EOPNOTSUPP) {
    guest::skip_reason = "no fallocate on this file system";
  } else {
    SSI_EQ(SizeOf(fd), kMib);
    SSI_OK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 2 * kMib));
    SSI_EQ(SizeOf(fd), kMib);
    unsigned char block[8192];
    guest::Fill(block, sizeof block, 8);
    SSI_EQ(pwrite(fd, block, sizeof block, 4096), sizeof block);
    SSI_OK(
        fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096));
    SSI_TRUE(IsZeroAt(fd, 4096, 4096));
    SSI_EQ(pread(fd, block, 4096, 8192), 4096);
    SSI_TRUE(guest::Holds(block, 4096, 8, 4096));
    SSI_FAILS(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 4096), EOPNOTSUPP);
  }
  SSI_FAILS(fallocate(fd, 0, 0, 0), EINVAL);
  SSI_FAILS(fallocate(fd, 0, -1, 10), EINVAL);
  SSI_FAILS(fallocate(-1, 0, 0, 10), EBADF);
  SSI_OK(close(fd));
  SSI_OK(unlink("space"));
}

void Flushing() {
  const int fd = Fresh("flush");
  SSI_EQ(write(fd, "flushed", 7), 7);
  SSI_OK(fdatasync(fd));
  SSI_OK(fsync(fd));
  SSI_OK(sync_file_range(fd, 0, 7, SYNC_FILE_RANGE_WRITE));
  SSI_FAILS(sync_file_range(fd, 0, 7, 1U << 20), EINVAL);
  SSI_OK(posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL));
  SSI_EQ(posix_fadvise(fd, 0, 0, 99), EINVAL);
  SSI_EQ(posix_fadvise(-1, 0, 0, 0), EBADF);
  SSI_OK(readahead(fd, 0, 7));
  int ends[2];
  SSI_OK(pipe(ends));
  SSI_FAILS(fsync(ends[0]), EINVAL);
  SSI_EQ(posix_fadvise(ends[0], 0, 0, 0), ESPIPE);
  SSI_OK(close(ends[0]));
  SSI_OK(close(ends[1]));
  SSI_FAILS(fsync(-1), EBADF);
  SSI_OK(close(fd));
  SSI_OK(unlink("flush"));
}

void Copying() {
  const int from = Fresh("from");
  const int to = Fresh("to");
  static unsigned char bytes[kMib + 17];
  guest::Fill(bytes, sizeof bytes, 9);
  SSI_EQ(write(from, bytes, sizeof bytes), sizeof bytes);
  SSI_EQ(lseek(from, 0, SEEK_SET), 0);
  unsigned char step[7001];
  for (long got = 0; (got = read(from, step, sizeof step)) != 0;) {
    SSI_TRUE(got > 0);
    SSI_EQ(write(to, step, static_cast<std::size_t>(got)), got);
  }
  memset(bytes, 0, sizeof bytes);
  SSI_EQ(pread(to, bytes, sizeof bytes, 0), sizeof bytes);
  SSI_TRUE(guest::Holds(bytes, sizeof bytes, 9));
  SSI_EQ(SizeOf(to), sizeof bytes);
  SSI_OK(close(from));
  SSI_OK(close(to));
  SSI_OK(unlink("from"));
  SSI_OK(unlink("to"));
}

// A file with no name left, kept open over all rounds: it must be the same
// file, at the same position, whatever happened in between.
void Unlinked() {
  static int fd = -1;
  static long at = 0;
  unsigned char block[1000];
  if (guest::first_round) {
    fd = Fresh("gone");
    SSI_OK(unlink("gone"));
  }
  SSI_EQ(lseek(fd, 0, SEEK_CUR), at);
  guest::Fill(block, sizeof block, 11, static_cast<std::uint64_t>(at));
  SSI_EQ(write(fd, block, sizeof block), sizeof block);
  at += sizeof block;
  SSI_EQ(SizeOf(fd), at);
  SSI_EQ(pread(fd, block, sizeof block, at / 2), at >= 2000 ? 1000 : 500);
  SSI_TRUE(guest::Holds(block, at >= 2000 ? 1000 : 500, 11,
                        static_cast<std::uint64_t>(at / 2)));
}

}  // namespace

int main(int argc, char** argv) {
  return guest::RunInDirectory(guest::Seconds(argc, argv),
                               {{"seeking", Seeking},
                                {"holes", Holes},
                                {"truncating", Truncating},
                                {"reserving", Reserving},
                                {"flushing", Flushing},
                                {"copying", Copying},
                                {"unlinked", Unlinked}});
}
