// Where the tests find what was built, and where they put files. Included into
// every test by the build.
#ifndef SSI_TEST_SUPPORT_PLACES_H_
#define SSI_TEST_SUPPORT_PLACES_H_

#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>

namespace ssi::test {

// `built` is a path as it was when the tests were built. SSI_TEST_MOVED=FROM:TO
// says that the tree was copied since (scripts/test copies it to where an
// ordinary user can read it).
inline const char* Place(const char* built) {
  static std::map<std::string, std::string> places;
  auto [at, is_new] = places.try_emplace(built, built);
  const char* moved = std::getenv("SSI_TEST_MOVED");
  if (is_new && moved != nullptr) {
    std::string both = moved;
    auto colon = both.find(':');
    std::string from = both.substr(0, colon);
    if (colon != std::string::npos && at->second.starts_with(from)) {
      at->second.replace(0, from.size(), both.substr(colon + 1));
    }
  }
  return at->second.c_str();
}

// For mkdtemp: a name in $TMPDIR or /tmp, which scripts/test looks through for
// what was left.
inline std::string TemporaryName(const std::string& start) {
  return std::filesystem::temp_directory_path() / (start + "-XXXXXX");
}

}  // namespace ssi::test

// NOLINTBEGIN(cppcoreguidelines-macro-usage): they stand for built-in texts
#define SSI_BIN_DIR (::ssi::test::Place(SSI_BUILT_BIN_DIR))
#define SSI_GUEST_DIR (::ssi::test::Place(SSI_BUILT_GUEST_DIR))
#define SSI_SOURCE_DIR (::ssi::test::Place(SSI_BUILT_SOURCE_DIR))
// NOLINTEND(cppcoreguidelines-macro-usage)

#endif  // SSI_TEST_SUPPORT_PLACES_H_
