#ifndef SSI_SUPERVISOR_CALL_TALLY_H_
#define SSI_SUPERVISOR_CALL_TALLY_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

#include "base/ids.h"
#include "supervisor/call_table.h"

namespace ssi::supervisor {

// What a call would cost away, beyond its work.
enum class AwayCost : std::uint8_t {
  kNotified,   // answered where the process computes
  kRoundTrip,  // home is asked
  kHops,       // the process comes home for it
};

// The calls of one number that have one fate.
struct TallyRow {
  int number = -1;
  std::string_view name;  // "?": a number that the table does not have
  CallClass call_class = CallClass::kComeHome;
  ComesHome comes_home = ComesHome::kNot;
  std::string_view reason;  // why it comes home; else what its row notes
  std::uint64_t count = 0;
  std::uint64_t round_trips = 0;
  std::uint64_t bytes = 0;  // that reads and writes moved
};

// What the away filter would do with the calls of some processes that run at
// home, by number and arguments, from the call table alone.
//
// Owner: Explainer. A plain value: it looks at no process.
class CallTally {
 public:
  // One call of `process`. The row stays where it is. `clone_flags`: of clone3,
  // which has them in memory; unread, it is taken for a thread's.
  TallyRow& Add(int number, const CallArgs& args, HomePid process,
                std::optional<std::uint64_t> clone_flags = std::nullopt);
  // A read or write counted in `row` has moved `bytes`.
  static void AddMoved(TallyRow& row, std::uint64_t bytes);

  // By class, then number; rules give one number several rows.
  using Key = std::tuple<CallClass, int, std::string_view>;
  [[nodiscard]] const std::map<Key, TallyRow>& rows() const { return rows_; }

 private:
  AwayCost CostOf(int number, const Decision& decision, const CallArgs& args,
                  HomePid process);

  std::map<Key, TallyRow> rows_;
  // Whose answer is known away by now (AnswerIsKept).
  std::set<std::pair<HomePid, int>> kept_;
};

// Whether the fate of such calls depends on who makes them: `process` of Add
// matters for no other.
bool DependsOnCaller(int number);

// Whether such a call is a read or write: its result says what it has moved.
bool MovesData(int number);

// What an estimate assumes of the way between two nodes.
struct AwayAssumptions {
  // docs/benchmarks.md, "forwarded", "known" and "small process, whole move".
  std::chrono::nanoseconds round_trip = std::chrono::microseconds(60);
  std::chrono::nanoseconds notified = std::chrono::microseconds(5);
  std::chrono::nanoseconds hop = std::chrono::milliseconds(9);
  double bytes_per_second = 117e6;  // of a 1 Gbit/s link
};

struct AwayEstimate {
  std::uint64_t round_trips = 0;
  std::uint64_t notified = 0;  // answered where it computes
  std::uint64_t bytes = 0;
  std::uint64_t comes_home = 0;
  std::chrono::duration<double> calls{};  // round trips and notified
  std::chrono::duration<double> data{};
  std::chrono::duration<double> hops{};  // two for each that comes home
  [[nodiscard]] std::chrono::duration<double> Sum() const {
    return calls + data + hops;
  }
};
AwayEstimate Estimate(const CallTally& tally,
                      const AwayAssumptions& assumptions);

}  // namespace ssi::supervisor

#endif  // SSI_SUPERVISOR_CALL_TALLY_H_
