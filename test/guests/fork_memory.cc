// Memory of parent and child: copied, each its own afterwards; areas that are
// left out of the copy or wiped in it; descriptors and what they share.
// Argument: SECONDS.
#include <fcntl.h>
#include <sys/mman.h>

#include "guest.h"

namespace {

constexpr std::size_t kPage = 4096;

unsigned char* Map(std::size_t pages) {
  void* memory = mmap(nullptr, pages * kPage, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  SSI_TRUE(memory != MAP_FAILED);
  return static_cast<unsigned char*>(memory);
}

int variable = 1;
thread_local int local = 1;

void Copied() {
  constexpr std::size_t kPages = 2000;
  unsigned char* area = Map(kPages);
  guest::Fill(area, kPages * kPage, 1);
  const int before = variable;
  const pid_t child = guest::Fork([=] {
    SSI_TRUE(guest::Holds(area, kPages * kPage, 1));
    guest::Fill(area, kPages * kPage / 2, 2);
    ++variable;
    ++local;
    guest::Compute(5);
    SSI_TRUE(guest::Holds(area, kPages * kPage / 2, 2));
    SSI_EQ(variable, before + 1);
  });
  guest::Fill(area + kPages * kPage / 2, kPages * kPage / 2, 3);
  guest::Compute(5);
  SSI_EQ(guest::Reap(child), 0);
  SSI_TRUE(guest::Holds(area, kPages * kPage / 2, 1));
  SSI_TRUE(guest::Holds(area + kPages * kPage / 2, kPages * kPage / 2, 3));
  SSI_EQ(variable, before);
  SSI_EQ(local, 1);
  SSI_OK(munmap(area, kPages * kPage));
}

void LeftOut() {
  unsigned char* area = Map(4);
  guest::Fill(area, 4 * kPage, 4);
  SSI_OK(madvise(area + kPage, kPage, MADV_DONTFORK));
  SSI_OK(madvise(area + 2 * kPage, kPage, MADV_WIPEONFORK));
  guest::Compute(3);
  const pid_t child = guest::Fork([area] {
    unsigned char core = 0;
    SSI_FAILS(mincore(area + kPage, kPage, &core), ENOMEM);
    SSI_TRUE(guest::IsZero(area + 2 * kPage, kPage));
    SSI_TRUE(guest::Holds(area, kPage, 4));
    SSI_TRUE(guest::Holds(area + 3 * kPage, kPage, 4, 3 * kPage));
  });
  SSI_EQ(guest::Reap(child), 0);
  SSI_TRUE(guest::Holds(area, 4 * kPage, 4));
  SSI_OK(madvise(area + kPage, kPage, MADV_DOFORK));
  SSI_OK(madvise(area + 2 * kPage, kPage, MADV_KEEPONFORK));
  const pid_t second =
      guest::Fork([area] { SSI_TRUE(guest::Holds(area, 4 * kPage, 4)); });
  SSI_EQ(guest::Reap(second), 0);
  SSI_OK(munmap(area, 4 * kPage));
}

// The numbers are each one's own, the positions are shared.
void Descriptors() {
  const int fd = SSI_OK(open("file", O_RDWR | O_CREAT | O_TRUNC, 0600));
  SSI_EQ(write(fd, "0123456789", 10), 10);
  SSI_EQ(lseek(fd, 2, SEEK_SET), 2);
  const pid_t child = guest::Fork([fd] {
    char text[4] = {};
    SSI_EQ(read(fd, text, 3), 3);
    SSI_EQ(strcmp(text, "234"), 0);
    SSI_OK(fcntl(fd, F_SETFL, O_APPEND));
    SSI_OK(fcntl(fd, F_SETFD, FD_CLOEXEC));
    SSI_OK(close(fd));
  });
  SSI_EQ(guest::Reap(child), 0);
  SSI_EQ(lseek(fd, 0, SEEK_CUR), 5);
  SSI_EQ(fcntl(fd, F_GETFL) & O_APPEND, O_APPEND);
  SSI_EQ(fcntl(fd, F_GETFD), 0);
  SSI_OK(close(fd));
  SSI_OK(unlink("file"));
}

// Data to and fro, each side computing in between.
void PingPong() {
  int there[2];
  int back[2];
  SSI_OK(pipe(there));
  SSI_OK(pipe(back));
  const pid_t child = guest::Fork([=] {
    SSI_OK(close(there[1]));
    std::uint64_t value = 0;
    while (read(there[0], &value, sizeof value) == sizeof value) {
      value = guest::Mix(value);
      SSI_EQ(write(back[1], &value, sizeof value), sizeof value);
    }
  });
  for (std::uint64_t i = 0; i < 200; ++i) {
    std::uint64_t value = i;
    SSI_EQ(write(there[1], &value, sizeof value), sizeof value);
    SSI_EQ(read(back[0], &value, sizeof value), sizeof value);
    SSI_EQ(value, guest::Mix(i));
  }
  SSI_OK(close(there[1]));
  SSI_EQ(guest::Reap(child), 0);
  for (const int fd : {there[0], back[0], back[1]}) {
    SSI_OK(close(fd));
  }
}

// Two children each, five deep; the sum comes back through exit statuses.
int Tree(int depth) {
  if (depth == 0) {
    return 1;
  }
  pid_t children[2];
  for (pid_t& child : children) {
    child = guest::Fork([depth] { _exit(Tree(depth - 1)); });
  }
  int sum = 1;
  for (const pid_t child : children) {
    const int status = guest::Reap(child);
    SSI_TRUE(WIFEXITED(status));
    sum += WEXITSTATUS(status);
  }
  return sum;
}

void Trees() {
  SSI_EQ(Tree(5), 63);
}

}  // namespace

int main(int argc, char** argv) {
  return guest::RunInDirectory(guest::Seconds(argc, argv),
                               {{"copied", Copied},
                                {"left out", LeftOut},
                                {"descriptors", Descriptors},
                                {"ping-pong", PingPong},
                                {"trees", Trees}});
}
