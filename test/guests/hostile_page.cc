// Makes its own code pages where the runtime keeps its page when the process
// is away, and makes a call from there. Natively the call does the same there
// as anywhere; away it may do that, or the guest may be ended for it, but it
// must never be carried out on the other node. Arguments: MODE, NUMBER (of the
// call, all its arguments 0), and, if other than the default 0x300000000000,
// START. Modes: noreplace (MAP_FIXED_NOREPLACE), over (MAP_FIXED, over whatever
// is there), unmap (takes away what is there, then calls from its own text).
#include <sys/mman.h>

#include <algorithm>
#include <iterator>
#include <string>

#include "guest.h"

namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kLength = 8 << 20;
constexpr std::uint64_t kSteps[] = {kPage, 16 * kPage, 256 * kPage};

// Calls that must not be made with all arguments 0: they end, replace, block,
// stop or double the program, change the machine, or leave something behind.
constexpr int kExcluded[] = {15,  23,  34,  56,  57,  58,  60,  68,  101, 153,
                             162, 163, 164, 169, 170, 171, 175, 219, 231, 246,
                             270, 271, 313, 317, 320, 335, 336, 435};

// mov %edi, %eax; five arguments 0; syscall; ret
constexpr unsigned char kCode[] = {0x89, 0xf8,        // mov %edi, %eax
                                   0x31, 0xff,        // xor %edi, %edi
                                   0x31, 0xf6,        // xor %esi, %esi
                                   0x31, 0xd2,        // xor %edx, %edx
                                   0x45, 0x31, 0xd2,  // xor %r10d, %r10d
                                   0x45, 0x31, 0xc0,  // xor %r8d, %r8d
                                   0x45, 0x31, 0xc9,  // xor %r9d, %r9d
                                   0x0f, 0x05, 0xc3};

int number = 0;
std::uint64_t start = 0x300000000000;
std::string mode;

// The same call from the program's own text. The descriptors that it may have
// made are closed again, so that the next one finds the same numbers.
long Ordinary() {
  const long result = syscall(number, 0, 0, 0, 0, 0, 0);
  const long value = result == -1 ? -errno : result;
  syscall(SYS_close_range, 3, ~0U, 0);
  return value;
}

// Ids, times and the like differ from call to call; errors do not.
bool Alike(long a, long b) {
  return a == b || (a >= 0 && b >= 0);
}

// Calls from a page at `address`; false if there is no room.
bool CallFrom(std::uint64_t address, long want) {
  const int fixed = mode == "over" ? MAP_FIXED : MAP_FIXED_NOREPLACE;
  void* at =
      mmap(reinterpret_cast<void*>(address), kPage, PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS | fixed, -1, 0);
  if (at == MAP_FAILED) {
    // Away the local vdso is somewhere too, and no page of it can be covered
    // alone (special_mapping_split, mm/mmap.c).
    SSI_TRUE(errno == EEXIST || (mode == "over" && errno == EINVAL));
    return false;
  }
  SSI_EQ(reinterpret_cast<std::uint64_t>(at), address);
  memcpy(at, kCode, sizeof kCode);
  SSI_OK(mprotect(at, kPage, PROT_READ | PROT_EXEC));
  const long got = reinterpret_cast<long (*)(int)>(at)(number);
  syscall(SYS_close_range, 3, ~0U, 0);
  if (!Alike(got, want)) {
    SSI_EQ(got, want);
  }
  SSI_EQ(memcmp(at, kCode, sizeof kCode), 0);
  SSI_OK(munmap(at, kPage));
  return true;
}

void Scan() {
  Ordinary();
  const long want = Ordinary();  // some calls change what they say, once
  int taken = 0;
  for (const std::uint64_t step : kSteps) {
    for (std::uint64_t at = start; at < start + kLength; at += step) {
      taken += CallFrom(at, want) ? 0 : 1;
    }
  }
  // Natively none is; away those that the runtime has, which is no secret.
  if (guest::first_round && taken > 0) {
    fprintf(stderr, "%d places were taken\n", taken);
  }
}

void Unmap() {
  Ordinary();
  const long want = Ordinary();
  SSI_OK(munmap(reinterpret_cast<void*>(start), kLength));
  guest::Compute(5);
  SSI_TRUE(Alike(Ordinary(), want));
  SSI_TRUE(getppid() > 0);
  SSI_FAILS(mprotect(reinterpret_cast<void*>(start), kLength, PROT_NONE),
            ENOMEM);
  SSI_FAILS(madvise(reinterpret_cast<void*>(start), kLength, MADV_DONTNEED),
            ENOMEM);
  SSI_TRUE(Alike(Ordinary(), want));
  SSI_TRUE(getppid() > 0);
}

}  // namespace

int main(int argc, char** argv) {
  mode = argc > 1 ? argv[1] : "noreplace";
  number = argc > 2 ? atoi(argv[2]) : SYS_getppid;
  start = argc > 3 ? strtoull(argv[3], nullptr, 0) : start;
  if (std::find(std::begin(kExcluded), std::end(kExcluded), number) !=
      std::end(kExcluded)) {
    puts("excluded\nPASS");
    return 0;
  }
  // 0 is a descriptor for many of them: one of our own, not somebody's file.
  int ends[2];
  SSI_OK(pipe(ends));
  SSI_EQ(dup2(ends[0], 0), 0);
  SSI_OK(syscall(SYS_close_range, 3, ~0U, 0));
  return guest::Run(0, {{mode.c_str(), mode == "unmap" ? Unmap : Scan}});
}
