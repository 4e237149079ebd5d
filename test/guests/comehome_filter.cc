// A program that judges its own calls: first by dispatching them to itself,
// then by a seccomp filter, for good. From then on it can only be at home.
// Argument: SECONDS.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <ucontext.h>

#include "guest.h"

namespace {

volatile int calls = 0;
volatile int last_number = 0;
volatile int last_code = 0;
volatile char dispatch = 0;  // 1: every call raises SIGSYS

void OnCall(int, siginfo_t* info, void* context) {
  dispatch = 0;
  calls = calls + 1;
  last_number = info->si_syscall;
  last_code = info->si_code;
  static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RAX] = 12345;
}

void Handle() {
  struct sigaction action {};
  action.sa_sigaction = OnCall;
  action.sa_flags = SA_SIGINFO;
  SSI_OK(sigaction(SIGSYS, &action, nullptr));
}

void Dispatch() {
  constexpr int kSetDispatch = 59;
  constexpr int kOff = 0;
  constexpr int kOn = 1;
  if (prctl(kSetDispatch, kOn, 0, 0, &dispatch) != 0) {
    guest::skip_reason = "no dispatch in this kernel";
    return;
  }
  Handle();
  for (int i = 0; i < 3; ++i) {
    const int before = calls;
    dispatch = 1;
    SSI_EQ(syscall(SYS_getppid), 12345);
    SSI_EQ(calls, before + 1);
    SSI_EQ(last_number, SYS_getppid);
    SSI_EQ(last_code, 2);  // SYS_USER_DISPATCH
    SSI_EQ(syscall(SYS_getppid), getppid());
    guest::Compute(2);
  }
  SSI_OK(prctl(kSetDispatch, kOff, 0, 0, 0));
}

// getppid is EDOM, uname raises SIGSYS, all else is allowed.
void Install() {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EDOM),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_uname, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{sizeof code / sizeof code[0], code};
  SSI_OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  SSI_OK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
}

void Filter() {
  if (guest::first_round) {
    SSI_TRUE(syscall(SYS_getppid) > 0);
    Install();
  }
  Handle();
  guest::Compute(5);
  SSI_FAILS(syscall(SYS_getppid), EDOM);
  const int before = calls;
  utsname name{};
  SSI_EQ(syscall(SYS_uname, &name), 12345);
  SSI_EQ(calls, before + 1);
  SSI_EQ(last_number, SYS_uname);
  SSI_EQ(last_code, 1);  // SYS_SECCOMP
  SSI_EQ(prctl(PR_GET_SECCOMP), 2);
}

// Before the filter is there: it forbids what the check of Dispatch needs.
void DispatchOnce() {
  if (guest::first_round) {
    Dispatch();
  }
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv),
                    {{"dispatch", DispatchOnce}, {"filter", Filter}});
}
