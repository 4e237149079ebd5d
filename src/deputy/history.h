#ifndef SSI_DEPUTY_HISTORY_H_
#define SSI_DEPUTY_HISTORY_H_

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "process/image.h"
#include "supervisor/call_table.h"

namespace ssi {

// One completed or failed move, for `ssictl why` and `--stats`.
struct Hop {
  std::string from;
  std::string to;
  bool moved = false;
  std::string reason;       // why it was to move; or why it did not
  Nanos at{};               // realtime
  Nanos whole{};            // from the decision to RUNNING
  Nanos frozen{};           // from the freeze to RUNNING
  std::uint64_t bytes = 0;  // of pages and files
};

// Calls made away, by class and number; local ones are not seen.
struct AwayCallCount {
  std::uint64_t count = 0;
  std::uint64_t answered_there = 0;  // of these: without asking home
};
using AwayCallCounts =
    std::map<std::pair<supervisor::CallClass, int>, AwayCallCount>;
void Add(AwayCallCounts& to, const AwayCallCounts& more);

// What happened to one process, kept as long as its job.
class History {
 public:
  void Add(const Hop& hop);
  void Note(Nanos at, std::string text);
  void CountComeHome(int number, const std::string& reason) {
    auto& came = came_home_[number];
    ++came.count;
    came.reason = reason;
  }
  void CountHomeCalls(const std::map<int, std::uint64_t>& calls);
  // Calls that one body has made away.
  void CountCalls(const AwayCallCounts& calls);
  // CPU time used on a node other than home.
  void AddCpu(const std::string& node, const CpuTime& used);

  [[nodiscard]] unsigned hops() const { return moved_; }
  [[nodiscard]] const std::vector<Hop>& moves() const { return moves_; }
  struct Line {
    Nanos at;
    std::string text;
  };
  [[nodiscard]] const std::deque<Line>& lines() const { return lines_; }
  struct CameHome {
    std::uint64_t count = 0;
    std::string reason;  // of the last one
  };
  [[nodiscard]] const std::map<int, CameHome>& came_home() const {
    return came_home_;
  }
  // Calls executed at home during its visits so far, by number.
  [[nodiscard]] const std::map<int, std::uint64_t>& home_calls() const {
    return home_calls_;
  }
  // Made away during its visits so far.
  [[nodiscard]] const AwayCallCounts& calls() const { return calls_; }
  // How long it stood still in the moves that succeeded.
  struct Freezes {
    unsigned count = 0;
    Nanos last{};
    Nanos min{};
    Nanos median{};
    Nanos max{};
    Nanos total{};
  };
  [[nodiscard]] Freezes freezes() const;
  [[nodiscard]] const std::map<std::string, CpuTime>& cpu() const {
    return cpu_;
  }
  [[nodiscard]] CpuTime CpuAway() const;

 private:
  static constexpr std::size_t kMostLines = 200;
  static constexpr std::size_t kMostMoves = 10000;

  unsigned moved_ = 0;
  std::vector<Hop> moves_;
  std::deque<Line> lines_;
  std::map<int, CameHome> came_home_;
  std::map<int, std::uint64_t> home_calls_;
  AwayCallCounts calls_;
  std::map<std::string, CpuTime> cpu_;
};

}  // namespace ssi

#endif  // SSI_DEPUTY_HISTORY_H_
