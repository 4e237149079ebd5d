#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace ssi {

void CheckFailed(const char* file, int line, const char* condition,
                 const std::string& text) {
  (void)std::fprintf(stderr, "ssi: %s:%d: check failed: %s %s\n", file, line,
                     condition, text.c_str());
  std::abort();
}

}  // namespace ssi
