// A signal that comes at a chosen instruction of a clock in the vdso, one of
// the first ones, at home; the process is moved while its handler runs, and the
// clock goes on elsewhere. The signal is the trap of the flag for single steps.
// Argument: FOLDER. Before each clock it waits for the file `begin`, in each
// handler for `return`, and says so by the files `ready` and `held`.
#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#include "guest.h"

namespace {

// Among them are all that end within the first 12 bytes.
constexpr int kInstructions = 6;
constexpr std::uint64_t kVdsoSize = 8192;
constexpr long long kTrapFlag = 0x100;

std::uint64_t vdso = 0;
int in_vdso = 0;
int hold_at = 0;
bool held = false;

void Await(const char* said, const char* file) {
  SSI_OK(close(SSI_OK(open(said, O_CREAT | O_WRONLY | O_CLOEXEC, 0600))));
  while (access(file, F_OK) != 0) {
    guest::Pace(1);
  }
  SSI_OK(unlink(file));
}

void OnTrap(int, siginfo_t*, void* context) {
  auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  const std::uint64_t at =
      static_cast<std::uint64_t>(registers[REG_RIP]) - vdso;
  in_vdso += at < kVdsoSize ? 1 : 0;
  if (held || in_vdso < hold_at) {
    return;
  }
  held = true;
  registers[REG_EFL] &= ~kTrapFlag;
  Await("held", "return");
}

void SetTrapFlag() {
  asm volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "memory", "cc");
}

std::int64_t Microseconds() {
  timeval now{};
  SSI_OK(gettimeofday(&now, nullptr));
  return now.tv_sec * 1'000'000L + now.tv_usec;
}

std::int64_t Monotonic() {
  return guest::Nanoseconds() / 1000;
}

// The time must be between the ones before and after. CLOCK_REALTIME is
// another one on each node.
void Torn(std::int64_t (*read)(), std::int64_t slack) {
  for (hold_at = 1; hold_at <= kInstructions; ++hold_at) {
    Await("ready", "begin");
    const std::int64_t before = read();
    in_vdso = 0;
    held = false;
    SetTrapFlag();
    const std::int64_t now = read();
    SSI_TRUE(held);
    SSI_TRUE(now >= before - slack);
    SSI_TRUE(now <= read() + slack);
  }
}

}  // namespace

int main(int argc, char** argv) {
  SSI_EQ(argc, 2);
  SSI_OK(chdir(argv[1]));
  vdso = getauxval(AT_SYSINFO_EHDR);
  struct sigaction action {};
  action.sa_sigaction = OnTrap;
  action.sa_flags = SA_SIGINFO;
  SSI_OK(sigaction(SIGTRAP, &action, nullptr));
  Torn(Monotonic, 0);
  Torn(Microseconds, 60'000'000);
  puts("PASS");
  return 0;
}
