// spin PIECES: computes. Prints, as JSON, the median time of one piece of work
// (about a millisecond: arithmetic, branches, and memory of a megabyte) and of
// all of it. The median of pieces stays true where others use the CPU too.
#include <stdio.h>
#include <stdlib.h>

#include "guest.h"

namespace {

constexpr std::size_t kWords = std::size_t{1} << 17;

std::uint64_t Piece(std::vector<std::uint64_t>& memory, std::uint64_t seed) {
  std::uint64_t value = seed;
  for (int i = 0; i < 250'000; ++i) {
    value ^= value << 13;
    value ^= value >> 7;
    value ^= value << 17;
    std::uint64_t& word = memory[value % kWords];
    word = (word & 1) != 0 ? word + value : word ^ value;
  }
  return value;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    return 2;
  }
  std::vector<std::uint64_t> memory(kWords, 1);
  std::vector<double> times;
  std::uint64_t value = 88172645463325252;
  double begin = bench::Now();
  for (int i = 0; i < atoi(argv[1]); ++i) {
    double start = bench::Now();
    value = Piece(memory, value);
    times.push_back(bench::Now() - start);
  }
  double all = bench::Now() - begin;
  printf("{\"piece_us\": %.3f, \"all_s\": %.4f, \"check\": %llu}\n",
         bench::Median(times) * 1e6, all,
         static_cast<unsigned long long>(value + memory[value % kWords]));
  return 0;
}
