// Memory that is shared: anonymous, of a file, of a memfd, of System V; used
// by a child as well, with a futex in it. Argument: SECONDS.
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/shm.h>

#include <atomic>

#include "guest.h"

namespace {

constexpr std::size_t kSize = 40 * 4096;

unsigned char* Share(int fd, int flags = 0,
                     int protection = PROT_READ | PROT_WRITE) {
  void* memory = mmap(nullptr, kSize, protection, MAP_SHARED | flags, fd, 0);
  SSI_TRUE(memory != MAP_FAILED);
  return static_cast<unsigned char*>(memory);
}

// A child sees what was written and writes itself; they wake each other.
void WithChild(unsigned char* memory) {
  auto* word = reinterpret_cast<std::atomic<unsigned>*>(memory);
  const auto wait = [word](unsigned value) {
    while (*word < value) {
      syscall(SYS_futex, word, FUTEX_WAIT, *word < value ? value - 1 : 0,
              nullptr);
    }
  };
  const auto set = [word](unsigned value) {
    *word = value;
    syscall(SYS_futex, word, FUTEX_WAKE, 1);
  };
  *word = 0;
  guest::Fill(memory + 4096, kSize / 2 - 4096, 1);
  const pid_t child = guest::Fork([=] {
    wait(1);
    SSI_TRUE(guest::Holds(memory + 4096, kSize / 2 - 4096, 1));
    guest::Fill(memory + kSize / 2, kSize / 2, 2);
    set(2);
    wait(3);
  });
  set(1);
  guest::Compute(2);
  wait(2);
  SSI_TRUE(guest::Holds(memory + kSize / 2, kSize / 2, 2));
  set(3);
  SSI_EQ(guest::Reap(child), 0);
}

void Anonymous() {
  unsigned char* memory = Share(-1, MAP_ANONYMOUS);
  SSI_TRUE(guest::IsZero(memory, kSize));
  WithChild(memory);
  guest::Compute(5);
  SSI_TRUE(guest::Holds(memory + kSize / 2, kSize / 2, 2));
  SSI_OK(munmap(memory, kSize));
}

void OfAFile() {
  const int fd = SSI_OK(open("shared", O_RDWR | O_CREAT | O_TRUNC, 0600));
  SSI_OK(ftruncate(fd, kSize));
  unsigned char* memory = Share(fd);
  unsigned char* second = Share(fd, 0, PROT_READ);
  WithChild(memory);
  SSI_TRUE(guest::Holds(second + kSize / 2, kSize / 2, 2));
  static unsigned char bytes[kSize];
  SSI_EQ(pread(fd, bytes, kSize, 0), kSize);
  SSI_EQ(memcmp(bytes, memory, kSize), 0);
  guest::Fill(bytes, 5000, 3);
  SSI_EQ(pwrite(fd, bytes, 5000, 9000), 5000);
  SSI_EQ(memcmp(memory + 9000, bytes, 5000), 0);
  SSI_OK(msync(memory, kSize, MS_SYNC));
  guest::Compute(5);
  SSI_EQ(memcmp(second + 9000, bytes, 5000), 0);
  SSI_OK(munmap(memory, kSize));
  SSI_OK(munmap(second, kSize));
  SSI_OK(close(fd));
  SSI_OK(unlink("shared"));
}

void OfAMemfd() {
  const int fd = SSI_OK(memfd_create("shared", MFD_CLOEXEC));
  SSI_OK(ftruncate(fd, kSize));
  unsigned char* memory = Share(fd);
  SSI_OK(close(fd));
  WithChild(memory);
  SSI_OK(madvise(memory, kSize, MADV_REMOVE));
  SSI_TRUE(guest::IsZero(memory, kSize));
  SSI_OK(munmap(memory, kSize));
}

void SystemV() {
  const int id = SSI_OK(shmget(IPC_PRIVATE, kSize, IPC_CREAT | 0600));
  auto* memory = static_cast<unsigned char*>(shmat(id, nullptr, 0));
  SSI_TRUE(memory != reinterpret_cast<void*>(-1));
  SSI_OK(shmctl(id, IPC_RMID, nullptr));
  WithChild(memory);
  shmid_ds status{};
  SSI_OK(shmctl(id, IPC_STAT, &status));
  SSI_EQ(status.shm_segsz, kSize);
  SSI_EQ(status.shm_nattch, 1);
  SSI_OK(shmdt(memory));
  SSI_FAILS(shmctl(id, IPC_STAT, &status), EINVAL);
}

// Not shared, but more of a file than a move would carry.
void LargePrivate() {
  constexpr std::size_t kLarge = 400UL << 20;
  const int fd = SSI_OK(open("large", O_RDWR | O_CREAT | O_TRUNC, 0600));
  SSI_OK(ftruncate(fd, kLarge));
  SSI_EQ(pwrite(fd, "middle", 6, kLarge / 2), 6);
  void* memory = mmap(nullptr, kLarge, PROT_READ, MAP_PRIVATE, fd, 0);
  SSI_TRUE(memory != MAP_FAILED);
  guest::Compute(2);
  SSI_EQ(memcmp(static_cast<char*>(memory) + kLarge / 2, "middle", 7), 0);
  SSI_OK(munmap(memory, kLarge));
  SSI_OK(close(fd));
  SSI_OK(unlink("large"));
}

}  // namespace

int main(int argc, char** argv) {
  return guest::RunInDirectory(guest::Seconds(argc, argv),
                               {{"anonymous", Anonymous},
                                {"of a file", OfAFile},
                                {"of a memfd", OfAMemfd},
                                {"System V", SystemV},
                                {"large private", LargePrivate}});
}
