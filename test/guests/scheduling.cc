// Priorities, policies and CPU sets: what is set is got back, wherever it
// computes. Only policies that need no privilege. Argument: SECONDS.
#include <sched.h>
#include <sys/resource.h>

#include "guest.h"

namespace {

// The kernel's answer is 20 - nice.
long Nice() {
  return 20 - SSI_OK(syscall(SYS_getpriority, PRIO_PROCESS, 0));
}

void Priorities() {
  static long nice = 0;
  if (guest::first_round) {
    nice = Nice() < 17 ? Nice() + 2 : Nice();
    SSI_OK(syscall(SYS_setpriority, PRIO_PROCESS, 0, nice));
  }
  guest::Compute(2);
  SSI_EQ(Nice(), nice);
  SSI_OK(setpriority(PRIO_PROCESS, 0, static_cast<int>(nice)));
  SSI_TRUE(syscall(SYS_getpriority, PRIO_PGRP, 0) > 0);
  SSI_TRUE(syscall(SYS_getpriority, PRIO_USER, 0) > 0);
  rlimit limit{};
  SSI_OK(getrlimit(RLIMIT_NICE, &limit));
  if (geteuid() != 0 && limit.rlim_cur == 0) {
    SSI_FAILS(setpriority(PRIO_PROCESS, 0, static_cast<int>(nice) - 1), EACCES);
  }
  SSI_FAILS(syscall(SYS_getpriority, 77, 0), EINVAL);
  SSI_FAILS(syscall(SYS_getpriority, PRIO_PROCESS, 0x7ffffffe), ESRCH);
  SSI_FAILS(syscall(SYS_setpriority, PRIO_PROCESS, 0x7ffffffe, 5), ESRCH);
}

void Policies() {
  sched_param none{};
  SSI_EQ(syscall(SYS_sched_getscheduler, 0), SCHED_OTHER);
  SSI_OK(syscall(SYS_sched_setscheduler, 0, SCHED_BATCH, &none));
  guest::Compute(2);
  SSI_EQ(syscall(SYS_sched_getscheduler, 0), SCHED_BATCH);
  SSI_EQ(syscall(SYS_sched_getscheduler, getpid()), SCHED_BATCH);
  sched_param got{77};
  SSI_OK(syscall(SYS_sched_getparam, 0, &got));
  SSI_EQ(got.sched_priority, 0);
  SSI_OK(syscall(SYS_sched_setparam, 0, &none));
  SSI_OK(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &none));
  SSI_EQ(syscall(SYS_sched_getscheduler, 0), SCHED_OTHER);
  sched_param high{50};
  SSI_FAILS(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &high), EINVAL);
  SSI_FAILS(syscall(SYS_sched_setscheduler, 0, 77, &none), EINVAL);
  SSI_FAILS(syscall(SYS_sched_setscheduler, 0x7ffffffe, SCHED_OTHER, &none),
            ESRCH);
  SSI_EQ(syscall(SYS_sched_get_priority_max, SCHED_FIFO), 99);
  SSI_EQ(syscall(SYS_sched_get_priority_min, SCHED_FIFO), 1);
  SSI_EQ(syscall(SYS_sched_get_priority_max, SCHED_OTHER), 0);
  SSI_FAILS(syscall(SYS_sched_get_priority_min, 77), EINVAL);
  timespec slice{-1, -1};
  SSI_OK(syscall(SYS_sched_rr_get_interval, 0, &slice));
  SSI_TRUE(slice.tv_sec == 0 && slice.tv_nsec >= 0);
}

void Attributes() {
  struct Attribute {  // sched_attr as of its first version
    std::uint32_t size;
    std::uint32_t policy;
    std::uint64_t flags;
    std::int32_t nice;
    std::uint32_t priority;
    std::uint64_t runtime;
    std::uint64_t deadline;
    std::uint64_t period;
  } attribute{};
  SSI_OK(syscall(SYS_sched_getattr, 0, &attribute, sizeof attribute, 0));
  SSI_EQ(attribute.policy, SCHED_OTHER);
  SSI_EQ(attribute.nice, Nice());
  SSI_EQ(attribute.size, sizeof attribute);
  attribute.policy = SCHED_BATCH;
  SSI_OK(syscall(SYS_sched_setattr, 0, &attribute, 0));
  guest::Compute(2);
  SSI_EQ(syscall(SYS_sched_getscheduler, 0), SCHED_BATCH);
  attribute.policy = SCHED_OTHER;
  SSI_OK(syscall(SYS_sched_setattr, 0, &attribute, 0));
  SSI_FAILS(syscall(SYS_sched_getattr, 0, &attribute, 8, 0), EINVAL);
  SSI_FAILS(syscall(SYS_sched_setattr, 0, &attribute, 7), EINVAL);
  attribute.size = 10;
  SSI_FAILS(syscall(SYS_sched_setattr, 0, &attribute, 0), E2BIG);
}

long GetAffinity(cpu_set_t* set) {
  CPU_ZERO(set);
  return syscall(SYS_sched_getaffinity, 0, sizeof *set, set);
}

void CpuSets() {
  cpu_set_t all;
  const long size = GetAffinity(&all);
  SSI_TRUE(size > 0 && size % 8 == 0 && size <= 1024);
  int first = 0;
  while (!CPU_ISSET(first, &all)) {
    ++first;
  }
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  SSI_OK(syscall(SYS_sched_setaffinity, 0, sizeof one, &one));
  guest::Compute(3);
  cpu_set_t got;
  SSI_EQ(GetAffinity(&got), size);
  SSI_TRUE(CPU_EQUAL(&got, &one));
  SSI_OK(syscall(SYS_sched_setaffinity, getpid(), sizeof all, &all));
  SSI_EQ(GetAffinity(&got), size);
  SSI_TRUE(CPU_EQUAL(&got, &all));
  CPU_ZERO(&one);
  SSI_FAILS(syscall(SYS_sched_setaffinity, 0, sizeof one, &one), EINVAL);
  SSI_FAILS(syscall(SYS_sched_getaffinity, 0, 7, &got), EINVAL);
  SSI_FAILS(syscall(SYS_sched_getaffinity, 0x7ffffffe, sizeof got, &got),
            ESRCH);
  for (int i = 0; i < 10; ++i) {
    SSI_OK(syscall(SYS_sched_yield));
  }
}

void Disk() {
  constexpr int kProcess = 1;
  constexpr int kBestEffort6 = 2 << 13 | 6;  // linux/ioprio.h is not C++
  SSI_OK(syscall(SYS_ioprio_set, kProcess, 0, kBestEffort6));
  SSI_EQ(syscall(SYS_ioprio_get, kProcess, 0), kBestEffort6);
  SSI_FAILS(syscall(SYS_ioprio_get, 77, 0), EINVAL);
  SSI_FAILS(syscall(SYS_ioprio_get, kProcess, 0x7ffffffe), ESRCH);
  SSI_FAILS(syscall(SYS_ioprio_set, kProcess, 0, 5 << 13), EINVAL);
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv), {{"priorities", Priorities},
                                                 {"policies", Policies},
                                                 {"attributes", Attributes},
                                                 {"CPU sets", CpuSets},
                                                 {"disk", Disk}});
}
