#include "base/taken_away.h"

#include <cstdlib>
#include <sstream>

namespace ssi {

std::set<std::string, std::less<>> TakenAway() {
  std::set<std::string, std::less<>> names;
  const char* probe = std::getenv("SSI_PROBE");
  std::istringstream stream(probe == nullptr ? "" : probe);
  for (std::string word; std::getline(stream, word, ',');) {
    if (word.starts_with('-')) {
      names.insert(word.substr(1));
    }
  }
  return names;
}

bool IsTakenAway(std::string_view name) {
  return TakenAway().contains(name);
}

}  // namespace ssi
