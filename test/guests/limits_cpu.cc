// RLIMIT_CPU: SIGXCPU comes when the CPU time is used up, counted over all
// places where it was used, and again each second. Ends after two of them,
// so after 2 to 3 s of CPU time, whatever its argument says.
#include <signal.h>
#include <sys/resource.h>

#include "guest.h"

namespace {

volatile int signals = 0;
void OnSignal(int) {
  signals = signals + 1;
}

double CpuSeconds() {
  return static_cast<double>(guest::Nanoseconds(CLOCK_PROCESS_CPUTIME_ID)) /
         1e9;
}

std::uint64_t rounds = 0;
void ComputeRound() {
  static volatile std::uint64_t value = 1;
  for (int i = 0; i < 1000; ++i) {
    value = guest::Mix(value);
  }
  ++rounds;
}

// Computes until the signal has come `count` times; the CPU time used.
double UntilSignal(int count) {
  while (signals < count) {
    ComputeRound();
  }
  return CpuSeconds();
}

// At least so much work fits into a second of CPU time. By the wall clock:
// back home a program's CPU clocks lack what it used away.
double RoundsOfASecond() {
  const auto start = guest::Nanoseconds(CLOCK_MONOTONIC);
  while (guest::Nanoseconds(CLOCK_MONOTONIC) - start < 200'000'000) {
    ComputeRound();
  }
  return static_cast<double>(rounds) * 5;
}

void Limit() {
  if (!guest::first_round) {
    return;
  }
  struct sigaction action {};
  action.sa_handler = OnSignal;
  SSI_OK(sigaction(SIGXCPU, &action, nullptr));
  rlimit limit{};
  SSI_OK(getrlimit(RLIMIT_CPU, &limit));
  // Half of it: a CPU that is shared is slower.
  const double least = RoundsOfASecond() / 2;
  rounds = 0;
  const double start = CpuSeconds();
  const auto soft = static_cast<rlim_t>(start) + 2;
  limit.rlim_cur = soft;
  SSI_OK(setrlimit(RLIMIT_CPU, &limit));
  const double first = UntilSignal(1) - static_cast<double>(soft);
  // Between one and two seconds after the start.
  SSI_TRUE(static_cast<double>(rounds) > least);
  SSI_TRUE(first < 0.3);
  SSI_OK(getrlimit(RLIMIT_CPU, &limit));
  SSI_EQ(limit.rlim_cur, soft + 1);  // the kernel moves it on
  const double second = UntilSignal(2) - static_cast<double>(soft) - 1;
  SSI_TRUE(static_cast<double>(rounds) > 2 * least);
  SSI_TRUE(second < 0.3);
  limit.rlim_cur = limit.rlim_max;
  SSI_OK(setrlimit(RLIMIT_CPU, &limit));
  SSI_EQ(signals, 2);
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv), {{"limit", Limit}});
}
