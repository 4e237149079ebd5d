#include "migration/messages.h"

#include <array>

#include <fmt/format.h>

namespace ssi::migration {

namespace {

struct Kind {
  const char* name;
  Role sender;
};

// In the order of the alternatives of Message.
constexpr std::array kKinds = {
    Kind{"ASK", Role::kHome},       Kind{"ACCEPT", Role::kTarget},
    Kind{"REFUSE", Role::kTarget},  Kind{"FREEZE", Role::kHome},
    Kind{"HELD", Role::kSource},    Kind{"RESUMED", Role::kSource},
    Kind{"DIED", Role::kSource},    Kind{"READY", Role::kTarget},
    Kind{"FAILED", Role::kTarget},  Kind{"GO", Role::kHome},
    Kind{"RUNNING", Role::kTarget}, Kind{"ABORT", Role::kHome},
    Kind{"DESTROY", Role::kHome},
};
static_assert(kKinds.size() == std::variant_size_v<Message>);

const Kind& KindOf(const Message& message) {
  return kKinds.at(message.index());
}

}  // namespace

MoveId MoveOf(const Message& message) {
  return std::visit([](const auto& m) { return m.move; }, message);
}

Role SenderOf(const Message& message) {
  return KindOf(message).sender;
}

const char* NameOf(Role role) {
  switch (role) {
    case Role::kHome:
      return "home";
    case Role::kSource:
      return "source";
    case Role::kTarget:
      return "target";
  }
  return "?";
}

const char* NameOf(Outcome outcome) {
  switch (outcome) {
    case Outcome::kMoved:
      return "moved";
    case Outcome::kStayed:
      return "stayed";
    case Outcome::kLost:
      return "lost";
    case Outcome::kEnded:
      return "ended";
  }
  return "?";
}

const char* NameOf(const Message& message) {
  return KindOf(message).name;
}

std::string Describe(const Message& message) {
  return std::visit(
      [&](const auto& m) -> std::string {
        if constexpr (requires { m.why; }) {
          return fmt::format("{} ({}: {})", NameOf(message), NameOf(m.why),
                             m.reason);
        } else if constexpr (requires { m.size; }) {
          return fmt::format("{} {} bytes ({})", NameOf(message), m.size,
                             m.reason);
        } else if constexpr (requires { m.checksum; }) {
          return fmt::format("{} {:016x}", NameOf(message), Raw(m.checksum));
        } else if constexpr (requires { m.reason; }) {
          return fmt::format("{} ({})", NameOf(message), m.reason);
        } else {
          return NameOf(message);
        }
      },
      message);
}

}  // namespace ssi::migration
