// docs/semantics.md: words of people above a marker, the call table below it.
#ifndef SSI_TEST_UNIT_HOUSE_SEMANTICS_H_
#define SSI_TEST_UNIT_HOUSE_SEMANTICS_H_

#include <stdexcept>
#include <string>

#include "supervisor/table_docs.h"

namespace ssi::test {

// `text` with the table of this build below its marker.
inline std::string WithTable(const std::string& text) {
  const std::string marker = "<!-- made from the call table: -->\n";
  auto at = text.find(marker);
  if (at == std::string::npos) {
    throw std::runtime_error("docs/semantics.md has lost its marker");
  }
  return text.substr(0, at + marker.size()) + "\n" + supervisor::RenderTable();
}

}  // namespace ssi::test

#endif  // SSI_TEST_UNIT_HOUSE_SEMANTICS_H_
