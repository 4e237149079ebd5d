// Restartable sequences, as libc registers them: the CPU's number is sane, and
// a section that is disturbed is never finished but begun again.
// Argument: SECONDS.
#include <sched.h>
#include <sys/rseq.h>

#include "guest.h"

namespace {

struct rseq* Area() {
  return reinterpret_cast<struct rseq*>(
      static_cast<unsigned char*>(__builtin_thread_pointer()) + __rseq_offset);
}

bool HasRseq() {
  if (__rseq_size == 0) {
    guest::skip_reason = "libc has registered none";
  }
  return __rseq_size != 0;
}

void Numbers() {
  if (!HasRseq()) {
    return;
  }
  for (int i = 0; i < 100; ++i) {
    const volatile struct rseq* area = Area();
    SSI_TRUE(area->cpu_id < 8192);
    SSI_TRUE(area->cpu_id_start < 8192);
    unsigned cpu = 0;
    unsigned node = 0;
    SSI_OK(syscall(SYS_getcpu, &cpu, &node, nullptr));
    SSI_TRUE(cpu < 8192 && node < 1024);
    SSI_TRUE(sched_getcpu() >= 0);
  }
}

struct Section {
  std::uint64_t half;       // stored while the section runs
  std::uint64_t committed;  // stored by its last instruction
  std::uint32_t first_cpu;
  std::uint32_t last_cpu;
};

// One section of about 20 us; false if it was aborted.
bool TryOnce(Section* section, std::uint64_t value, std::uint64_t spins) {
  __asm__ goto(
      ".pushsection __rseq_cs, \"aw\"\n"
      ".balign 32\n"
      "3: .long 0, 0\n"
      ".quad 1f, 2f - 1f, 4f\n"
      ".popsection\n"
      "leaq 3b(%%rip), %%rax\n"
      "movq %%rax, %c[cs](%[area])\n"
      "1: movl %c[cpu](%[area]), %%eax\n"
      "movl %%eax, %c[first](%[section])\n"
      "movq %[value], %c[half](%[section])\n"
      "movq %[spins], %%rcx\n"
      "5: dec %%rcx\n"
      "jnz 5b\n"
      "movl %c[cpu](%[area]), %%eax\n"
      "movl %%eax, %c[last](%[section])\n"
      "movq %[value], %c[committed](%[section])\n"
      "2:\n"
      ".pushsection .text.unlikely, \"ax\"\n"
      ".byte 0x0f, 0xb9, 0x3d\n"  // makes the signature an instruction
      ".long %c[signature]\n"
      "4: jmp %l[aborted]\n"
      ".popsection\n" ::[area] "r"(Area()),
      [section] "r"(section), [value] "r"(value), [spins] "r"(spins),
      [cs] "i"(offsetof(struct rseq, rseq_cs)),
      [cpu] "i"(offsetof(struct rseq, cpu_id)),
      [half] "i"(offsetof(Section, half)),
      [committed] "i"(offsetof(Section, committed)),
      [first] "i"(offsetof(Section, first_cpu)),
      [last] "i"(offsetof(Section, last_cpu)), [signature] "i"(RSEQ_SIG)
      : "rax", "rcx", "cc", "memory"
      : aborted);
  return true;
aborted:
  return false;
}

// A section that finishes has run on one CPU from its first instruction to
// its last; one that was moved in the middle has been aborted.
void Sections() {
  if (!HasRseq()) {
    return;
  }
  static std::uint64_t value = 0;
  Section section{value, value, 0, 0};
  const std::int64_t end = guest::Nanoseconds() + 50'000'000;
  while (guest::Nanoseconds() < end) {
    ++value;
    if (TryOnce(&section, value, 50'000)) {
      SSI_EQ(section.half, value);
      SSI_EQ(section.committed, value);
      SSI_EQ(section.first_cpu, section.last_cpu);
    } else {
      SSI_TRUE(section.committed != value);
      SSI_TRUE(section.half == value || section.half == section.committed ||
               section.half + 1 == value);
    }
  }
}

// Taken back and registered anew; in between there is none to carry.
void Registration() {
  if (!HasRseq()) {
    return;
  }
  struct rseq* area = Area();
  const unsigned size = sizeof(struct rseq);
  SSI_FAILS(syscall(SYS_rseq, area, size, 0, RSEQ_SIG + 1), EPERM);
  SSI_FAILS(syscall(SYS_rseq, area, size, 0, RSEQ_SIG), EBUSY);
  SSI_OK(syscall(SYS_rseq, area, size, RSEQ_FLAG_UNREGISTER, RSEQ_SIG));
  SSI_EQ(area->cpu_id, static_cast<unsigned>(RSEQ_CPU_ID_UNINITIALIZED));
  guest::Compute(3);
  SSI_EQ(area->cpu_id, static_cast<unsigned>(RSEQ_CPU_ID_UNINITIALIZED));
  SSI_FAILS(syscall(SYS_rseq, area, size, RSEQ_FLAG_UNREGISTER, RSEQ_SIG),
            EINVAL);
  SSI_OK(syscall(SYS_rseq, area, size, 0, RSEQ_SIG));
  SSI_TRUE(area->cpu_id < 8192);
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv),
                    {{"numbers", Numbers},
                     {"sections", Sections},
                     {"registration", Registration}});
}
