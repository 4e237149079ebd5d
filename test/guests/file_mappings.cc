// Mappings of files: the program's own file, a data file made before,
// parts of it, beyond its end; what is written stays private, and
// MADV_DONTNEED brings the file's bytes back; and shared ones that are only
// read, of which a page may be looked at late. Argument: SECONDS.
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "guest.h"

namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kPages = 200;
constexpr std::size_t kSize = kPages * kPage - 1000;  // the last page in part

void MakeFile(const char* name, std::uint64_t seed, std::size_t size = kSize) {
  static unsigned char bytes[kPages * kPage];
  guest::Fill(bytes, size, seed);
  const int fd = SSI_OK(open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600));
  SSI_EQ(write(fd, bytes, size), size);
  SSI_OK(close(fd));
}

unsigned char* Map(const char* name, int protection, std::size_t size = kSize,
                   std::size_t offset = 0) {
  const int fd = SSI_OK(open(name, O_RDONLY));
  void* memory = mmap(nullptr, size, protection, MAP_PRIVATE, fd,
                      static_cast<off_t>(offset));
  SSI_TRUE(memory != MAP_FAILED);
  SSI_OK(close(fd));
  return static_cast<unsigned char*>(memory);
}

sigjmp_buf after_fault;
int fault = 0;
void OnFault(int number, siginfo_t*, void*) {
  fault = number;
  siglongjmp(after_fault, 1);
}

// The signal that a read raises, 0 if none.
int FaultOf(volatile unsigned char* at) {
  struct sigaction action {};
  action.sa_sigaction = OnFault;
  action.sa_flags = SA_SIGINFO;
  SSI_OK(sigaction(SIGBUS, &action, nullptr));
  SSI_OK(sigaction(SIGSEGV, &action, nullptr));
  fault = 0;
  if (sigsetjmp(after_fault, 1) == 0) {
    static_cast<void>(at[0]);
  }
  signal(SIGBUS, SIG_DFL);
  signal(SIGSEGV, SIG_DFL);
  return fault;
}

void Reading() {
  MakeFile("data", 1);
  unsigned char* untouched = Map("data", PROT_READ);
  unsigned char* touched = Map("data", PROT_READ);
  SSI_TRUE(guest::Holds(touched, kSize, 1));
  guest::Compute(10);
  SSI_TRUE(guest::Holds(touched, kSize, 1));
  SSI_TRUE(guest::Holds(untouched, kSize, 1));     // came along untouched
  SSI_TRUE(guest::IsZero(touched + kSize, 1000));  // the rest of the last page
  SSI_OK(madvise(touched, kSize, MADV_DONTNEED));
  SSI_OK(madvise(touched, kSize, MADV_WILLNEED));
  SSI_TRUE(guest::Holds(touched, kSize, 1));
  SSI_OK(mprotect(touched, kSize, PROT_READ | PROT_WRITE));  // it is private
  touched[5] = 5;
  SSI_OK(munmap(untouched, kSize));
  SSI_OK(munmap(touched, kSize));
  SSI_OK(unlink("data"));
}

void Writing() {
  MakeFile("data", 2);
  unsigned char* area = Map("data", PROT_READ | PROT_WRITE);
  for (std::size_t page = 0; page < kPages - 1; page += 3) {
    guest::Fill(area + page * kPage, kPage, 1000 + page);
  }
  guest::Compute(10);
  for (std::size_t page = 0; page < kPages - 1; ++page) {
    SSI_TRUE(page % 3 == 0
                 ? guest::Holds(area + page * kPage, kPage, 1000 + page)
                 : guest::Holds(area + page * kPage, kPage, 2, page * kPage));
  }
  SSI_OK(madvise(area, 100 * kPage, MADV_DONTNEED));
  SSI_TRUE(guest::Holds(area, 100 * kPage, 2));  // the file's again
  SSI_TRUE(guest::Holds(area + 102 * kPage, kPage, 1102));
  SSI_OK(msync(area, kSize, MS_SYNC));  // of a private mapping: nothing
  unsigned char* file = Map("data", PROT_READ);
  SSI_TRUE(guest::Holds(file, kSize, 2));
  SSI_OK(mprotect(area, 50 * kPage, PROT_NONE));
  guest::Compute(5);
  SSI_EQ(FaultOf(area), SIGSEGV);
  SSI_OK(mprotect(area, 50 * kPage, PROT_READ | PROT_EXEC));
  SSI_TRUE(guest::Holds(area, 50 * kPage, 2));
  SSI_OK(munmap(file, kSize));
  SSI_OK(munmap(area, kSize));
  SSI_OK(unlink("data"));
}

