#ifndef SSI_BASE_TAKEN_AWAY_H_
#define SSI_BASE_TAKEN_AWAY_H_

#include <functional>
#include <set>
#include <string>
#include <string_view>

namespace ssi {

// What SSI_PROBE=-NAME,-NAME in the environment takes away, so that tests can
// play a machine without it: flags of the CPU, and the ids of `ssictl check`.
std::set<std::string, std::less<>> TakenAway();
bool IsTakenAway(std::string_view name);

}  // namespace ssi

#endif  // SSI_BASE_TAKEN_AWAY_H_
