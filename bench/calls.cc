// calls SAMPLES FILE: what single system calls cost this process, in ns, as one
// line of JSON: medians.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest.h"

namespace {

constexpr std::size_t kSmall = 64;

// Cheap calls are timed eight in a row, because the clock is not free.
constexpr double kCheap = 5e-6;
constexpr int kRow = 8;

template <typename Call>
double TimeRow(int in_row, Call call) {
  double start = bench::Now();
  for (int i = 0; i < in_row; ++i) {
    if (call() < 0) {
      perror("calls");
      exit(1);
    }
  }
  return (bench::Now() - start) / in_row;
}

template <typename Call>
double Time(int samples, Call call) {
  TimeRow(1, call);  // the first one is not like the others
  int in_row = TimeRow(1, call) < kCheap ? kRow : 1;
  std::vector<double> times;
  for (int i = 0; i < samples; ++i) {
    times.push_back(TimeRow(in_row, call) * 1e9);
  }
  return bench::Median(times);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    return 2;
  }
  int samples = std::max(1, atoi(argv[1]));
  int fd = open(argv[2], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  char buffer[kSmall] = "some bytes";
  if (fd < 0 || pwrite(fd, buffer, kSmall, 0) != kSmall) {
    perror(argv[2]);
    return 1;
  }
  struct stat info;
  // A local call is cheap everywhere: more samples for the same quiet.
  double gettid = Time(samples * 10, [] { return syscall(SYS_gettid); });
  double getppid = Time(samples, [] { return syscall(SYS_getppid); });
  double getuid = Time(samples, [] { return syscall(SYS_getuid); });
  double stat = Time(samples, [&] { return fstat(fd, &info); });
  double read = Time(samples, [&] { return pread(fd, buffer, kSmall, 0); });
  double write = Time(samples, [&] { return ::write(fd, buffer, kSmall); });
  printf(
      "{\"gettid\": %.1f, \"getppid\": %.1f, \"getuid\": %.1f, "
      "\"fstat\": %.1f, \"pread64\": %.1f, \"write64\": %.1f}\n",
      gettid, getppid, getuid, stat, read, write);
  return 0;
}