// Zeros are contents, too, as in the .bss of a program that shares its first
// page with .data.
void Emptied() {
  MakeFile("data", 4);
  unsigned char* area = Map("data", PROT_READ | PROT_WRITE);
  unsigned char* hidden = Map("data", PROT_READ | PROT_WRITE);
  constexpr std::size_t kLast = (kPages - 1) * kPage;
  for (unsigned char* at : {area, hidden}) {
    memset(at + 3 * kPage, 0, 2 * kPage);
    memset(at + kLast, 0, kPage);
  }
  SSI_OK(mprotect(hidden, kSize, PROT_NONE));
  guest::Compute(10);
  SSI_OK(mprotect(hidden, kSize, PROT_READ));
  for (unsigned char* at : {area, hidden}) {
    SSI_TRUE(guest::Holds(at, 3 * kPage, 4));
    SSI_TRUE(guest::IsZero(at + 3 * kPage, 2 * kPage));
    SSI_TRUE(guest::Holds(at + 5 * kPage, kPage, 4, 5 * kPage));
    SSI_TRUE(guest::IsZero(at + kLast, kPage));
    SSI_OK(munmap(at, kSize));
  }
  SSI_OK(unlink("data"));
}

void Parts() {
  MakeFile("data", 3);
  unsigned char* part = Map("data", PROT_READ, 10 * kPage, 50 * kPage);
  SSI_TRUE(guest::Holds(part, 5 * kPage, 3, 50 * kPage));
  SSI_OK(munmap(part + 2 * kPage, kPage));
  auto* longer = static_cast<unsigned char*>(
      mremap(part + 3 * kPage, 7 * kPage, 20 * kPage, MREMAP_MAYMOVE));
  SSI_TRUE(longer != MAP_FAILED);
  guest::Compute(5);
  SSI_TRUE(guest::Holds(longer, 20 * kPage, 3, 53 * kPage));
  SSI_TRUE(guest::Holds(part, 2 * kPage, 3, 50 * kPage));
  SSI_OK(munmap(part, 2 * kPage));
  SSI_OK(munmap(longer, 20 * kPage));
  const int fd = SSI_OK(open("data", O_RDONLY));
  SSI_TRUE(mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE, fd, 100) == MAP_FAILED);
  SSI_EQ(errno, EINVAL);
  SSI_OK(close(fd));
  SSI_TRUE(mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED);
  SSI_EQ(errno, EBADF);
  const int write_only = SSI_OK(open("data", O_WRONLY));
  SSI_TRUE(mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE, write_only, 0) ==
           MAP_FAILED);
  SSI_EQ(errno, EACCES);
  SSI_OK(close(write_only));
  const int dir = SSI_OK(open(".", O_RDONLY | O_DIRECTORY));
  SSI_TRUE(mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE, dir, 0) == MAP_FAILED);
  SSI_EQ(errno, ENODEV);
  SSI_OK(close(dir));
  SSI_OK(unlink("data"));
}

void BeyondTheEnd() {
  MakeFile("data", 4, 3 * kPage + 10);
  unsigned char* area = Map("data", PROT_READ | PROT_WRITE, 8 * kPage);
  area[0] = 77;
  SSI_EQ(FaultOf(area + 3 * kPage), 0);
  SSI_EQ(FaultOf(area + 4 * kPage), SIGBUS);
  guest::Compute(10);
  SSI_EQ(FaultOf(area + 4 * kPage), SIGBUS);
  SSI_EQ(FaultOf(area + 7 * kPage), SIGBUS);
  SSI_EQ(area[0], 77);
  SSI_TRUE(guest::Holds(area + kPage, 2 * kPage + 10, 4, kPage));
  SSI_TRUE(guest::IsZero(area + 3 * kPage + 10, kPage - 10));
  SSI_OK(munmap(area, 8 * kPage));
  // /dev/zero is memory, not a file.
  unsigned char* zero = Map("/dev/zero", PROT_READ | PROT_WRITE, 5 * kPage);
  SSI_TRUE(guest::IsZero(zero, 5 * kPage));
  guest::Fill(zero, 2 * kPage, 5);
  guest::Compute(2);
  SSI_TRUE(guest::Holds(zero, 2 * kPage, 5));
  SSI_OK(munmap(zero, 5 * kPage));
  SSI_OK(unlink("data"));
}

