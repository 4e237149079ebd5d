#include "migration/transitions.h"

namespace ssi::migration {

EventKey KeyOf(const Event& event) {
  if (const auto* received = std::get_if<Received>(&event)) {
    return {event.index(), received->message.index()};
  }
  if (const auto* timer = std::get_if<TimerFired>(&event)) {
    return {event.index(), static_cast<std::size_t>(timer->kind)};
  }
  return {event.index(), 0};
}

bool IsStale(const Event& event, MoveId move, TimerSlot& timer) {
  if (const auto* fired = std::get_if<TimerFired>(&event)) {
    return !timer.Fired(fired->kind);
  }
  const auto* received = std::get_if<Received>(&event);
  return received != nullptr && MoveOf(received->message) != move;
}

bool HasWrongSender(const Event& event) {
  const auto* received = std::get_if<Received>(&event);
  return received != nullptr && SenderOf(received->message) != received->from;
}

}  // namespace ssi::migration
