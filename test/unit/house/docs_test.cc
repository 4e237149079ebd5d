// What the documents say of the tree is so.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <vector>

#include <catch2/catch.hpp>

#include "unit/house/semantics.h"

namespace ssi::test {
namespace {

namespace fs = std::filesystem;

std::string TextOf(const fs::path& path) {
  std::ifstream file(path);
  REQUIRE(file);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<fs::path> Documents() {
  fs::path root = SSI_SOURCE_DIR;
  std::vector<fs::path> documents = {root / "README.md",
                                     root / "CONTRIBUTING.md"};
  for (const auto& entry : fs::directory_iterator(root / "docs")) {
    if (entry.path().extension() == ".md") {
      documents.push_back(entry.path());
    }
  }
  return documents;
}

TEST_CASE("docs/semantics.md is made from the call table", "[house]") {
  std::string text = TextOf(fs::path(SSI_SOURCE_DIR) / "docs/semantics.md");
  // Otherwise: cmake --build build/dev --target semantics.
  CHECK(text == WithTable(text));
}

TEST_CASE("links in the documents lead to files", "[house]") {
  const std::regex link(R"(\]\(([^)#]+)(#[^)]*)?\))");
  int links = 0;
  for (const auto& document : Documents()) {
    std::string text = TextOf(document);
    for (std::sregex_iterator at(text.begin(), text.end(), link), end;
         at != end; ++at) {
      std::string target = (*at)[1];
      if (target.find("://") != std::string::npos) {
        continue;
      }
      ++links;
      fs::path path = document.parent_path() / target;
      INFO(document << " links to " << target);
      CHECK(fs::exists(path));
    }
  }
  CHECK(links > 10);  // it found them
}

TEST_CASE("source files that documents name exist", "[house]") {
  const std::regex name(
      R"(`((?:src|test|bin|bench|scripts|man|docs)/[A-Za-z0-9_./-]+)`)");
  int names = 0;
  for (const auto& document : Documents()) {
    std::string text = TextOf(document);
    for (std::sregex_iterator at(text.begin(), text.end(), name), end;
         at != end; ++at) {
      fs::path path = fs::path(SSI_SOURCE_DIR) / (*at)[1].str();
      ++names;
      INFO(document << " names " << path);
      CHECK(fs::exists(path));
    }
  }
  CHECK(names > 10);
}

}  // namespace
}  // namespace ssi::test
