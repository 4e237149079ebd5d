// Its first thread computes and looks at a clock that needs no call. Once the
// file `arm` is there, the first gap in that (a move) ends the process by
// exit_group with status 7: the first thing that it does when it goes on, while
// its other threads may still be held. `armed` says that it is ready.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <x86intrin.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace {

std::atomic<bool> armed = false;

void Sleep() {
  for (;;) {
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
}

void Arm() {
  while (access("arm", F_OK) != 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  (void)close(open("armed", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  armed = true;
  Sleep();
}

}  // namespace

int main() {
  std::vector<std::thread> others;
  others.emplace_back(Arm);
  constexpr int kIdle = 40;
  for (int i = 0; i < kIdle; ++i) {
    others.emplace_back(Sleep);
  }
  // A gap is longer than the kernel's time slices, in cycles of 1 to 4 GHz: 2.5
  // to 10 ms.
  constexpr unsigned long long kGap = 10'000'000;
  for (unsigned long long before = __rdtsc();;) {
    unsigned long long now = __rdtsc();
    if (now - before > kGap && armed) {
      syscall(SYS_exit_group, 7);
    }
    before = now;
  }
}