// The file loses its name, or its name gets another file: the mapping keeps
// the bytes it was made of.
void NameGone() {
  MakeFile("gone", 5);
  MakeFile("replaced", 6);
  unsigned char* gone = Map("gone", PROT_READ);
  unsigned char* replaced = Map("replaced", PROT_READ | PROT_WRITE);
  guest::Fill(replaced, kPage, 66);
  SSI_OK(unlink("gone"));
  MakeFile("new", 7);
  SSI_OK(rename("new", "replaced"));
  guest::Compute(10);
  SSI_TRUE(guest::Holds(gone, kSize, 5));
  SSI_TRUE(guest::Holds(replaced, kPage, 66));
  SSI_OK(madvise(replaced, kSize, MADV_DONTNEED));
  SSI_OK(madvise(gone, kSize, MADV_DONTNEED));
  SSI_TRUE(guest::Holds(replaced, kSize, 6));
  SSI_TRUE(guest::Holds(gone, kSize, 5));
  SSI_OK(munmap(gone, kSize));
  SSI_OK(munmap(replaced, kSize));
  SSI_OK(unlink("replaced"));
}

// Arrays in the program's own file.
constexpr std::size_t kOwn = 16 * kPage;
struct Own {
  std::uint64_t words[kOwn / 8];
};
constexpr Own MakeOwn() {
  Own own{};
  for (std::size_t i = 0; i < kOwn / 8; ++i) {
    own.words[i] = guest::Mix(i + 8);
  }
  return own;
}
alignas(kPage) const volatile Own constants = MakeOwn();
alignas(kPage) Own variables = MakeOwn();

bool IsOwn(const volatile Own& own, std::size_t from) {
  for (std::size_t i = from; i < kOwn / 8; ++i) {
    if (own.words[i] != guest::Mix(i + 8)) {
      return false;
    }
  }
  return true;
}

void OwnFile() {
  SSI_TRUE(IsOwn(constants, 0));
  SSI_TRUE(IsOwn(variables, 0));
  for (std::size_t i = 0; i < kOwn / 16; ++i) {
    variables.words[i] = i;
  }
  guest::Compute(5);
  SSI_TRUE(IsOwn(constants, 0));
  SSI_TRUE(IsOwn(variables, kOwn / 16));
  SSI_EQ(variables.words[77], 77);
  auto* start = const_cast<std::uint64_t*>(constants.words);
  SSI_OK(madvise(start, kOwn, MADV_DONTNEED));
  SSI_OK(madvise(&variables, kOwn, MADV_DONTNEED));
  SSI_TRUE(IsOwn(constants, 0));
  SSI_TRUE(IsOwn(variables, 0));
}

// Each round looks at a page that no round has looked at before.
void SharedToRead() {
  constexpr std::size_t kLarge = 3000 * kPage;
  static volatile unsigned char* mapped = nullptr;
  static std::size_t next = 7;
  if (guest::first_round) {
    static unsigned char bytes[kLarge];
    guest::Fill(bytes, kLarge, 31);
    const int fd = SSI_OK(open("shared", O_RDWR | O_CREAT | O_TRUNC, 0600));
    SSI_EQ(write(fd, bytes, kLarge), kLarge);
    SSI_OK(close(fd));
    const int again = SSI_OK(open("shared", O_RDONLY));
    void* memory = mmap(nullptr, kLarge, PROT_READ, MAP_SHARED, again, 0);
    SSI_TRUE(memory != MAP_FAILED);
    SSI_OK(close(again));
    mapped = static_cast<volatile unsigned char*>(memory);
  }
  guest::Compute(5);
  next = (next + 37) % 3000;
  SSI_EQ(mapped[next * kPage + 5], guest::ByteAt(31, next * kPage + 5));
}

void Last() {
  SSI_OK(unlink("shared"));
}

}  // namespace

int main(int argc, char** argv) {
  return guest::RunInDirectory(guest::Seconds(argc, argv),
                               {{"reading", Reading},
                                {"writing", Writing},
                                {"emptied", Emptied},
                                {"parts", Parts},
                                {"beyond the end", BeyondTheEnd},
                                {"name gone", NameGone},
                                {"own file", OwnFile},
                                {"shared to read", SharedToRead}},
                               Last);
}
