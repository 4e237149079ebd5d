// Small files and numbers in text.
#ifndef SSI_BASE_FILES_H_
#define SSI_BASE_FILES_H_

#include <charconv>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace ssi {

// The whole file, at most `limit` bytes (kInvalid beyond). Works on /proc.
Result<std::string> ReadFile(const std::string& path,
                             std::size_t limit = std::size_t{64} << 20);
// Writes to a temporary name beside it, syncs and renames: a full disk or a
// crash leaves the old file.
Status WriteFileAtomically(const std::string& path, std::string_view contents,
                           unsigned mode);
// One write(2) to an existing file such as those in /proc.
Status WriteProcFile(const std::string& path, std::string_view contents);

// The whole of `text` as a number, or nothing.
template <std::integral T>
std::optional<T> ParseNumber(std::string_view text, int base = 10) {
  T value{};
  const char* end = text.data() + text.size();
  auto [at, error] = std::from_chars(text.data(), end, value, base);
  if (error != std::errc() || at != end) {
    return std::nullopt;
  }
  return value;
}

// Bytes with an optional K, M, G or T (powers of 1024): "512M". Nothing for
// what is not a size.
std::optional<std::uint64_t> ParseSize(std::string_view text);
// "1.5 MiB", for people.
std::string FormatSize(std::uint64_t bytes);

}  // namespace ssi

#endif  // SSI_BASE_FILES_H_
