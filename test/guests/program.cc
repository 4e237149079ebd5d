// An ordinary small program, to be linked in every way: dynamic, static, at a
// fixed address. Libc's own things: heap, sorting, text, numbers, thread-local
// and static data, a file. Argument: SECONDS.
#include <math.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "guest.h"

namespace {

std::uint64_t initialised[1000] = {1, 2, 3};
std::uint64_t zeros[100'000];
thread_local std::uint64_t local = 42;
const char* const words[] = {"one", "two", "three"};

void StaticData() {
  static std::uint64_t round = 0;
  SSI_EQ(initialised[0], 1 + round);
  SSI_EQ(initialised[2], 3);
  SSI_EQ(zeros[99'999], round);
  SSI_EQ(local, 42 + round);
  SSI_EQ(strcmp(words[2], "three"), 0);
  ++round;
  ++initialised[0];
  zeros[99'999] = round;
  ++local;
}

void Heap() {
  std::vector<std::unique_ptr<std::vector<unsigned char>>> blocks;
  for (std::size_t i = 0; i < 400; ++i) {
    const std::size_t size = i % 50 == 0 ? 300'000 : i * 97 % 5000 + 1;
    blocks.push_back(std::make_unique<std::vector<unsigned char>>(size));
    guest::Fill(blocks.back()->data(), size, i);
    if (i % 3 == 0) {
      blocks[i / 2].reset();
    }
  }
  guest::Compute(3);
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (blocks[i] != nullptr) {
      SSI_TRUE(guest::Holds(blocks[i]->data(), blocks[i]->size(), i));
    }
  }
}

void Library() {
  std::vector<std::uint64_t> numbers(20'000);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    numbers[i] = guest::Mix(i);
  }
  std::sort(numbers.begin(), numbers.end());
  SSI_TRUE(std::is_sorted(numbers.begin(), numbers.end()));
  std::map<std::string, int> counts;
  for (int i = 0; i < 5000; ++i) {
    ++counts[std::to_string(i % 77)];
  }
  SSI_EQ(counts.size(), 77);
  SSI_EQ(counts["0"], 65);
  char text[64];
  snprintf(text, sizeof text, "%d %s %.3f %lx", 5, words[1], sqrt(2.0), 255UL);
  SSI_EQ(strcmp(text, "5 two 1.414 ff"), 0);
  SSI_TRUE(fabs(sin(1.0) * sin(1.0) + cos(1.0) * cos(1.0) - 1) < 1e-15);
  SSI_TRUE(getenv("NO_SUCH_VARIABLE") == nullptr);
}

void Exceptions() {
  int caught = 0;
  for (int i = 0; i < 100; ++i) {
    try {
      const std::string kept(100, 'x');
      if (i % 2 == 0) {
        throw i;
      }
    } catch (int number) {
      SSI_EQ(number, i);
      ++caught;
    }
  }
  SSI_EQ(caught, 50);
}

void File() {
  FILE* file = fopen("text", "w+");
  SSI_TRUE(file != nullptr);
  for (int i = 0; i < 2000; ++i) {
    fprintf(file, "line %d\n", i);
  }
  guest::Compute(1);
  rewind(file);
  char line[64];
  for (int i = 0; i < 2000; ++i) {
    SSI_TRUE(fgets(line, sizeof line, file) != nullptr);
    SSI_EQ(atoi(line + 5), i);
  }
  SSI_TRUE(fgets(line, sizeof line, file) == nullptr);
  SSI_EQ(fclose(file), 0);
  SSI_OK(unlink("text"));
}

}  // namespace

int main(int argc, char** argv) {
  return guest::RunInDirectory(guest::Seconds(argc, argv),
                               {{"static data", StaticData},
                                {"heap", Heap},
                                {"library", Library},
                                {"exceptions", Exceptions},
                                {"file", File}});
}
