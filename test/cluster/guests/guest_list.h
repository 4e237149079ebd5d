// test/guests/guests.list as the harness reads it: how each guest is run.
#ifndef SSI_TEST_CLUSTER_GUESTS_GUEST_LIST_H_
#define SSI_TEST_CLUSTER_GUESTS_GUEST_LIST_H_

#include <set>
#include <string>
#include <vector>

namespace ssi::test {

struct GuestRun {
  std::string name;
  std::string group;
  std::set<std::string> how;         // the words of guests.list
  std::set<std::string> comes_home;  // names of calls; NUMBER: unknown ones
  std::vector<std::string> command;  // with @ where the seconds go

  [[nodiscard]] bool Is(const std::string& word) const {
    return how.contains(word);
  }
};

// Throws std::runtime_error where a line cannot be understood.
std::vector<GuestRun> ReadGuestList();

// Those of one group, or with one word in HOW.
std::vector<GuestRun> GuestsOf(const std::string& group);
std::vector<GuestRun> GuestsThatAre(const std::string& word);

}  // namespace ssi::test

#endif  // SSI_TEST_CLUSTER_GUESTS_GUEST_LIST_H_
