#include "migration/events.h"

#include <array>

#include <fmt/format.h>

namespace ssi::migration {

namespace {

// In the order of the alternatives of Event.
constexpr std::array kEventNames = {
    "received",    "link lost",          "timer fired",     "watchdog ended",
    "step failed", "move requested",     "abort requested", "process gone",
    "frozen",      "home calls settled", "image sent",      "process died",
    "admitted",    "rejected",           "image arrived",   "rebuilt",
    "started"};
static_assert(kEventNames.size() == std::variant_size_v<Event>);

}  // namespace

const char* NameOf(TimerKind kind) {
  switch (kind) {
    case TimerKind::kAsk:
      return "ask";
    case TimerKind::kCommit:
      return "commit";
    case TimerKind::kStart:
      return "start";
    case TimerKind::kGrace:
      return "grace";
    case TimerKind::kFreeze:
      return "freeze";
    case TimerKind::kSettle:
      return "settle";
    case TimerKind::kGo:
      return "go";
  }
  return "?";
}

std::string Describe(const Event& event) {
  const char* name = kEventNames.at(event.index());
  return std::visit(
      [&](const auto& e) -> std::string {
        if constexpr (requires { e.message; }) {
          return fmt::format("{} from {}", migration::Describe(e.message),
                             NameOf(e.from));
        } else if constexpr (requires { e.peer; }) {
          return fmt::format("{}: {} ({})", name, NameOf(e.peer), e.reason);
        } else if constexpr (requires { e.kind; }) {
          return fmt::format("{}: {}", name, NameOf(e.kind));
        } else if constexpr (requires { e.reason; }) {
          return fmt::format("{} ({})", name, e.reason);
        } else {
          return name;
        }
      },
      event);
}

}  // namespace ssi::migration
