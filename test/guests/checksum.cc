// Computes for a while with heap, static data, thread-local data, the x87 and
// SSE units and files mapped by the loader; prints "start", then one number
// that depends on every step. Arguments: rounds.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {
std::uint64_t table[4096];
thread_local std::uint64_t local_sum = 1;
}  // namespace

int main(int argc, char** argv) {
  long rounds = argc > 1 ? std::atol(argv[1]) : 1000;
  std::vector<std::uint64_t> heap(200000, 7);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  std::puts("start");
  double value = 0.5;
  long double precise = 1.0L;
  for (long round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < heap.size(); ++i) {
      heap[i] = heap[i] * 6364136223846793005U + static_cast<std::uint64_t>(i);
      table[i % 4096] ^= heap[i] >> 7;
      local_sum += table[(i * 31) % 4096];
    }
    value = std::sin(value) + 1.0 / static_cast<double>(round + 1);
    precise = precise * 1.0000001L + static_cast<long double>(value);
  }
  std::printf("%016lx %.17g %.20Lg\n", static_cast<unsigned long>(local_sum),
              value, precise);
  return static_cast<int>(local_sum & 0x3f);
}
