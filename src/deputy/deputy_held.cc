// Threads at home that are traced for the call that they are in: waits whose
// time began elsewhere, or before a freeze, and writes that were cut short.
#include <algorithm>
#include <optional>

#include "deputy/deputy.h"

namespace ssi {

void Deputy::WatchWaits() {
  std::optional<Nanos> first;
  for (const auto& [thread, wait] : process_.found.waits) {
    if (!wait.interrupted()) {
      first = std::min(first.value_or(wait.left().end), wait.left().end);
    }
  }
  if (first) {
    wait_timer_.Start(std::max(Nanos(0), *first - places_.clock.Monotonic()),
                      [this] { EndWaits(); });
  }
}

void Deputy::EndWaits() {
  for (auto& [thread, wait] : process_.found.waits) {
    if (!wait.interrupted() && wait.left().end <= places_.clock.Monotonic()) {
      wait.Interrupt(Tracee(thread));
    }
  }
  WatchWaits();
}

void Deputy::OnHeldStop(const Tracee& tracee, const Stop& stop) {
  Found& found = process_.found;
  auto wait = found.waits.find(tracee.pid());
  auto over = wait != found.waits.end()
                  ? wait->second.OnStop(tracee, stop, places_.clock.Monotonic())
                  : found.writes.at(tracee.pid()).OnStop(tracee, stop);
  if (!over) {
    return;
  }
  found.Release(tracee.pid());
  if (run_ && run_->thread() != tracee.pid()) {
    RunOn(tracee, stop);  // with the others, until that is over
    return;
  }
  found.running.erase(tracee.pid());
  if (run_ && stop.kind == Stop::Kind::kSyscall) {
    run_->OnCallOver();
    return;
  }
  if (run_) {
    run_->OnStop(stop);  // a signal has ended it: over with its next call
    return;
  }
  LetGo(tracee.pid(), *over);
  hooks_.changed();
}

}  // namespace ssi
