// prctl by option: what is set stays set, wherever the process is; the last
// part sets what cannot be taken back. Argument: SECONDS.
#include <fcntl.h>
#include <linux/securebits.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <x86intrin.h>

#include <string>

#include "guest.h"

namespace {

long Prctl(int option, unsigned long a = 0, unsigned long b = 0,
           unsigned long c = 0, unsigned long d = 0) {
  return syscall(SYS_prctl, option, a, b, c, d);
}

unsigned long Address(const void* to) {
  return reinterpret_cast<unsigned long>(to);
}

std::string ReadComm() {
  char text[64] = {};
  const int fd = SSI_OK(open("/proc/self/comm", O_RDONLY));
  SSI_OK(read(fd, text, sizeof text - 1));
  SSI_OK(close(fd));
  return text;
}

void Name() {
  char name[17] = {};
  SSI_OK(Prctl(PR_SET_NAME, Address("a name longer than 15 bytes")));
  guest::Compute(1);
  SSI_OK(Prctl(PR_GET_NAME, Address(name)));
  SSI_EQ(strcmp(name, "a name longer t"), 0);
  SSI_TRUE(ReadComm() == "a name longer t\n");
  SSI_OK(Prctl(PR_SET_NAME, Address("guest")));
  SSI_OK(Prctl(PR_GET_NAME, Address(name)));
  SSI_EQ(strcmp(name, "guest"), 0);
}

void Dumpable() {
  SSI_EQ(Prctl(PR_GET_DUMPABLE), 1);
  SSI_OK(Prctl(PR_SET_DUMPABLE, 0));
  SSI_EQ(Prctl(PR_GET_DUMPABLE), 0);
  SSI_FAILS(Prctl(PR_SET_DUMPABLE, 2), EINVAL);
  SSI_OK(Prctl(PR_SET_DUMPABLE, 1));
  guest::Compute(1);
  SSI_EQ(Prctl(PR_GET_DUMPABLE), 1);
}

void TimerSlack() {
  static long initial = Prctl(PR_GET_TIMERSLACK);
  SSI_OK(Prctl(PR_SET_TIMERSLACK, 123456));
  guest::Compute(1);
  SSI_EQ(Prctl(PR_GET_TIMERSLACK), 123456);
  SSI_OK(Prctl(PR_SET_TIMERSLACK, 0));  // the default again
  SSI_EQ(Prctl(PR_GET_TIMERSLACK), initial);
}

void DeathOfTheParent() {
  int number = -1;
  SSI_OK(Prctl(PR_SET_PDEATHSIG, SIGUSR1));
  SSI_OK(Prctl(PR_GET_PDEATHSIG, Address(&number)));
  SSI_EQ(number, SIGUSR1);
  SSI_FAILS(Prctl(PR_SET_PDEATHSIG, 65), EINVAL);
  SSI_OK(Prctl(PR_SET_PDEATHSIG, 0));
  SSI_OK(Prctl(PR_GET_PDEATHSIG, Address(&number)));
  SSI_EQ(number, 0);
}

void Rights() {
  SSI_OK(Prctl(PR_SET_KEEPCAPS, 1));
  SSI_EQ(Prctl(PR_GET_KEEPCAPS), 1);
  SSI_FAILS(Prctl(PR_SET_KEEPCAPS, 2), EINVAL);
  SSI_OK(Prctl(PR_SET_KEEPCAPS, 0));
  SSI_EQ(Prctl(PR_GET_SECUREBITS), SECUREBITS_DEFAULT);
  const long bound = Prctl(PR_CAPBSET_READ, 0);
  SSI_TRUE(bound == 0 || bound == 1);
  SSI_FAILS(Prctl(PR_CAPBSET_READ, 1000), EINVAL);
  SSI_EQ(Prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 0), 0);
  SSI_OK(Prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL));
  if (geteuid() != 0) {
    SSI_FAILS(Prctl(PR_CAPBSET_DROP, 0), EPERM);
    SSI_FAILS(Prctl(PR_SET_SECUREBITS, 0), EPERM);
  }
  int reaper = -1;
  SSI_OK(Prctl(PR_SET_CHILD_SUBREAPER, 1));
  SSI_OK(Prctl(PR_GET_CHILD_SUBREAPER, Address(&reaper)));
  SSI_EQ(reaper, 1);
  SSI_OK(Prctl(PR_SET_CHILD_SUBREAPER, 0));
}

void HugePages() {
  SSI_OK(Prctl(PR_SET_THP_DISABLE, 1));
  guest::Compute(1);
  SSI_EQ(Prctl(PR_GET_THP_DISABLE), 1);
  SSI_OK(Prctl(PR_SET_THP_DISABLE, 0));
  SSI_EQ(Prctl(PR_GET_THP_DISABLE), 0);
}

