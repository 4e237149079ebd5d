// resident MB [THREADS]: fills memory with bytes that do not compress, then
// watches the clock: the longest time in which it did not run is how long a
// move froze it. Of its other threads one half waits for a futex, one in a
// read. It prints its pid when it is ready; on SIGUSR1 that time, in ms, and
// begins anew; on SIGTERM it checks its memory and ends.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <mutex>
#include <thread>

#include "guest.h"

namespace {

volatile sig_atomic_t asked = 0;
volatile sig_atomic_t ended = 0;

std::uint64_t Next(std::uint64_t value) {
  value ^= value << 13;
  value ^= value >> 7;
  value ^= value << 17;
  return value;
}

void Tell(double number) {
  char text[64];
  int size = snprintf(text, sizeof text, "%.3f\n", number);
  if (write(1, text, static_cast<std::size_t>(size)) != size) {
    _exit(1);
  }
}

std::mutex never;

void WaitForMutex() {
  never.lock();
}

void WaitForByte(int pipe) {
  char byte = 0;
  if (read(pipe, &byte, 1) != 1) {
    _exit(1);
  }
}

bool StartThreads(int count) {
  int ends[2];
  if (pipe(ends) != 0) {
    return false;
  }
  never.lock();
  for (int i = 1; i < count; ++i) {
    auto thread = i % 2 == 0 ? std::thread(WaitForMutex)
                             : std::thread(WaitForByte, ends[0]);
    thread.detach();
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || (argc > 2 && !StartThreads(atoi(argv[2])))) {
    return 2;
  }
  std::vector<std::uint64_t> memory(static_cast<std::size_t>(atol(argv[1]))
                                    << 17);
  constexpr std::uint64_t kSeed = 88172645463325252;
  std::uint64_t value = kSeed;
  for (auto& word : memory) {
    word = value = Next(value);
  }
  signal(SIGUSR1, [](int) { asked = 1; });
  signal(SIGTERM, [](int) { ended = 1; });
  Tell(getpid());
  double longest = 0;
  double last = bench::Now();
  while (ended == 0) {
    double now = bench::Now();
    longest = std::max(longest, now - last);
    last = now;
    if (asked != 0) {
      asked = 0;
      Tell(longest * 1e3);
      longest = 0;
      last = bench::Now();
    }
  }
  value = kSeed;
  for (auto word : memory) {
    value = Next(value);
    if (word != value) {
      return 1;
    }
  }
  _exit(0);  // whatever the others wait for
}
