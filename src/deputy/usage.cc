#include "deputy/usage.h"

#include <algorithm>

namespace ssi {

AwayCallCounts CallsOf(const wire::Usage& usage) {
  using supervisor::CallClass;
  // As many as the table has rows, each with as many classes.
  constexpr std::size_t kMost = 4000;
  AwayCallCounts calls;
  for (const auto& call : usage.calls()) {
    if (call.class_() > static_cast<std::uint32_t>(CallClass::kComeHome) ||
        calls.size() >= kMost) {
      continue;
    }
    calls[{static_cast<CallClass>(call.class_()), call.number()}] = {
        call.count(), std::min(call.answered_here(), call.count())};
  }
  return calls;
}

}  // namespace ssi
