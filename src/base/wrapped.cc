#include "base/wrapped.h"

#include <algorithm>

namespace ssi {

std::string Wrapped(const std::string& head, std::string_view text) {
  constexpr std::size_t kWidth = 79;
  std::string lines = head;
  std::size_t column = head.size();
  bool first = true;
  while (!text.empty()) {
    auto end = std::min(text.find(' '), text.size());
    if (!first && column + 1 + end > kWidth) {
      lines += "\n" + std::string(head.size(), ' ');
      column = head.size();
      first = true;
    }
    lines += first ? "" : " ";
    lines += text.substr(0, end);
    column += end + (first ? 0 : 1);
    first = false;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines + "\n";
}

}  // namespace ssi
