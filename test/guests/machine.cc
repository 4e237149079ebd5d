// The machine that the program believes to be on is the same in every round:
// names, sizes, CPUs; and random numbers are random anywhere.
// Argument: SECONDS.
#include <fcntl.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/random.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include <string>

#include "guest.h"

namespace {

std::string ReadFile(const char* path) {
  std::string text(1 << 16, '\0');
  const int fd = SSI_OK(open(path, O_RDONLY));
  std::size_t size = 0;
  for (long got = 0;
       (got = read(fd, text.data() + size, text.size() - size)) > 0;) {
    size += static_cast<std::size_t>(got);
  }
  SSI_OK(close(fd));
  text.resize(size);
  return text;
}

void Names() {
  static utsname first{};
  static char host[65];
  utsname now{};
  char now_host[65] = {};
  SSI_OK(syscall(SYS_uname, &now));
  SSI_OK(gethostname(now_host, sizeof now_host));
  if (guest::first_round) {
    first = now;
    memcpy(host, now_host, sizeof host);
  }
  SSI_EQ(memcmp(&now, &first, sizeof now), 0);
  SSI_EQ(strcmp(host, now_host), 0);
  SSI_EQ(strcmp(host, now.nodename), 0);
  SSI_TRUE(ReadFile("/proc/sys/kernel/hostname") == std::string(host) + "\n");
  SSI_TRUE(ReadFile("/proc/sys/kernel/osrelease") ==
           std::string(now.release) + "\n");
  char small[2];
  if (strlen(host) >= 2) {
    SSI_FAILS(gethostname(small, 2), ENAMETOOLONG);
  }
  if (geteuid() != 0) {
    SSI_FAILS(sethostname("x", 1), EPERM);
    SSI_FAILS(setdomainname("x", 1), EPERM);
  }
}

void Sizes() {
  static struct sysinfo first {};
  struct sysinfo now {};
  SSI_OK(sysinfo(&now));
  if (guest::first_round) {
    first = now;
  }
  SSI_EQ(now.totalram, first.totalram);
  SSI_EQ(now.mem_unit, first.mem_unit);
  SSI_EQ(now.totalhigh, first.totalhigh);
  SSI_TRUE(now.uptime >= first.uptime);
  SSI_TRUE(now.freeram <= now.totalram);
  SSI_TRUE(now.procs > 0);
}

void Cpus() {
  static cpu_set_t first;
  static long number = 0;
  static std::string description;
  cpu_set_t now;
  CPU_ZERO(&now);
  SSI_TRUE(syscall(SYS_sched_getaffinity, 0, sizeof now, &now) > 0);
  if (guest::first_round) {
    first = now;
    number = sysconf(_SC_NPROCESSORS_ONLN);
    description = ReadFile("/proc/cpuinfo").substr(0, 200);
  }
  SSI_TRUE(CPU_EQUAL(&now, &first));
  SSI_EQ(sysconf(_SC_NPROCESSORS_ONLN), number);
  SSI_TRUE(ReadFile("/proc/cpuinfo").substr(0, 200) == description);
  // Two that are right wherever it computes.
  SSI_EQ(sysconf(_SC_PAGESIZE), 4096);
  SSI_EQ(sysconf(_SC_CLK_TCK), 100);
}

void Auxiliary() {
  static const unsigned long random = getauxval(AT_RANDOM);
  static unsigned char bytes[16];
  if (guest::first_round) {
    memcpy(bytes, reinterpret_cast<void*>(random), 16);
  }
  SSI_EQ(getauxval(AT_RANDOM), random);
  SSI_EQ(memcmp(bytes, reinterpret_cast<void*>(random), 16), 0);
  SSI_EQ(getauxval(AT_PAGESZ), 4096);
  SSI_EQ(getauxval(AT_UID), getuid());
  SSI_EQ(getauxval(AT_SECURE), 0);
  const auto* vdso =
      reinterpret_cast<const unsigned char*>(getauxval(AT_SYSINFO_EHDR));
  SSI_EQ(memcmp(vdso, "\177ELF", 4), 0);
}

void Random() {
  static unsigned char last[64];
  unsigned char now[64];
  for (const unsigned flags : {0U, static_cast<unsigned>(GRND_NONBLOCK),
                               static_cast<unsigned>(GRND_RANDOM),
                               static_cast<unsigned>(GRND_INSECURE)}) {
    memset(now, 0, sizeof now);
    SSI_EQ(syscall(SYS_getrandom, now, sizeof now, flags), sizeof now);
    SSI_TRUE(memcmp(now, last, sizeof now) != 0);
    SSI_TRUE(!guest::IsZero(now, sizeof now));
    memcpy(last, now, sizeof now);
  }
  static unsigned char large[1 << 20];
  memset(large, 0, sizeof large);
  SSI_EQ(syscall(SYS_getrandom, large, sizeof large, 0), sizeof large);
  int ones = 0;
  for (const unsigned char byte : large) {
    ones += __builtin_popcount(byte);
  }
  const int half = static_cast<int>(sizeof large) * 4;
  SSI_TRUE(ones > half - 20'000 && ones < half + 20'000);  // 14 sigma
  SSI_FAILS(syscall(SYS_getrandom, now, 1, 0x100), EINVAL);
  SSI_EQ(getentropy(now, sizeof now), 0);
  const int fd = SSI_OK(open("/dev/urandom", O_RDONLY));
  SSI_EQ(read(fd, now, sizeof now), sizeof now);
  SSI_TRUE(memcmp(now, last, sizeof now) != 0);
  SSI_OK(close(fd));
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv),
                    {{"names", Names},
                     {"sizes", Sizes},
                     {"CPUs", Cpus},
                     {"auxiliary vector", Auxiliary},
                     {"random numbers", Random}});
}
