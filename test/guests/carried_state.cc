// State of a process that no call of its own would miss until it is needed:
// personality, membarrier registrations, a local descriptor table, memory
// merging, the old vsyscall page. Argument: SECONDS.
#include <asm/ldt.h>
#include <linux/membarrier.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/utsname.h>

#include "guest.h"

namespace {

constexpr int kSetMemoryMerge = 67;
constexpr int kGetMemoryMerge = 68;

sigjmp_buf after_fault;
void OnFault(int) {
  siglongjmp(after_fault, 1);
}

// Runs `access`; false if it raised SIGSEGV.
template <typename Access>
bool Works(Access access) {
  struct sigaction action {};
  action.sa_handler = OnFault;
  SSI_OK(sigaction(SIGSEGV, &action, nullptr));
  volatile bool works = false;
  if (sigsetjmp(after_fault, 1) == 0) {
    access();
    works = true;
  }
  signal(SIGSEGV, SIG_DFL);
  return works;
}

unsigned char* Map(int protection, int flags = 0) {
  void* memory = mmap(nullptr, 4096, protection,
                      MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  SSI_TRUE(memory != MAP_FAILED);
  return static_cast<unsigned char*>(memory);
}

void Personality() {
  const int before = SSI_OK(syscall(SYS_personality, 0xffffffff));
  SSI_EQ(syscall(SYS_personality, ADDR_NO_RANDOMIZE | UNAME26), before);
  guest::Compute(3);
  SSI_EQ(syscall(SYS_personality, 0xffffffff), ADDR_NO_RANDOMIZE | UNAME26);
  utsname name{};
  SSI_OK(syscall(SYS_uname, &name));
  SSI_EQ(strncmp(name.release, "2.6.", 4), 0);
  // With READ_IMPLIES_EXEC what can be read can be run.
  SSI_OK(syscall(SYS_personality, READ_IMPLIES_EXEC));
  guest::Compute(1);
  unsigned char* code = Map(PROT_READ | PROT_WRITE);
  code[0] = 0xc3;  // ret
  SSI_TRUE(Works([code] { reinterpret_cast<void (*)()>(code)(); }));
  SSI_OK(munmap(code, 4096));
  SSI_OK(syscall(SYS_personality, before));
  code = Map(PROT_READ | PROT_WRITE);
  code[0] = 0xc3;
  SSI_TRUE(!Works([code] { reinterpret_cast<void (*)()>(code)(); }));
  SSI_OK(munmap(code, 4096));
}

void Barriers() {
  const long all = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
  if (all < 0 || (all & MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0) {
    guest::skip_reason = "no membarrier in this kernel";
    return;
  }
  if (guest::first_round) {
    SSI_FAILS(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0),
              EPERM);
    SSI_OK(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0,
                   0));
  }
  guest::Compute(3);
  SSI_OK(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
  SSI_FAILS(
      syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0),
      EPERM);  // that one was not registered
  SSI_OK(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0));
}

// A data segment of one page somewhere below 4 GiB, used through GS.
void DescriptorTable() {
  unsigned char* page = Map(PROT_READ | PROT_WRITE, MAP_32BIT);
  guest::Fill(page, 4096, 1);
  user_desc segment{};
  segment.entry_number = 3;
  segment.base_addr =
      static_cast<unsigned>(reinterpret_cast<std::uintptr_t>(page));
  segment.limit = 4095;
  segment.seg_32bit = 1;
  segment.useable = 1;
  if (syscall(SYS_modify_ldt, 0x11, &segment, sizeof segment) != 0) {
    SSI_EQ(errno, ENOSYS);
    guest::skip_reason = "no modify_ldt in this kernel";
    SSI_OK(munmap(page, 4096));
    return;
  }
  const unsigned selector = 3 << 3 | 4 | 3;
  unsigned char entries[64] = {};
  const long size = syscall(SYS_modify_ldt, 0, entries, sizeof entries);
  SSI_TRUE(size >= 32);
  __asm__ volatile("mov %0, %%gs" ::"r"(selector));
  guest::Compute(5);
  std::uint64_t word = 0;
  unsigned now = 0;
  __asm__ volatile("mov %%gs:80, %0" : "=r"(word));
  __asm__ volatile("mov %%gs, %0" : "=r"(now));
  SSI_EQ(word, guest::Mix(1 + 10));
  SSI_EQ(now, selector);
  SSI_TRUE(!Works([] { __asm__ volatile("movb %%gs:4096, %%al" ::: "rax"); }));
  unsigned char again[64] = {};
  SSI_EQ(syscall(SYS_modify_ldt, 0, again, sizeof again), size);
  SSI_EQ(memcmp(entries, again, 32), 0);
  __asm__ volatile("mov %0, %%gs" ::"r"(0));
  segment = {};
  segment.entry_number = 3;
  SSI_OK(syscall(SYS_modify_ldt, 1, &segment, sizeof segment));
  SSI_OK(munmap(page, 4096));
}

void Merging() {
  if (prctl(kSetMemoryMerge, 1, 0, 0, 0) != 0) {
    guest::skip_reason = "no merging of whole processes";
    return;
  }
  unsigned char* page = Map(PROT_READ | PROT_WRITE);
  guest::Fill(page, 4096, 2);
  guest::Compute(3);
  SSI_EQ(prctl(kGetMemoryMerge, 0, 0, 0, 0), 1);
  SSI_TRUE(guest::Holds(page, 4096, 2));
  SSI_OK(prctl(kSetMemoryMerge, 0, 0, 0, 0));
  SSI_EQ(prctl(kGetMemoryMerge, 0, 0, 0, 0), 0);
  SSI_OK(munmap(page, 4096));
}

// Calls at fixed addresses, as programs of before 2012 make them.
void Vsyscalls() {
  const auto get_time = reinterpret_cast<long (*)(long*)>(0xffffffffff600400);
  const auto get_day =
      reinterpret_cast<long (*)(long*, void*)>(0xffffffffff600000);
  if (!Works([=] { get_time(nullptr); })) {
    guest::skip_reason = "no vsyscall page";
    return;
  }
  for (int i = 0; i < 20; ++i) {
    long day[2] = {};
    SSI_EQ(get_day(day, nullptr), 0);
    const long now = get_time(nullptr);
    SSI_TRUE(now >= day[0] - 1 && now <= day[0] + 5);
    SSI_TRUE(time(nullptr) >= now - 1 && time(nullptr) <= now + 5);
  }
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv),
                    {{"personality", Personality},
                     {"barriers", Barriers},
                     {"descriptor table", DescriptorTable},
                     {"merging", Merging},
                     {"vsyscalls", Vsyscalls}});
}
