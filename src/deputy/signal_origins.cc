#include "deputy/signal_origins.h"

#include <algorithm>

#include "process/cpu_timers.h"
#include "process/signal_state.h"

namespace ssi {

namespace {

// What the kernel leaves as the sender made it.
bool Same(const siginfo_t& a, const siginfo_t& b) {
  return a.si_signo == b.si_signo && a.si_code == b.si_code &&
         a.si_pid == b.si_pid && a.si_value.sival_ptr == b.si_value.sival_ptr;
}

// The kernel's, for a call of the thread (send_sig in fs/pipe.c, mm/filemap.c
// and net/core/stream.c).
bool OfCall(HostPid process, const siginfo_t& info) {
  return (info.si_signo == SIGPIPE || info.si_signo == SIGXFSZ) &&
         info.si_code == SI_USER && info.si_pid == Raw(process);
}

}  // namespace

void SignalOrigins::Note(const Task& to, const siginfo_t& info) {
  if (IsThreadDirected(info) || info.si_code == SI_TIMER ||
      OfCall(to.process, info)) {
    return;  // these tell
  }
  auto& noted = noted_[to.thread];
  // A standard signal is queued once.
  bool again =
      info.si_signo < kFirstRealTime &&
      std::any_of(noted.begin(), noted.end(),
                  [&info](const auto& other) { return Same(info, other); });
  if (!again) {
    noted.push_back(info);
  }
}

void SignalOrigins::NotQueued(const Task& to, const siginfo_t& info) {
  (void)Remove(to.thread, info);
}

bool SignalOrigins::Remove(HostPid thread, const siginfo_t& info) {
  auto found = noted_.find(thread);
  if (found == noted_.end()) {
    return false;
  }
  auto one =
      std::find_if(found->second.begin(), found->second.end(),
                   [&info](const auto& other) { return Same(info, other); });
  if (one == found->second.end()) {
    return false;
  }
  found->second.erase(one);
  return true;
}

bool SignalOrigins::Taken(const Task& by, const siginfo_t& info) {
  if (IsThreadDirected(info) || OfCall(by.process, info)) {
    return true;
  }
  if (info.si_code == SI_TIMER) {
    return TimerSignalsThread(by.process, info.si_timerid);
  }
  return Remove(by.thread, info);
}

bool TimerSignalsThread(HostPid process, int timer) {
  auto timers = ReadTimers(process);
  return std::ranges::any_of(timers, [timer](const TimerLine& line) {
    return line.id == timer && line.to_thread != 0;
  });
}

}  // namespace ssi
