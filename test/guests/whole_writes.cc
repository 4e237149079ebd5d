// Writes to standard output, in large pieces, what anybody can compute; each
// write must take all that it is given, as it does into a pipe when no signal
// interrupts it.
//
// usage: whole_writes write|writev ROUNDS
#include <sys/uio.h>

#include <string>
#include <vector>

#include "guest.h"

int main(int argc, char** argv) {
  SSI_TRUE(argc == 3);
  constexpr std::size_t kSize = 1'500'000;  // more than one message carries
  std::vector<char> data(kSize);
  for (std::size_t i = 0; i < kSize; ++i) {
    data[i] = static_cast<char>(i * 7 + i / 251);
  }
  const std::size_t third = kSize / 3;
  const iovec vectors[] = {{data.data(), third},
                           {data.data() + third, 0},
                           {data.data() + third, 1},
                           {data.data() + third + 1, kSize - third - 1}};
  for (int i = 0; i < atoi(argv[2]); ++i) {
    const long written = std::string(argv[1]) == "write"
                             ? write(1, data.data(), kSize)
                             : writev(1, vectors, 4);
    SSI_EQ(written, static_cast<long>(kSize));
  }
  return 0;
}
