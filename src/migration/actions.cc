#include "migration/actions.h"

#include <array>

#include <fmt/format.h>

namespace ssi::migration {

namespace {

// In the order of the alternatives of Action.
constexpr std::array kActionNames = {
    "send",          "start timer",    "stop timer",        "note",
    "finished",      "record place",   "break link",        "refuse move",
    "refuse abort",  "freeze process", "cancel home calls", "send image",
    "resume here",   "empty stand-in", "destroy copy",      "check ask",
    "receive image", "begin rebuild",  "start here",        "discard rebuild"};
static_assert(kActionNames.size() == std::variant_size_v<Action>);

}  // namespace

std::string Describe(const Action& action) {
  const char* name = kActionNames.at(action.index());
  return std::visit(
      [&](const auto& a) -> std::string {
        if constexpr (requires { a.to; }) {
          return fmt::format("{} {} to {}", name,
                             migration::Describe(a.message), NameOf(a.to));
        } else if constexpr (requires { a.kind; }) {
          return fmt::format("{} {}", name, NameOf(a.kind));
        } else if constexpr (requires { a.outcome; }) {
          return fmt::format("{}: {} ({})", name, NameOf(a.outcome), a.reason);
        } else if constexpr (requires { a.reason; }) {
          return fmt::format("{} ({})", name, a.reason);
        } else if constexpr (requires { a.text; }) {
          return fmt::format("{}: {}", name, a.text);
        } else {
          return name;
        }
      },
      action);
}

}  // namespace ssi::migration
