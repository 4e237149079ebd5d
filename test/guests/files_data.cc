// Every way to read and write a file, from 0 bytes to 8 MiB, compared with a
// pattern. Argument: SECONDS.
#include <fcntl.h>
#include <sys/uio.h>

#include <vector>

#include "guest.h"

namespace {

constexpr std::size_t kSizes[] = {
    0,     1,     7,     511,           512,     4095,    4096,   4097,
    65535, 65536, 65537, (1 << 20) - 1, 1 << 20, 1048579, 8 << 20};

using Bytes = std::vector<unsigned char>;

// Pieces of uneven length, some of them empty, that make up `bytes`.
std::vector<iovec> Pieces(Bytes& bytes) {
  std::vector<iovec> pieces;
  std::size_t at = 0;
  for (std::size_t step = 0; at < bytes.size(); ++step) {
    std::size_t size = step % 5 == 3 ? 0 : (step * 7919 + 13) % 30011;
    size = size < bytes.size() - at ? size : bytes.size() - at;
    pieces.push_back({bytes.data() + at, size});
    at += size;
  }
  pieces.push_back({nullptr, 0});
  return pieces;
}

int Count(const std::vector<iovec>& pieces) {
  return static_cast<int>(pieces.size());
}

long PreadV2(int fd, const std::vector<iovec>& to, long at, int flags) {
  return syscall(SYS_preadv2, fd, to.data(), to.size(), at, 0L, flags);
}

long PwriteV2(int fd, const std::vector<iovec>& from, long at, int flags) {
  return syscall(SYS_pwritev2, fd, from.data(), from.size(), at, 0L, flags);
}

void Plain(int fd, Bytes& bytes, std::uint64_t seed) {
  guest::Fill(bytes.data(), bytes.size(), seed);
  SSI_EQ(lseek(fd, 0, SEEK_SET), 0);
  SSI_EQ(write(fd, bytes.data(), bytes.size()), bytes.size());
  SSI_EQ(lseek(fd, 0, SEEK_CUR), bytes.size());
  memset(bytes.data(), 0, bytes.size());
  SSI_EQ(read(fd, bytes.data(), bytes.size()), 0);
  SSI_EQ(lseek(fd, 0, SEEK_SET), 0);
  SSI_EQ(read(fd, bytes.data(), bytes.size()), bytes.size());
  SSI_TRUE(guest::Holds(bytes.data(), bytes.size(), seed));
}

void Positioned(int fd, Bytes& bytes, std::uint64_t seed) {
  constexpr long kAt = 12345;
  guest::Fill(bytes.data(), bytes.size(), seed);
  const long before = lseek(fd, 0, SEEK_CUR);
  SSI_EQ(pwrite(fd, bytes.data(), bytes.size(), kAt), bytes.size());
  memset(bytes.data(), 0, bytes.size());
  SSI_EQ(pread(fd, bytes.data(), bytes.size(), kAt), bytes.size());
  SSI_TRUE(guest::Holds(bytes.data(), bytes.size(), seed));
  SSI_EQ(pread(fd, bytes.data(), bytes.size(), 16L << 20), 0);
  SSI_EQ(lseek(fd, 0, SEEK_CUR), before);
}

void Vectors(int fd, Bytes& bytes, std::uint64_t seed) {
  const std::vector<iovec> pieces = Pieces(bytes);
  guest::Fill(bytes.data(), bytes.size(), seed);
  SSI_EQ(lseek(fd, 3, SEEK_SET), 3);
  SSI_EQ(writev(fd, pieces.data(), Count(pieces)), bytes.size());
  memset(bytes.data(), 0, bytes.size());
  SSI_EQ(lseek(fd, 3, SEEK_SET), 3);
  SSI_EQ(readv(fd, pieces.data(), Count(pieces)), bytes.size());
  SSI_TRUE(guest::Holds(bytes.data(), bytes.size(), seed));
}

void PositionedVectors(int fd, Bytes& bytes, std::uint64_t seed) {
  const std::vector<iovec> pieces = Pieces(bytes);
  guest::Fill(bytes.data(), bytes.size(), seed);
  SSI_EQ(lseek(fd, 5, SEEK_SET), 5);
  SSI_EQ(pwritev(fd, pieces.data(), Count(pieces), 77), bytes.size());
  memset(bytes.data(), 0, bytes.size());
  SSI_EQ(preadv(fd, pieces.data(), Count(pieces), 77), bytes.size());
  SSI_TRUE(guest::Holds(bytes.data(), bytes.size(), seed));
  SSI_EQ(lseek(fd, 0, SEEK_CUR), 5);
  // Position -1 is that of the file.
  guest::Fill(bytes.data(), bytes.size(), ~seed);
  SSI_EQ(PwriteV2(fd, pieces, -1, 0), bytes.size());
  SSI_EQ(lseek(fd, 0, SEEK_CUR), bytes.size() + 5);
  SSI_EQ(lseek(fd, 5, SEEK_SET), 5);
  memset(bytes.data(), 0, bytes.size());
  SSI_EQ(PreadV2(fd, pieces, -1, 0), bytes.size());
  SSI_TRUE(guest::Holds(bytes.data(), bytes.size(), ~seed));
}

void AllSizes(void (*check)(int, Bytes&, std::uint64_t)) {
  static std::uint64_t seed = 100;
  for (const std::size_t size : kSizes) {
    const int fd = SSI_OK(open("data", O_RDWR | O_CREAT | O_TRUNC, 0600));
    Bytes bytes(size);
    check(fd, bytes, ++seed << 32);
    SSI_OK(close(fd));
  }
  SSI_OK(unlink("data"));
}

void CheckPlain() {
  AllSizes(Plain);
}
void CheckPositioned() {
  AllSizes(Positioned);
}
void CheckVectors() {
  AllSizes(Vectors);
}
void CheckPositionedVectors() {
  AllSizes(PositionedVectors);
}

// Reads of a size that does not divide the file's, at any alignment of the
// buffer; the last one is short.
void OddSteps() {
  constexpr std::size_t kTotal = 300007;
  Bytes bytes(kTotal);
  guest::Fill(bytes.data(), kTotal, 7);
  const int fd = SSI_OK(open("odd", O_RDWR | O_CREAT | O_TRUNC, 0600));
  for (std::size_t at = 0; at < kTotal; at += 1009) {
    const std::size_t size = kTotal - at < 1009 ? kTotal - at : 1009;
    SSI_EQ(write(fd, bytes.data() + at, size), size);
  }
  SSI_EQ(lseek(fd, 0, SEEK_SET), 0);
  std::size_t at = 0;
  unsigned char buffer[2048];
  for (std::size_t step = 0;; ++step) {
    unsigned char* to = buffer + step % 13;
    const long got = read(fd, to, 1997);
    SSI_TRUE(got >= 0);
    if (got == 0) {
      break;
    }
    SSI_EQ(got, kTotal - at < 1997 ? kTotal - at : 1997);
    SSI_TRUE(guest::Holds(to, static_cast<std::size_t>(got), 7, at));
    at += static_cast<std::size_t>(got);
  }
  SSI_EQ(at, kTotal);
  SSI_OK(close(fd));
  SSI_OK(unlink("odd"));
}

void FlagsAndErrors() {
  const int fd = SSI_OK(open("flags", O_RDWR | O_CREAT | O_TRUNC, 0600));
  char text[8] = "0123456";
  std::vector<iovec> one = {{text, 7}};
  SSI_EQ(PwriteV2(fd, one, 0, RWF_DSYNC), 7);
  SSI_EQ(PwriteV2(fd, one, 0, RWF_APPEND), 7);
  SSI_EQ(lseek(fd, 0, SEEK_END), 14);
  SSI_EQ(PreadV2(fd, one, 7, RWF_HIPRI), 7);
  SSI_FAILS(PreadV2(fd, one, 0, 1 << 30), EOPNOTSUPP);
  SSI_FAILS(PreadV2(fd, one, -2, 0), EINVAL);
  SSI_FAILS(pread(fd, text, 1, -1), EINVAL);
  SSI_FAILS(pwrite(fd, text, 1, -1), EINVAL);
  std::vector<iovec> many(1025, iovec{text, 0});
  SSI_FAILS(readv(fd, many.data(), 1025), EINVAL);
  SSI_EQ(readv(fd, many.data(), 1024), 0);
  SSI_FAILS(syscall(SYS_readv, fd, many.data(), -1), EINVAL);
  many[0].iov_len = ~std::size_t{0};  // negative as ssize_t
  SSI_FAILS(writev(fd, many.data(), 2), EINVAL);
  SSI_EQ(readv(fd, nullptr, 0), 0);
  SSI_FAILS(read(-1, text, 1), EBADF);
  SSI_FAILS(write(999, text, 1), EBADF);
  int ends[2];
  SSI_OK(pipe(ends));
  SSI_FAILS(pread(ends[0], text, 1, 0), ESPIPE);
  SSI_FAILS(pwrite(ends[1], text, 1, 0), ESPIPE);
  SSI_FAILS(preadv(ends[0], one.data(), 1, 0), ESPIPE);
  SSI_EQ(PwriteV2(ends[1], one, -1, 0), 7);  // position -1 is good there
  SSI_EQ(PreadV2(ends[0], one, -1, 0), 7);
  SSI_OK(close(ends[0]));
  SSI_OK(close(ends[1]));
  SSI_OK(close(fd));
  SSI_OK(unlink("flags"));
}

}  // namespace

int main(int argc, char** argv) {
  return guest::RunInDirectory(
      guest::Seconds(argc, argv),
      {{"read and write", CheckPlain},
       {"pread and pwrite", CheckPositioned},
       {"readv and writev", CheckVectors},
       {"preadv, pwritev and their second forms", CheckPositionedVectors},
       {"odd steps", OddSteps},
       {"flags and errors", FlagsAndErrors}});
}
