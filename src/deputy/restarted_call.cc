#include "deputy/restarted_call.h"

#include <linux/futex.h>
#include <sys/syscall.h>

#include <fmt/format.h>

#include "base/files.h"
#include "process/kernel.h"

namespace ssi {

namespace {

// No user memory is below it (vm.mmap_min_addr is 64 KiB as a rule): a clock,
// or no descriptors.
constexpr std::uint64_t kLeastAddress = 4096;

bool IsTimedFutexWait(const CallArgs& args) {
  constexpr std::uint64_t kOptions = FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME;
  std::uint64_t command = args[1] & ~kOptions;
  return (command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET) &&
         args[3] >= kLeastAddress;
}

}  // namespace

std::string PlaceInRestart(HostPid thread, const ThreadCall& call) {
  if (call.number != SYS_restart_syscall) {
    return {};
  }
  return ReadFile(fmt::format("/proc/{}/wchan", Raw(thread))).value_or("0");
}

std::uint64_t RestartedCall(const CallArgs& args, std::string_view place) {
  if (place.find("futex") != place.npos) {
    return SYS_futex;
  }
  if (place.find("poll") != place.npos) {
    return SYS_poll;
  }
  bool known = !place.empty() && place != "0";
  if (args[0] < kLeastAddress) {
    // poll of nothing has its time in the third one, as an int.
    bool polls = !known && args[1] == 0 && args[2] < kLeastAddress;
    return polls ? SYS_poll : SYS_clock_nanosleep;
  }
  if (!known && IsTimedFutexWait(args)) {
    return SYS_futex;
  }
  bool counts = args[1] != 0 && args[1] < kLeastAddress;
  return !known && counts ? SYS_poll : SYS_nanosleep;
}

void BackFromRestart(Registers& registers, std::string_view place) {
  if (registers.AboutToRestart(SYS_restart_syscall)) {
    registers.BackIntoCall(kRestartBlock);
  }
  if (registers.InCall() && registers.call_number() == SYS_restart_syscall &&
      IsRestart(registers.result())) {
    registers.SetInterrupted(RestartedCall(registers.args(), place),
                             registers.result());
  }
}

}  // namespace ssi
