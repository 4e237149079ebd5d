#include "deputy/held_write.h"

#include <sys/syscall.h>

#include <cerrno>
#include <utility>

#include "deputy/traced_run.h"
#include "process/kernel.h"
#include "process/signal_queues.h"
#include "supervisor/process_memory.h"
#include "supervisor/transfers.h"

namespace ssi {

Result<bool> HeldWrite::Begin(const Tracee& tracee) {
  SSI_ASSIGN(saved_, tracee.GetRegisters());
  bool more = NextPart(tracee);
  if (more) {
    WritePart(tracee);
  }
  return more;
}

void HeldWrite::WritePart(const Tracee& tracee) {
  (void)tracee.SetRegisters(saved_.ForOtherCall(
      SYS_write, {cut_.args[0], part_.address, part_.size}));
  in_call_ = false;
  StepOn(tracee);
}

bool HeldWrite::NextPart(const Tracee& tracee) {
  ProcessMemory memory(tracee.pid());
  std::uint64_t skip = cut_.done;
  for (const auto& range : supervisor::RangesToWrite(
           static_cast<int>(cut_.number), cut_.args, memory)) {
    if (skip < range.length) {
      part_ = {Raw(range.address) + skip, range.length - skip};
      return true;
    }
    skip -= range.length;
  }
  return false;
}

void HeldWrite::Finish(const Tracee& tracee) {
  Registers over = saved_;
  over.FinishCall(static_cast<std::int64_t>(cut_.done));
  (void)tracee.SetRegisters(over);
}

bool HeldWrite::IsPart(const Registers& registers) const {
  return registers.call_number() == SYS_write &&
         registers.args()[1] == part_.address;
}

std::optional<int> HeldWrite::OnStop(const Tracee& tracee, const Stop& stop) {
  switch (stop.kind) {
    case Stop::Kind::kSyscall:
      if (std::exchange(in_call_, !in_call_)) {
        return OnResult(tracee);
      }
      StepOn(tracee);
      return std::nullopt;
    case Stop::Kind::kSignal:
      if (Ignores(tracee.pid(), stop.value)) {
        StepOn(tracee, stop.value);
        return std::nullopt;
      }
      Finish(tracee);
      return stop.value;
    case Stop::Kind::kInterrupted:
      StepOn(tracee);
      return std::nullopt;
    default:
      Finish(tracee);
      return 0;
  }
}

std::optional<int> HeldWrite::OnResult(const Tracee& tracee) {
  auto registers = tracee.GetRegisters();
  auto queues = ReadSignalQueues(tracee.pid());
  std::int64_t result = registers ? registers->result() : -1;
  if (result > 0) {
    cut_.done += static_cast<std::uint64_t>(result);
  }
  bool whole = result > 0 && static_cast<std::uint64_t>(result) >= part_.size;
  bool cut = !whole && (result > 0 || IsRestart(result) || result == -EINTR);
  bool by_signal = cut && (!queues || queues->AnyNative());
  if ((!whole && !cut) || by_signal || !NextPart(tracee)) {
    Finish(tracee);
    return 0;
  }
  WritePart(tracee);
  return std::nullopt;
}

bool HeldWrite::Settle(const Tracee& tracee, const Stop& stop) {
  if (stop.kind == Stop::Kind::kSyscall && !std::exchange(in_call_, true)) {
    return false;  // it is about to begin, and is interrupted there
  }
  auto registers = tracee.GetRegisters();
  if (!registers) {
    return true;
  }
  bool part_over = registers->InCall() && IsPart(*registers);
  if (part_over && registers->result() > 0) {
    cut_.done += static_cast<std::uint64_t>(registers->result());
  }
  Registers over = saved_;
  over.SetInterrupted(cut_.number, static_cast<std::int64_t>(cut_.done));
  (void)tracee.SetRegisters(over);
  return true;
}

}  // namespace ssi
