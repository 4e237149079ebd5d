// What a machine did, as lines that a test compares.
#ifndef SSI_TEST_UNIT_MIGRATION_LINES_H_
#define SSI_TEST_UNIT_MIGRATION_LINES_H_

#include <string>
#include <utility>
#include <vector>

#include "migration/actions.h"
#include "migration/events.h"

namespace ssi::migration {

using Lines = std::vector<std::string>;

inline Lines Read(const Actions& actions) {
  Lines lines;
  for (const Action& action : actions) {
    lines.push_back(Describe(action));
  }
  return lines;
}

// The lines of the last of several events.
template <typename Machine>
Lines Play(Machine& machine, const std::vector<Event>& events) {
  Lines last;
  for (const Event& event : events) {
    last = Read(machine.On(event));
  }
  return last;
}

inline Event FromHome(Message message) {
  return Received{Role::kHome, std::move(message)};
}
inline Event FromSource(Message message) {
  return Received{Role::kSource, std::move(message)};
}
inline Event FromTarget(Message message) {
  return Received{Role::kTarget, std::move(message)};
}

}  // namespace ssi::migration

#endif  // SSI_TEST_UNIT_MIGRATION_LINES_H_
