// A parallel loop, a critical section, a barrier and a single of OpenMP, in
// four threads. Argument: rounds.
#include <omp.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace {

constexpr int kCells = 4096;
std::array<std::uint64_t, kCells> cells;

std::uint64_t Mixed(std::uint64_t value) {
  for (int k = 0; k < 200; ++k) {
    value = value * 6364136223846793005U + 1442695040888963407U;
  }
  return value;
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 10;
  std::uint64_t all = 0;
  std::uint64_t bits = 0;
  omp_set_num_threads(4);
  for (int round = 0; round < rounds; ++round) {
#pragma omp parallel for schedule(dynamic, 64) reduction(+ : bits)
    for (int i = 0; i < kCells; ++i) {
      auto& cell = cells[static_cast<std::size_t>(i)];
      cell = Mixed(cell + static_cast<std::uint64_t>(i + round));
      bits += cell >> 60;
    }
#pragma omp parallel
    {
      const int thread = omp_get_thread_num();
#pragma omp critical
      all += cells[static_cast<std::size_t>((round * 7 + thread) % kCells)];
#pragma omp barrier
#pragma omp single
      all ^= cells[static_cast<std::size_t>(round % kCells)];
    }
  }
  std::printf("%llx %llu\n", static_cast<unsigned long long>(all),
              static_cast<unsigned long long>(bits));
}
