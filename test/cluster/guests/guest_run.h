// One guest in one mode, driven by whoever calls Tick again and again, so
// that several run at a time.
#ifndef SSI_TEST_CLUSTER_GUESTS_GUEST_RUN_H_
#define SSI_TEST_CLUSTER_GUESTS_GUEST_RUN_H_

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cluster/guests/guest_list.h"
#include "support/cluster.h"
#include "support/modes.h"

namespace ssi::test {

enum class GuestMode { kNative, kHome, kAway, kHopping };
const char* NameOf(GuestMode mode);

struct GuestPace {
  double seconds = 1;  // what @ stands for
  std::chrono::milliseconds hop_every{250};
  // Each of thousands of calls may have to wait for a CPU, twice.
  std::chrono::milliseconds limit{120000};
};

// What a run came to, from outside (result, witnessed, moves) and as the
// runtime counts it (the rest, from --stats).
struct GuestOutcome {
  RunResult result;
  bool witnessed = false;  // seen below n2's daemon in /proc
  int moves = 0;           // that ssictl answered with success
  std::set<std::string> refusals;
  int counted_moves = 0;
  std::set<std::string> failed_moves;
  std::map<std::string, std::uint64_t> came_home;
  std::map<std::string, std::uint64_t> home_calls;
};

class GuestInMode {
 public:
  // `folder`: fresh, for its files and output.
  GuestInMode(const Cluster& cluster, const GuestRun& guest, GuestMode mode,
              const GuestPace& pace, std::string folder);

  // False once it has ended or its time limit has passed.
  bool Tick();
  [[nodiscard]] const GuestRun& guest() const { return guest_; }
  [[nodiscard]] const GuestPace& pace() const { return pace_; }
  // After the end.
  GuestOutcome Outcome();

 private:
  Child Start();
  [[nodiscard]] std::vector<std::string> Command() const;
  void FindCommand();
  void Look();
  void Hop();
  [[nodiscard]] std::string WhereItHangs() const;

  const Cluster& cluster_;
  const GuestRun& guest_;
  GuestMode mode_;
  GuestPace pace_;
  std::string folder_;
  std::optional<Child> writer_;  // of stdin, for `lines`
  Child child_;
  pid_t command_ = -1;
  std::chrono::steady_clock::time_point started_;
  std::chrono::steady_clock::time_point next_hop_;
  GuestOutcome outcome_;
  std::size_t hops_ = 0;  // tried
};

}  // namespace ssi::test

#endif  // SSI_TEST_CLUSTER_GUESTS_GUEST_RUN_H_
