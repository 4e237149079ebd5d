// Waits at home whose time began elsewhere, or before a freeze: held_wait.h.
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

void Deputy::OnStopInWait(const Tracee& tracee, const Stop& stop) {
  auto wait = process_.found.waits.find(tracee.pid());
  auto over = wait->second.OnStop(tracee, stop, places_.clock.Monotonic());
  if (!over) {
    return;
  }
  process_.found.waits.erase(wait);
  if (run_) {
    RunOn(tracee, stop);  // with the others, until that is over
    return;
  }
  process_.found.running.erase(tracee.pid());
  LetGo(tracee.pid(), *over);
  hooks_.changed();
}

}  // namespace ssi
