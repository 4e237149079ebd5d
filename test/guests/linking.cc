// What the loader and libc set up: constructors in order, thread-local data,
// libraries loaded later, functions chosen by the processor, and the end.
// Argument: SECONDS.
#include <dlfcn.h>
#include <emmintrin.h>
#include <math.h>

#include <string>
#include <vector>

#include "guest.h"

namespace {

int constructed[8];
int count = 0;

struct Object {
  explicit Object(int number) : id(number) { constructed[count++] = number; }
  ~Object() {
    // In the opposite order; the last one to go checks them all.
    SSI_EQ(constructed[--count], id);
  }
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  int id;
};

__attribute__((constructor(200))) void Early() {
  constructed[count++] = 1;
}
__attribute__((constructor(300))) void Later() {
  constructed[count++] = 2;
}
Object first(3);
Object second(4);
const std::string text = "a string made before main, longer than its inside";
thread_local std::vector<int> local = {7, 8, 9};
thread_local std::uint64_t zero[1000];
thread_local std::uint64_t initial = 0x1234567890abcdef;

void Constructors() {
  SSI_EQ(count, 4);
  for (int i = 0; i < 4; ++i) {
    SSI_EQ(constructed[i], i + 1);
  }
  SSI_EQ(text.size(), 49);
}

void ThreadLocal() {
  static std::uint64_t round = 0;
  SSI_EQ(initial, 0x1234567890abcdef + round);
  SSI_EQ(zero[999], round);
  SSI_EQ(local.size(), 3 + round);
  ++round;
  ++initial;
  zero[999] = round;
  local.push_back(1);
  errno = 77;
  guest::Compute(5);
  SSI_EQ(errno, 77);
}

// A library that nothing has needed yet: opened, mapped, relocated, its code
// chosen for the processor, used, closed.
void LoadedLater() {
  void* library = dlopen("libmvec.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    guest::skip_reason = "no libmvec.so.1";
    return;
  }
  using Cosine = __m128d (*)(__m128d);
  const auto cosine = reinterpret_cast<Cosine>(dlsym(library, "_ZGVbN2v_cos"));
  SSI_TRUE(cosine != nullptr);
  guest::Compute(3);
  for (int i = 0; i < 1000; ++i) {
    double result[2];
    _mm_storeu_pd(result, cosine(_mm_set_pd(i * 0.01, i * 0.02)));
    SSI_TRUE(fabs(result[0] - cos(i * 0.02)) < 1e-12);
    SSI_TRUE(fabs(result[1] - cos(i * 0.01)) < 1e-12);
  }
  SSI_TRUE(dlsym(library, "no_such_function") == nullptr);
  SSI_OK(dlclose(library));
  SSI_TRUE(dlopen("./no_such_library.so", RTLD_NOW) == nullptr);
}

// memcpy and friends are chosen by the processor that the program started on.
void ChosenFunctions() {
  static unsigned char from[100'000];
  static unsigned char to[100'000];
  guest::Fill(from, sizeof from, 1);
  for (std::size_t size = 1; size < sizeof from; size = size * 3 / 2 + 1) {
    memcpy(to + 1, from + 3, size < 99'000 ? size : 99'000);
    SSI_EQ(memcmp(to + 1, from + 3, size < 99'000 ? size : 99'000), 0);
    memmove(to + 7, to, size < 99'000 ? size : 99'000);
  }
  guest::Compute(2);
  const std::string words(50'000, 'w');
  SSI_EQ(strlen(words.c_str()), 50'000);
  SSI_TRUE(strchr(words.c_str(), 'x') == nullptr);
  SSI_EQ(words.find('x'), std::string::npos);
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv),
                    {{"constructors", Constructors},
                     {"thread-local data", ThreadLocal},
                     {"loaded later", LoadedLater},
                     {"chosen functions", ChosenFunctions}});
}
