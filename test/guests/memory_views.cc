// What /proc says of the program's memory is about the memory it has: maps,
// smaps, mem, auxv, pagemap. Argument: SECONDS.
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include <string>

#include "guest.h"

namespace {

constexpr std::size_t kPage = 4096;

std::string ReadFile(const char* path) {
  static char text[1 << 20];
  const int fd = SSI_OK(open(path, O_RDONLY));
  std::size_t size = 0;
  for (long got = 0; (got = read(fd, text + size, sizeof text - size)) > 0;) {
    size += static_cast<std::size_t>(got);
  }
  SSI_OK(close(fd));
  return {text, size};
}

std::uintptr_t Number(const void* address) {
  return reinterpret_cast<std::uintptr_t>(address);
}

// The permissions of the area that holds `address`, "" if there is none.
std::string PermissionsOf(const std::string& maps, const void* address) {
  for (std::size_t at = 0; at < maps.size(); at = maps.find('\n', at) + 1) {
    unsigned long start = 0;
    unsigned long end = 0;
    char permissions[8] = {};
    if (sscanf(maps.c_str() + at, "%lx-%lx %7s", &start, &end, permissions) ==
            3 &&
        Number(address) >= start && Number(address) < end) {
      return permissions;
    }
  }
  return "";
}

const int constant = 5;
int variable = 5;

unsigned char* Map(std::size_t pages) {
  void* memory = mmap(nullptr, pages * kPage, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  SSI_TRUE(memory != MAP_FAILED);
  return static_cast<unsigned char*>(memory);
}

void Maps() {
  unsigned char* area = Map(10);
  SSI_OK(mprotect(area + 2 * kPage, kPage, PROT_READ));
  SSI_OK(mprotect(area + 4 * kPage, kPage, PROT_NONE));
  SSI_OK(munmap(area + 6 * kPage, kPage));
  guest::Compute(2);
  for (const char* path : {"/proc/self/maps", "/proc/self/smaps"}) {
    const std::string maps = ReadFile(path);
    int local = 0;
    SSI_TRUE(PermissionsOf(maps, area) == "rw-p");
    SSI_TRUE(PermissionsOf(maps, area + 2 * kPage) == "r--p");
    SSI_TRUE(PermissionsOf(maps, area + 4 * kPage) == "---p");
    SSI_TRUE(PermissionsOf(maps, area + 6 * kPage).empty());
    SSI_TRUE(PermissionsOf(maps, &variable) == "rw-p");
    SSI_TRUE(PermissionsOf(maps, &constant) == "r--p");
    SSI_TRUE(PermissionsOf(maps, &local) == "rw-p");
    SSI_TRUE(PermissionsOf(maps, reinterpret_cast<void*>(Maps)) == "r-xp");
    SSI_TRUE(maps.find("[stack]") != std::string::npos);
    SSI_TRUE(maps.find("[heap]") != std::string::npos);
    SSI_TRUE(maps.find("[vdso]") != std::string::npos);
  }
  SSI_OK(munmap(area, 10 * kPage));
}

void Memory() {
  unsigned char* area = Map(3);
  guest::Fill(area, kPage, 1);
  SSI_OK(mprotect(area, kPage, PROT_READ));
  const int fd = SSI_OK(open("/proc/self/mem", O_RDWR));
  unsigned char copy[kPage];
  SSI_EQ(pread(fd, copy, kPage, static_cast<off_t>(Number(area))), kPage);
  SSI_TRUE(guest::Holds(copy, kPage, 1));
  guest::Fill(copy, 100, 2);
  const auto second = static_cast<off_t>(Number(area + kPage));
  SSI_EQ(pwrite(fd, copy, 100, second), 100);
  SSI_TRUE(guest::Holds(area + kPage, 100, 2));
  SSI_OK(munmap(area + 2 * kPage, kPage));
  SSI_FAILS(
      pread(fd, copy, kPage, static_cast<off_t>(Number(area + 2 * kPage))),
      EIO);
  SSI_OK(close(fd));
  SSI_OK(munmap(area, 2 * kPage));
}

void Auxiliary() {
  const std::string vector = ReadFile("/proc/self/auxv");
  unsigned long pairs[64][2] = {};
  SSI_TRUE(vector.size() <= sizeof pairs);
  memcpy(pairs, vector.data(), vector.size());
  int found = 0;
  for (const auto& [type, value] : pairs) {
    if (type == AT_RANDOM || type == AT_SYSINFO_EHDR || type == AT_ENTRY) {
      SSI_EQ(value, getauxval(type));
      ++found;
    }
  }
  SSI_EQ(found, 3);
}

void Pages() {
  unsigned char* area = Map(4);
  SSI_OK(madvise(area, 4 * kPage, MADV_NOHUGEPAGE));
  area[0] = 1;
  area[2 * kPage] = 1;
  const int fd = SSI_OK(open("/proc/self/pagemap", O_RDONLY));
  std::uint64_t entries[4] = {};
  SSI_EQ(pread(fd, entries, sizeof entries,
               static_cast<off_t>(Number(area) / kPage * 8)),
         sizeof entries);
  for (std::size_t i = 0; i < 4; ++i) {
    SSI_EQ(entries[i] >> 62 != 0, i % 2 == 0);  // present or swapped
  }
  SSI_OK(close(fd));
  SSI_OK(munmap(area, 4 * kPage));
}

}  // namespace

int main(int argc, char** argv) {
  free(malloc(1));  // so that there is a heap
  return guest::Run(guest::Seconds(argc, argv),
                    {{"maps", Maps},
                     {"memory", Memory},
                     {"auxiliary vector", Auxiliary},
                     {"pages", Pages}});
}
