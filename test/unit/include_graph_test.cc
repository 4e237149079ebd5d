// Holds the folder graph of the architecture: reads every #include line under
// src/ and bin/ and fails on an edge that is not in the list below.
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>

#include <catch2/catch.hpp>

namespace {

using Edges = std::map<std::string, std::set<std::string>>;

// What each folder may include, besides itself.
const Edges kAllowed = {
    {"base", {}},
    {"process", {"base"}},
    {"proto", {"base"}},
    {"fs", {"base", "proto"}},
    {"supervisor", {"base", "process"}},
    {"migration", {"base", "process", "proto"}},
    {"deputy", {"base", "process", "proto", "fs", "supervisor", "migration"}},
    {"remote", {"base", "process", "proto", "fs", "supervisor", "migration"}},
    {"balancer", {"base"}},
    {"checkpoint", {"base", "process", "deputy"}},
    {"node",
     {"base", "process", "proto", "fs", "supervisor", "migration", "deputy",
      "remote", "balancer", "checkpoint"}},
    {"bin",
     {"base", "process", "proto", "fs", "supervisor", "migration", "deputy",
      "remote", "balancer", "checkpoint", "node"}},
};

// The folder named in `#include "folder/file.h"`, or "".
std::string FolderOf(const std::string& line) {
  const std::string start = "#include \"";
  auto at = line.find(start);
  if (at != 0) {
    return "";
  }
  auto slash = line.find('/', start.size());
  return slash == std::string::npos
             ? ""
             : line.substr(start.size(), slash - start.size());
}

Edges ReadEdges(const std::filesystem::path& root) {
  Edges edges;
  for (const char* top : {"src", "bin"}) {
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(root / top)) {
      auto extension = entry.path().extension();
      if (extension != ".cc" && extension != ".h") {
        continue;
      }
      auto relative = std::filesystem::relative(entry.path(), root);
      std::string from = top == std::string("bin")
                             ? "bin"
                             : std::next(relative.begin())->string();
      std::ifstream file(entry.path());
      for (std::string line; std::getline(file, line);) {
        std::string to = FolderOf(line);
        if (!to.empty() && to != from) {
          edges[from].insert(to);
        }
      }
    }
  }
  return edges;
}

}  // namespace

TEST_CASE("the #include lines keep to the folder graph", "[house]") {
  Edges edges = ReadEdges(SSI_SOURCE_DIR);
  REQUIRE(edges.size() > 1);  // it read something
  for (const auto& [from, targets] : edges) {
    REQUIRE(kAllowed.contains(from));
    for (const auto& to : targets) {
      INFO(from << " includes " << to);
      CHECK(kAllowed.at(from).contains(to));
    }
  }
}

TEST_CASE("the folder graph has no cycle", "[house]") {
  // Peels off folders whose targets are all gone; a cycle stays.
  Edges left = kAllowed;
  for (bool changed = true; changed;) {
    changed = false;
    for (auto it = left.begin(); it != left.end();) {
      bool free = true;
      for (const auto& to : it->second) {
        free = free && !left.contains(to);
      }
      changed = changed || free;
      it = free ? left.erase(it) : std::next(it);
    }
  }
  CHECK(left.empty());
}
