// Assertions that stay on in release, for our own bugs only: never for input
// from a peer, a user or a guest.
#ifndef SSI_BASE_CHECK_H_
#define SSI_BASE_CHECK_H_

#include <string>

#include <fmt/format.h>

namespace ssi {
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition,
                              const std::string& text);
}  // namespace ssi

#define SSI_CHECK(condition, ...)                        \
  do {                                                   \
    if (!(condition)) [[unlikely]] {                     \
      ::ssi::CheckFailed(__FILE__, __LINE__, #condition, \
                         ::fmt::format("" __VA_ARGS__)); \
    }                                                    \
  } while (false)

#endif  // SSI_BASE_CHECK_H_
