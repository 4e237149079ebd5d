// How the three machines are written: as a table of rules, one a line, that
// says in which state which event goes to which handler. Used by their
// sources only.
#ifndef SSI_MIGRATION_TRANSITIONS_H_
#define SSI_MIGRATION_TRANSITIONS_H_

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <type_traits>
#include <variant>

#include "migration/actions.h"
#include "migration/events.h"
#include "migration/timer_slot.h"

namespace ssi::migration {

// An event without its contents: which alternative of Event, and for messages
// and timers which of those.
struct EventKey {
  std::size_t event = 0;
  std::size_t part = 0;
  constexpr bool operator==(const EventKey&) const = default;
};
[[nodiscard]] EventKey KeyOf(const Event& event);

// The position of T among the alternatives of a variant; their number if it is
// not one of them.
template <typename T, typename... Ts>
consteval std::size_t PositionIn(std::type_identity<std::variant<Ts...>>) {
  std::size_t position = 0;
  bool found = ((std::is_same_v<T, Ts> || (++position, false)) || ...);
  return found ? position : sizeof...(Ts);
}
template <typename T, typename Variant>
constexpr std::size_t kPosition = PositionIn<T>(std::type_identity<Variant>{});
template <typename T, typename Variant>
constexpr bool kIsIn = kPosition<T, Variant> < std::variant_size_v<Variant>;

template <typename Machine>
struct Rule {
  typename Machine::State state;
  EventKey key;
  void (*run)(Machine&, const Event&, Actions&);
};

// What a handler takes: an event, or a message that was received.
template <auto kHandler>
struct Handler;
template <typename M, typename T, void (M::*kHandler)(const T&, Actions&)>
struct Handler<kHandler> {
  using Machine = M;
  using Payload = T;
  static constexpr EventKey Key() {
    if constexpr (kIsIn<T, Message>) {
      return {kPosition<Received, Event>, kPosition<T, Message>};
    } else {
      static_assert(kIsIn<T, Event>);
      return {kPosition<T, Event>, 0};
    }
  }
  static void Run(Machine& machine, const Event& event, Actions& out) {
    if constexpr (kIsIn<T, Message>) {
      (machine.*kHandler)(std::get<T>(std::get<Received>(event).message), out);
    } else {
      (machine.*kHandler)(std::get<T>(event), out);
    }
  }
};

// In this state, this handler takes the event that it is written for.
template <auto kState, auto kHandler>
constexpr auto In() {
  using H = Handler<kHandler>;
  return Rule<typename H::Machine>{kState, H::Key(), &H::Run};
}
// The same for the end of one kind of timer.
template <auto kState, TimerKind kKind, auto kHandler>
constexpr auto InTimer() {
  using H = Handler<kHandler>;
  static_assert(std::is_same_v<typename H::Payload, TimerFired>);
  return Rule<typename H::Machine>{
      kState,
      {kPosition<TimerFired, Event>, static_cast<std::size_t>(kKind)},
      &H::Run};
}

// No state has two rules for one event.
template <typename Rules>
constexpr bool AreUnique(const Rules& rules) {
  for (std::size_t i = 0; i < rules.size(); ++i) {
    for (std::size_t j = i + 1; j < rules.size(); ++j) {
      if (rules[i].state == rules[j].state && rules[i].key == rules[j].key) {
        return false;
      }
    }
  }
  return true;
}

template <typename Machine>
const Rule<Machine>* FindRule(std::span<const Rule<Machine>> rules,
                              typename Machine::State state, EventKey key) {
  for (const auto& rule : rules) {
    if (rule.state == state && rule.key == key) {
      return &rule;
    }
  }
  return nullptr;
}

// True for a message of another move, and for a timer that was stopped when
// its end was under way already. Else a timer's end is noted in `timer`.
[[nodiscard]] bool IsStale(const Event& event, MoveId move, TimerSlot& timer);
// True where the peer's message has not the sender that its kind must have.
[[nodiscard]] bool HasWrongSender(const Event& event);

}  // namespace ssi::migration

#endif  // SSI_MIGRATION_TRANSITIONS_H_
