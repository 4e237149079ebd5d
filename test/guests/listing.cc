// A directory of 3,000 entries, read with buffers of every size: each entry
// exactly once, positions that can be gone back to. Argument: SECONDS.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <string>
#include <vector>

#include "guest.h"

namespace {

constexpr int kEntries = 3000;

struct Entry {  // linux_dirent64
  std::uint64_t inode;
  std::int64_t next;
  unsigned short size;
  unsigned char type;
  char name[1];
};

std::string NameOf(int i) {
  return std::to_string(i) + std::string(static_cast<std::size_t>(i % 60), 'x');
}

// Every tenth entry is a link, the others are files.
unsigned char TypeOf(int i) {
  return i % 10 == 0 ? DT_LNK : DT_REG;
}

// What has been seen of the directory: each of the entries, . and ..
class Seen {
 public:
  void Add(const char* name, unsigned char type) {
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
      SSI_TRUE(type == DT_DIR || type == DT_UNKNOWN);
      ++dots_;
      return;
    }
    const int i = atoi(name);
    SSI_TRUE(i >= 0 && i < kEntries && NameOf(i) == name);
    SSI_TRUE(type == TypeOf(i) || type == DT_UNKNOWN);
    ++times_[static_cast<std::size_t>(i)];
  }
  void CheckAll() const {
    SSI_EQ(dots_, 2);
    for (int i = 0; i < kEntries; ++i) {
      SSI_EQ(times_[static_cast<std::size_t>(i)], 1);
    }
  }

 private:
  int dots_ = 0;
  std::vector<int> times_ = std::vector<int>(kEntries);
};

// Adds what one call returned; the position after its last entry.
std::int64_t AddAll(const unsigned char* buffer, long size, Seen& seen) {
  std::int64_t next = 0;
  for (long at = 0; at < size;) {
    const auto* entry = reinterpret_cast<const Entry*>(buffer + at);
    seen.Add(entry->name, entry->type);
    next = entry->next;
    at += entry->size;
  }
  return next;
}

int fd = -1;

void MakeEntries() {
  if (!guest::first_round) {
    return;
  }
  SSI_OK(mkdir("many", 0755));
  fd = SSI_OK(open("many", O_RDONLY | O_DIRECTORY));
  for (int i = 0; i < kEntries; ++i) {
    if (TypeOf(i) == DT_LNK) {
      SSI_OK(symlinkat("target", fd, NameOf(i).c_str()));
    } else {
      const int file =
          SSI_OK(openat(fd, NameOf(i).c_str(), O_WRONLY | O_CREAT, 0600));
      SSI_OK(close(file));
    }
  }
}

void ReadAll() {
  for (const std::size_t size : {320, 1024, 4096, 32768, 1 << 20}) {
    std::vector<unsigned char> buffer(size);
    Seen seen;
    SSI_EQ(lseek(fd, 0, SEEK_SET), 0);
    for (;;) {
      const long got = syscall(SYS_getdents64, fd, buffer.data(), size);
      SSI_TRUE(got >= 0 && got <= static_cast<long>(size));
      if (got == 0) {
        break;
      }
      const std::int64_t next = AddAll(buffer.data(), got, seen);
      SSI_EQ(lseek(fd, 0, SEEK_CUR), next);
    }
    seen.CheckAll();
  }
}

void ReadOldForm() {
  struct OldEntry {  // linux_dirent; the type stands in its last byte
    unsigned long inode;
    unsigned long next;
    unsigned short size;
    char name[1];
  };
  static unsigned char buffer[8192];
  Seen seen;
  SSI_EQ(lseek(fd, 0, SEEK_SET), 0);
  for (;;) {
    const long got = syscall(SYS_getdents, fd, buffer, sizeof buffer);
    SSI_TRUE(got >= 0);
    if (got == 0) {
      break;
    }
    for (long at = 0; at < got;) {
      const auto* entry = reinterpret_cast<const OldEntry*>(buffer + at);
      seen.Add(entry->name, buffer[at + entry->size - 1]);
      at += entry->size;
    }
  }
  seen.CheckAll();
}

// Not byte by byte: what is behind a name, up to the next entry, the kernel
// leaves as it was.
bool SameEntries(const unsigned char* a, const unsigned char* b, long size) {
  for (long at = 0; at < size;) {
    const auto* one = reinterpret_cast<const Entry*>(a + at);
    const auto* other = reinterpret_cast<const Entry*>(b + at);
    if (one->inode != other->inode || one->next != other->next ||
        one->size != other->size || one->type != other->type ||
        strcmp(one->name, other->name) != 0) {
      return false;
    }
    at += one->size;
  }
  return true;
}

// From any position that an entry names, the rest is the same again.
void GoBack() {
  static unsigned char buffer[4096];
  static unsigned char again[4096];
  SSI_EQ(lseek(fd, 0, SEEK_SET), 0);
  std::int64_t before = 0;
  for (int step = 0; step < 8; ++step) {
    const long got = syscall(SYS_getdents64, fd, buffer, sizeof buffer);
    SSI_TRUE(got > 0);
    const std::int64_t after = lseek(fd, 0, SEEK_CUR);
    SSI_EQ(lseek(fd, before, SEEK_SET), before);
    SSI_EQ(syscall(SYS_getdents64, fd, again, sizeof again), got);
    SSI_TRUE(SameEntries(buffer, again, got));
    SSI_EQ(lseek(fd, 0, SEEK_CUR), after);
    before = after;
  }
}

void ThroughLibrary() {
  Seen seen;
  DIR* dir = opendir("many");
  SSI_TRUE(dir != nullptr);
  while (const dirent* entry = readdir(dir)) {
    seen.Add(entry->d_name, entry->d_type);
  }
  seen.CheckAll();
  SSI_OK(closedir(dir));
}

void Errors() {
  unsigned char buffer[512];
  SSI_EQ(lseek(fd, 0, SEEK_SET), 0);
  SSI_FAILS(syscall(SYS_getdents64, fd, buffer, 8), EINVAL);  // too small
  SSI_FAILS(syscall(SYS_getdents64, -1, buffer, sizeof buffer), EBADF);
  SSI_FAILS(syscall(SYS_getdents64, 1000, buffer, sizeof buffer), EBADF);
  int ends[2];
  SSI_OK(pipe(ends));
  SSI_FAILS(syscall(SYS_getdents64, ends[0], buffer, sizeof buffer), ENOTDIR);
  SSI_OK(close(ends[0]));
  SSI_OK(close(ends[1]));
}

void RemoveEntries() {
  for (int i = 0; i < kEntries; ++i) {
    SSI_OK(unlinkat(fd, NameOf(i).c_str(), 0));
  }
  SSI_EQ(lseek(fd, 0, SEEK_SET), 0);
  unsigned char buffer[512];
  SSI_EQ(syscall(SYS_getdents64, fd, buffer, sizeof buffer), 48);  // . and ..
  SSI_OK(close(fd));
  SSI_OK(rmdir("many"));
}

}  // namespace

int main(int argc, char** argv) {
  return guest::RunInDirectory(guest::Seconds(argc, argv),
                               {{"make", MakeEntries},
                                {"read", ReadAll},
                                {"read in the old form", ReadOldForm},
                                {"go back", GoBack},
                                {"through the library", ThroughLibrary},
                                {"errors", Errors}},
                               RemoveEntries);
}
