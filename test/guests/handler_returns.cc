// Signals to itself, one after the other, whose handlers take a while: most
// hops find it in a handler, some on the way out of one. Each comes once,
// before the call that sends it returns. Argument: SECONDS.
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest.h"

namespace {

constexpr int kRounds = 100;
volatile int calls = 0;

void Count(int) {
  guest::Compute(1);
  calls = calls + 1;
}

template <typename Send>
void EachOnce(int signal, Send send) {
  struct sigaction action {};
  action.sa_handler = Count;
  SSI_OK(sigaction(signal, &action, nullptr));
  for (int i = 0; i < kRounds; ++i) {
    calls = 0;
    SSI_OK(send(signal));
    SSI_EQ(calls, 1);
    sigset_t mask;
    SSI_OK(sigprocmask(SIG_BLOCK, nullptr, &mask));
    SSI_EQ(sigismember(&mask, signal), 0);
  }
}

void ToItself() {
  EachOnce(SIGUSR1, [](int signal) { return kill(getpid(), signal); });
}

void ToItsThread() {
  EachOnce(SIGUSR2, [](int signal) {
    return syscall(SYS_tgkill, getpid(), gettid(), signal);
  });
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv),
                    {{"to itself", ToItself}, {"to its thread", ToItsThread}});
}
