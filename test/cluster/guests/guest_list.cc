#include "cluster/guests/guest_list.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

namespace ssi::test {

namespace {

std::set<std::string> Words(const std::string& text) {
  std::set<std::string> words;
  std::istringstream stream(text);
  for (std::string word; std::getline(stream, word, ',');) {
    if (word != "-") {
      words.insert(word);
    }
  }
  return words;
}

GuestRun ParseRun(const std::string& line) {
  std::istringstream stream(line);
  GuestRun run;
  std::string key;
  std::string how;
  std::string comes_home;
  std::string program;
  if (!(stream >> key >> run.name >> run.group >> how >> comes_home >>
        program)) {
    throw std::runtime_error("guests.list: " + line);
  }
  run.how = Words(how);
  run.comes_home = Words(comes_home);
  run.command = {std::string(SSI_GUEST_DIR) + "/" + program};
  run.command.insert(run.command.end(),
                     std::istream_iterator<std::string>(stream),
                     std::istream_iterator<std::string>());
  if (run.Is("away") == run.Is("comes") ||
      run.Is("comes") == run.comes_home.empty()) {
    throw std::runtime_error("guests.list: away or comes? " + line);
  }
  return run;
}

template <typename Predicate>
std::vector<GuestRun> Select(Predicate predicate) {
  std::vector<GuestRun> selected;
  for (auto& run : ReadGuestList()) {
    if (predicate(run)) {
      selected.push_back(std::move(run));
    }
  }
  return selected;
}

}  // namespace

std::vector<GuestRun> ReadGuestList() {
  std::ifstream file(std::string(SSI_SOURCE_DIR) + "/test/guests/guests.list");
  std::vector<GuestRun> runs;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("run ")) {
      runs.push_back(ParseRun(line));
    } else if (!line.empty() && !line.starts_with("#") &&
               !line.starts_with("build ")) {
      throw std::runtime_error("guests.list: " + line);
    }
  }
  if (runs.empty()) {
    throw std::runtime_error("guests.list: no runs");
  }
  return runs;
}

std::vector<GuestRun> GuestsOf(const std::string& group) {
  return Select([&](const GuestRun& run) { return run.group == group; });
}

std::vector<GuestRun> GuestsThatAre(const std::string& word) {
  return Select([&](const GuestRun& run) { return run.Is(word); });
}

}  // namespace ssi::test
