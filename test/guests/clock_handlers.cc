// Signal handlers that come in the middle of reading a clock, and last longer
// than a hop: what they return to goes on, wherever the process is by then.
// Argument: SECONDS.
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

#include <atomic>
#include <thread>

#include "guest.h"

namespace {

std::atomic<int> handled{0};

// Long enough for a hop, and without a clock of its own.
void OnSignal(int) {
  volatile std::uint64_t value = 1;
  for (int i = 0; i < 10'000'000; ++i) {
    value = guest::Mix(value);
  }
  handled.fetch_add(1);
}

std::int64_t Microseconds() {
  timeval now{};
  SSI_OK(gettimeofday(&now, nullptr));
  return now.tv_sec * 1'000'000L + now.tv_usec;
}

// The clocks themselves must stay right, not only the program alive. REALTIME
// is another one on each node; a handler may last that long besides.
template <typename Read>
void InTheMiddle(Read read) {
  const pthread_t reader = pthread_self();
  handled = 0;
  std::thread sender([reader] {
    for (int i = 0; i < 4; ++i) {
      SSI_EQ(pthread_kill(reader, SIGUSR1), 0);
      while (handled.load() == i) {
      }
    }
  });
  while (handled.load() < 4) {
    read();
  }
  sender.join();
}

void Monotonic() {
  static std::int64_t last = 0;
  InTheMiddle([] {
    const std::int64_t now = guest::Nanoseconds();
    SSI_TRUE(now >= last);
    last = now;
  });
}

void TimeOfDay() {
  static const std::int64_t first = Microseconds();
  InTheMiddle([] {
    const std::int64_t passed = Microseconds() - first;
    SSI_TRUE(passed > -60'000'000 && passed < 600'000'000);
  });
}

}  // namespace

int main(int argc, char** argv) {
  struct sigaction action {};
  action.sa_handler = OnSignal;
  SSI_OK(sigaction(SIGUSR1, &action, nullptr));
  return guest::Run(guest::Seconds(argc, argv),
                    {{"monotonic", Monotonic}, {"time of day", TimeOfDay}});
}
