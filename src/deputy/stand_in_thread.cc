#include "deputy/stand_in_thread.h"

#include <sys/syscall.h>
#include <time.h>

#include <cstring>

#include "deputy/cut_short.h"
#include "deputy/restarted_call.h"
#include "deputy/sleep_mark.h"
#include "process/capture.h"
#include "process/signal_order.h"
#include "supervisor/process_memory.h"
#include "supervisor/timed_calls.h"

namespace ssi {

namespace {

// The memory that an interrupted call, which the stand-in will finish through
// restart_syscall, points to: only these four have a restart block.
std::optional<MemoryRun> MemoryOfRestart(const Registers& registers) {
  constexpr std::uint64_t kTimespec = 16;
  constexpr std::uint64_t kPollFd = 8;
  auto args = registers.args();
  switch (registers.call_number()) {
    case SYS_poll:
      return MemoryRun{args[0], args[1] * kPollFd};
    case SYS_nanosleep:
      return MemoryRun{args[1], kTimespec};
    case SYS_clock_nanosleep:
      return MemoryRun{args[3], kTimespec};
    case SYS_futex:
      return MemoryRun{args[0], sizeof(std::uint32_t)};
    default:
      return std::nullopt;
  }
}

}  // namespace

Status StandInThread::Capture() {
  SSI_ASSIGN(image, CaptureThread(tracee, HomePid{Raw(tid())}));
  SSI_ASSIGN(queued, PeekOwnQueue(tid()));
  BackFromRestart(image.registers, restart_place);
  if (CutShort(image.registers)) {
    image.registers.SetInterrupted(image.registers.call_number(),
                                   kRestartNoHand);
  }
  image.pending = WaitingCall();
  wait_memory.reset();
  if (image.pending) {
    auto memory = MemoryOfRestart(image.registers);
    if (memory && memory->address != 0 && memory->size != 0) {
      wait_memory = memory;
    }
  }
  return {};
}

// A wait for a futex goes on where the others are who may wake it. One until a
// point in time is made again as it is. Of a call that the kernel does not
// restart with what is left of its time, what is not known begins again.
ThreadImage StandInThread::Leaving(bool alone) const {
  ThreadImage leaving = image;
  if (auto cut = CutWrite(tid(), image.registers)) {
    leaving.pending = cut;
    return leaving;
  }
  const Nanos now = SystemClock().Monotonic();
  if (wait && wait->IsMadeAgain(image.registers)) {
    leaving.pending = wait->At(now);
    leaving.registers.SetInterrupted(wait->call.number, kRestartBlock);
    return leaving;
  }
  if (!leaving.pending || leaving.pending->number != SYS_futex) {
    return leaving;
  }
  const CallArgs& args = leaving.pending->args;
  if (!IsFutexWait(args)) {
    leaving.pending.reset();
  } else if (alone) {
    return leaving;
  } else if (wait && wait->call.number == SYS_futex &&
             wait->call.args == args) {
    leaving.pending = wait->At(now);
  } else {
    ProcessMemory memory(tid());
    auto limit = supervisor::TimeLeft(SYS_futex, args, memory);
    leaving.pending->left = limit.value_or(leaving.pending->left);
  }
  leaving.registers.SetInterrupted(SYS_futex, kRestartNoHand);
  return leaving;
}

std::optional<PendingCall> StandInThread::WaitingCall() const {
  const Registers& registers = image.registers;
  if (!registers.InCall() || registers.result() != kRestartBlock) {
    return std::nullopt;
  }
  // How much of its time is left only this task's kernel state knows.
  return PendingCall{registers.call_number(), registers.args(),
                     std::chrono::nanoseconds(-1)};
}

Status StandInThread::MakeRestartBlock(Injector& injector) {
  const PendingCall& pending = *image.pending;
  auto left = pending.left;
  timespec time{left.count() / 1'000'000'000, left.count() % 1'000'000'000};
  std::memcpy(window->data().data(), &time, sizeof time);
  std::uint64_t time_at = Raw(window->remote_data());
  CallArgs args = pending.args;
  switch (pending.number) {
    case SYS_poll:
      args[2] = static_cast<std::uint64_t>(
          std::chrono::ceil<std::chrono::milliseconds>(left).count());
      break;
    case SYS_nanosleep:
      args[0] = time_at;
      break;
    case SYS_clock_nanosleep:
      args[1] = 0;  // relative from now on
      args[2] = time_at;
      break;
    case SYS_futex:
      args[3] = time_at;
      break;
    default:
      // There is none for it: the call is made again.
      wait = WaitLeft{pending, SystemClock().Monotonic() + left};
      image.registers.SetInterrupted(pending.number, kRestartNoHand);
      return {};
  }
  SSI_ASSIGN(std::int64_t result,
             injector.CallAndInterrupt(pending.number, args));
  if (result == kRestartBlock) {
    image.registers.SetInterrupted(pending.number, kRestartBlock);
  } else {
    image.registers.FinishCall(result);
  }
  return {};
}

}  // namespace ssi
