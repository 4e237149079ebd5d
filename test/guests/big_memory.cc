// Much memory: fills it with a pattern, then checks all of it and writes the
// next pattern, over and over. Arguments: MIB (64), SECONDS, SEED.
#include <vector>

#include "guest.h"

namespace {

// Word `at` in pass `pass`: cheap, so that memory and not the processor is
// what limits it, and different in each page, word and pass.
constexpr std::uint64_t Word(std::uint64_t base, std::uint64_t at) {
  return (base + at) * 0x9e3779b97f4a7c15;
}

std::vector<std::uint64_t> memory;
std::uint64_t base = 0;

void Pass() {
  const std::uint64_t next = guest::Mix(base);
  for (std::size_t at = 0; at < memory.size(); ++at) {
    if (memory[at] != Word(base, at)) {
      guest::Fail(__FILE__, __LINE__, "word", static_cast<long>(memory[at]),
                  static_cast<long>(Word(base, at)));
    }
    memory[at] = Word(next, at);
  }
  base = next;
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t mib =
      argc > 1 ? static_cast<std::size_t>(atol(argv[1])) : 64;
  base = argc > 3 ? static_cast<std::uint64_t>(atoll(argv[3])) : 1;
  setvbuf(stdout, nullptr, _IOLBF, 0);
  memory.resize(mib << 17);
  for (std::size_t at = 0; at < memory.size(); ++at) {
    memory[at] = Word(base, at);
  }
  printf("%zu MiB\n", mib);
  return guest::Run(guest::Seconds(argc, argv, 2), {{"passes", Pass}});
}
