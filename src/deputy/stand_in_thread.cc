#include "deputy/stand_in_thread.h"

#include <sys/syscall.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "deputy/sleep_mark.h"
#include "process/capture.h"
#include "process/signal_order.h"

namespace ssi {

namespace {

// Calls that answer EINTR when they are interrupted for no signal at all,
// rather than a restart code (signal(7), "Interruption of system calls ... by
// stop signals"; tried on 6.18).
bool AnswersEintrAtFreeze(std::uint64_t number) {
  static constexpr std::array<std::uint64_t, 15> kCalls = {
      SYS_epoll_wait, SYS_epoll_pwait,     SYS_epoll_pwait2, SYS_semop,
      SYS_semtimedop, SYS_rt_sigtimedwait, SYS_io_getevents, SYS_accept,
      SYS_accept4,    SYS_recvfrom,        SYS_recvmsg,      SYS_recvmmsg,
      SYS_sendto,     SYS_sendmsg,         SYS_connect};
  return std::find(kCalls.begin(), kCalls.end(), number) != kCalls.end();
}

// A call that a freeze has ended, as no signal would have: it is made again.
bool CutShort(const Registers& registers) {
  if (!registers.InCall()) {
    return false;
  }
  return registers.RandomCutShort() ||
         (registers.result() == -EINTR &&
          AnswersEintrAtFreeze(registers.call_number()));
}

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
  const Registers& registers = image.registers;
  bool goes_on = timed && registers.InCall() &&
                 registers.call_number() == timed->number &&
                 registers.args() == timed->args;
  if (goes_on && registers.result() == kRestartNoHand) {
    leaving.pending = timed;
    leaving.registers.SetInterrupted(timed->number, kRestartBlock);
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
  } else if (goes_on) {
    leaving.pending->left = timed->left;
  } else if (auto limit = ReadObject<timespec>(tid(), RemoteAddr{args[3]})) {
    leaving.pending->left = std::chrono::seconds(limit->tv_sec) +
                            std::chrono::nanoseconds(limit->tv_nsec);
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

Status StandInThread::MendRegisters() const {
  SSI_ASSIGN(auto registers, tracee.GetRegisters());
  if (!CutShort(registers)) {
    return {};
  }
  registers.SetInterrupted(registers.call_number(), kRestartNoHand);
  return tracee.SetRegisters(registers);
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
      // There is none for it: the call is made again, and its time begins anew.
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
