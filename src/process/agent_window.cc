#include "process/agent_window.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"

extern "C" {
// agent_code.S
extern const std::byte ssi_agent_code[];      // NOLINT: assembler names
extern const std::byte ssi_agent_code_end[];  // NOLINT
extern const std::byte ssi_agent_in_call[];   // NOLINT
}

namespace ssi {

namespace {

// Shared futexes: the window is one file mapped by two processes.
long Futex(std::atomic<std::uint32_t>& word, int operation, std::uint32_t value,
           const timespec* limit) {
  return ::syscall(SYS_futex, &word, operation, value, limit, nullptr, 0);
}

}  // namespace

std::span<const std::byte> AgentCode() {
  return {static_cast<const std::byte*>(ssi_agent_code),
          static_cast<std::size_t>(ssi_agent_code_end - ssi_agent_code)};
}

std::size_t AgentInCallOffset() {
  return static_cast<std::size_t>(ssi_agent_in_call - ssi_agent_code);
}

std::atomic<std::uint32_t>& AgentWindow::AlarmOf(std::byte* base) {
  return reinterpret_cast<WindowHead*>(base)->alarm;
}

AgentWindow::AgentWindow(std::byte* base, RemoteAddr remote,
                         std::atomic<std::uint32_t>& alarm, RemoteAddr alarm_at)
    : base_(base), remote_(remote), alarm_(&alarm) {
  head()->alarm_at = Raw(alarm_at);
}

void AgentWindow::SetRemote(RemoteAddr address, RemoteAddr alarm_at) {
  remote_ = address;
  head()->alarm_at = Raw(alarm_at);
}

void AgentWindow::Clear() {
  job_ = 0;
  head()->posted = 0;
  head()->done = 0;
  head()->armed = static_cast<std::uint32_t>(Armed::kNobody);
}

void AgentWindow::Post(std::size_t count) {
  SSI_CHECK(Done(), "one job at a time");
  SSI_CHECK(count > 0 && count <= kMaxBatch, "{} calls", count);
  head()->count = static_cast<std::uint32_t>(count);
  head()->posted.store(++job_, std::memory_order_seq_cst);
  Futex(head()->posted, FUTEX_WAKE, 1, nullptr);
}

bool AgentWindow::Done() const {
  return head()->done.load(std::memory_order_acquire) == job_;
}

bool AgentWindow::WaitDone(std::chrono::nanoseconds limit) {
  std::uint32_t before = job_ - 1;
  head()->armed.store(static_cast<std::uint32_t>(Armed::kLoop),
                      std::memory_order_seq_cst);
  if (!Done()) {
    timespec wait{limit.count() / 1'000'000'000, limit.count() % 1'000'000'000};
    Futex(head()->done, FUTEX_WAIT, before, &wait);
  }
  head()->armed.store(static_cast<std::uint32_t>(Armed::kNobody),
                      std::memory_order_seq_cst);
  return Done();
}

std::optional<Registers> AgentWindow::SkipCall(const Registers& registers,
                                               RemoteAddr code,
                                               std::int64_t result) const {
  std::uint64_t in_call = Raw(code) + AgentInCallOffset();
  user_regs_struct raw = registers.raw();
  // r12d is the job that it has taken (agent_code.S).
  bool taken = static_cast<std::uint32_t>(raw.r12) == job_;
  if (Done() || (taken && raw.rip >= in_call)) {
    return std::nullopt;
  }
  raw.r12 = job_;
  raw.r13 = Raw(remote_) + sizeof(WindowHead);
  raw.r14 = 1;
  raw.rip = in_call;
  Registers skipped(raw);
  skipped.FinishCall(result);
  return skipped;
}

bool AgentWindow::ArmWaiter() {
  head()->armed.store(static_cast<std::uint32_t>(Armed::kWaiter),
                      std::memory_order_seq_cst);
  if (!Done()) {
    return true;
  }
  // Done in between: whether the agent saw the arming or not, the caller takes
  // the result now. If it did, a wake-up is still to come, maybe in the middle
  // of the next job: then that must be armed again.
  head()->armed.store(static_cast<std::uint32_t>(Armed::kNobody),
                      std::memory_order_seq_cst);
  return false;
}

}  // namespace ssi
