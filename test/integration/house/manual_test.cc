// The man pages and --help tell of the same options and subcommands.
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include <catch2/catch.hpp>

#include "support/child.h"

namespace ssi::test {
namespace {

using Words = std::set<std::string>;

std::string HelpOf(const std::string& program, const std::string& subcommand) {
  Spawn spawn;
  spawn.command = {std::string(SSI_BIN_DIR) + "/" + program};
  std::istringstream words(subcommand);
  for (std::string word; words >> word;) {
    spawn.command.push_back(word);
  }
  spawn.command.emplace_back("--help");
  auto run = RunToEnd(spawn);
  INFO(program << " " << subcommand << " --help: " << run.err);
  REQUIRE(Describe(run.status) == "exit 0");
  return run.out;
}

// The source of a page without its escapes and font changes.
std::string PageOf(const std::string& program) {
  std::ifstream file(std::string(SSI_SOURCE_DIR) + "/man/" + program + ".1");
  REQUIRE(file);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  text = std::regex_replace(text, std::regex(R"(\\f[BIRP])"), "");
  return std::regex_replace(text, std::regex(R"(\\-)"), "-");
}

Words Matches(const std::string& text, const std::string& pattern) {
  const std::regex expression(pattern, std::regex::multiline);
  Words words;
  for (std::sregex_iterator at(text.begin(), text.end(), expression), end;
       at != end; ++at) {
    words.insert((*at)[1]);
  }
  return words;
}

// Long options that a text of --help lists: at the start of a line.
Words OptionsOfHelp(const std::string& help) {
  return Matches(help, R"(^ +(?:-[a-z], ?)?(--[a-z][a-z-]*))");
}

Words OptionsIn(const std::string& text) {
  return Matches(text, R"((--[a-z][a-z-]*))");
}

Words SubcommandsOfHelp(const std::string& help) {
  auto at = help.find("Subcommands:\n");
  REQUIRE(at != std::string::npos);
  return Matches(help.substr(at), R"(^  ([a-z]+) )");
}

// Of the page's headings, "local up [-n N]": words before what varies.
std::map<std::string, std::string> SubcommandsOfPage(const std::string& page) {
  const std::regex heading(R"(^\.SS ([a-z ]*[a-z])(.*)$)",
                           std::regex::multiline);
  std::map<std::string, std::string> found;
  for (std::sregex_iterator at(page.begin(), page.end(), heading), end;
       at != end; ++at) {
    found[(*at)[1]] = (*at)[2];
  }
  return found;
}

TEST_CASE("options of ssid and ssirun are those of their man pages",
          "[house]") {
  for (const char* program : {"ssid", "ssirun"}) {
    INFO(program);
    auto options = OptionsOfHelp(HelpOf(program, ""));
    CHECK(options.size() > 5);
    CHECK(options == OptionsIn(PageOf(program)));
  }
}

TEST_CASE("subcommands of ssictl and their options are those of its man page",
          "[house]") {
  auto page = SubcommandsOfPage(PageOf("ssictl"));
  Words of_help;
  for (const auto& name : SubcommandsOfHelp(HelpOf("ssictl", ""))) {
    if (name != "local") {
      of_help.insert(name);
      continue;
    }
    for (const auto& below : SubcommandsOfHelp(HelpOf("ssictl", name))) {
      of_help.insert("local " + below);
    }
  }
  Words of_page;
  for (const auto& [name, rest] : page) {
    of_page.insert(name);
  }
  CHECK(of_help.size() > 8);
  CHECK(of_help == of_page);
  for (const auto& [name, rest] : page) {
    INFO("ssictl " << name);
    auto options = OptionsOfHelp(HelpOf("ssictl", name));
    options.erase("--help");
    CHECK(options == OptionsIn(rest));
  }
}

TEST_CASE("the man pages have no mistakes that groff finds", "[house]") {
  for (const char* program : {"ssid", "ssirun", "ssictl"}) {
    Spawn groff;
    groff.command = {
        "groff",  "-man",
        "-Tutf8", "-ww",
        "-z",     std::string(SSI_SOURCE_DIR) + "/man/" + program + ".1"};
    auto run = RunToEnd(groff);
    CHECK(Describe(run.status) == "exit 0");
    CHECK(run.err == "");
  }
}

}  // namespace
}  // namespace ssi::test