sigjmp_buf from_fault;
void OnFault(int) {
  siglongjmp(from_fault, 1);
}

// The process forbids itself the time stamp counter: rdtsc then faults, as
// long as it computes and wherever that is.
void TimeStampCounter() {
  int state = 0;
  SSI_OK(Prctl(PR_GET_TSC, Address(&state)));
  SSI_EQ(state, PR_TSC_ENABLE);
  struct sigaction action {};
  action.sa_handler = OnFault;
  SSI_OK(sigaction(SIGSEGV, &action, nullptr));
  volatile int faults = 0;
  for (int i = 0; i < 3; ++i) {
    // No clock in between: the vdso's clocks read the counter too.
    SSI_OK(Prctl(PR_SET_TSC, PR_TSC_SIGSEGV));
    volatile std::uint64_t value = 1;
    for (int step = 0; step < 300000; ++step) {
      value = guest::Mix(value);
    }
    if (sigsetjmp(from_fault, 1) == 0) {
      value = __rdtsc();
    } else {
      faults = faults + 1;
    }
    state = 0;
    SSI_OK(Prctl(PR_GET_TSC, Address(&state)));
    SSI_EQ(state, PR_TSC_SIGSEGV);
    SSI_OK(Prctl(PR_SET_TSC, PR_TSC_ENABLE));
  }
  SSI_EQ(faults, 3);
  SSI_TRUE(__rdtsc() != 0);
  signal(SIGSEGV, SIG_DFL);
}

void Others() {
  SSI_TRUE(Prctl(PR_GET_SPECULATION_CTRL, 0) >= 0);
  SSI_EQ(Prctl(PR_MCE_KILL_GET), PR_MCE_KILL_DEFAULT);
  SSI_OK(Prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY));
  SSI_EQ(Prctl(PR_MCE_KILL_GET), PR_MCE_KILL_EARLY);
  SSI_OK(Prctl(PR_MCE_KILL, PR_MCE_KILL_CLEAR));
  SSI_EQ(Prctl(PR_GET_TIMING), PR_TIMING_STATISTICAL);
  SSI_EQ(Prctl(PR_GET_SECCOMP), 0);
  int* address = nullptr;
  SSI_OK(Prctl(PR_GET_TID_ADDRESS, Address(&address)));
  SSI_TRUE(address != nullptr);
  SSI_FAILS(Prctl(PR_SET_UNALIGN, 1), EINVAL);  // not on x86
  SSI_FAILS(Prctl(PR_SET_ENDIAN, 1), EINVAL);
}

// Last, for there is no way back.
void NoNewPrivileges() {
  if (guest::first_round) {
    SSI_EQ(Prctl(PR_GET_NO_NEW_PRIVS), 0);
  }
  SSI_FAILS(Prctl(PR_SET_NO_NEW_PRIVS, 0), EINVAL);
  SSI_OK(Prctl(PR_SET_NO_NEW_PRIVS, 1));
  guest::Compute(1);
  SSI_EQ(Prctl(PR_GET_NO_NEW_PRIVS), 1);
}

}  // namespace

namespace {

// Permissions for large register states (AMX): what was asked for holds, and
// what a CPU has not is refused, wherever it runs.
void ExtendedFeatures() {
  constexpr int kGetSupported = 0x1021;
  constexpr int kGetPermitted = 0x1022;
  constexpr int kRequest = 0x1023;
  constexpr int kTileData = 18;
  std::uint64_t supported = 0;
  if (syscall(SYS_arch_prctl, kGetSupported, &supported) != 0) {
    return;  // before Linux 5.16
  }
  static const std::uint64_t at_first = supported;
  SSI_EQ(supported, at_first);
  const bool has_tiles = (supported >> kTileData & 1) != 0;
  SSI_EQ(syscall(SYS_arch_prctl, kRequest, kTileData), has_tiles ? 0 : -1);
  guest::Compute(1);
  std::uint64_t permitted = 0;
  SSI_OK(syscall(SYS_arch_prctl, kGetPermitted, &permitted));
  SSI_EQ((permitted >> kTileData & 1) != 0, has_tiles);
  SSI_EQ(permitted & ~supported, 0U);
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv),
                    {{"name", Name},
                     {"dumpable", Dumpable},
                     {"timer slack", TimerSlack},
                     {"death of the parent", DeathOfTheParent},
                     {"rights", Rights},
                     {"huge pages", HugePages},
                     {"time stamp counter", TimeStampCounter},
                     {"others", Others},
                     {"extended features", ExtendedFeatures},
                     {"no new privileges", NoNewPrivileges}});
}
